extension JSONScanner {
    /// Appends an array of numbers, and returns their number. `null`, and the `NaN` and `Infinity` of Python's `json`,
    /// are appended as values that are not finite, so that the check of the vectors reports them.
    package mutating func appendFloats(to values: inout [Float]) throws -> Int {
        let before = values.count
        try elements { scanner in values.append(try scanner.float()) }
        return values.count - before
    }

    /// One number, rounded to the nearest float. The bits are those of `strtof`, but this is several times faster for
    /// the lengths that servers write.
    package mutating func float() throws -> Float {
        guard let first = peek() else { throw failure("expected a number") }
        let start = offset
        var position = offset
        let negative = first == UInt8(ascii: "-")
        if negative { position += 1 }
        let digitsStart = position

        var mantissa: UInt64 = 0
        var digits = 0  // significant ones taken into the mantissa: 19 fit
        var exponent = 0
        var sawDigit = false
        var afterPoint = false
        scan: while position < bytes.count {
            let byte = bytes[position]
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"):
                sawDigit = true
                if digits < 19 {
                    mantissa = mantissa &* 10 &+ UInt64(byte &- UInt8(ascii: "0"))
                    if mantissa != 0 { digits += 1 }
                    if afterPoint { exponent -= 1 }
                } else if !afterPoint {
                    exponent += 1
                }
            case UInt8(ascii: ".") where !afterPoint: afterPoint = true
            default: break scan
            }
            position += 1
        }
        guard sawDigit else { return try namedFloat() }
        guard bytes[digitsStart] != UInt8(ascii: "."), bytes[position - 1] != UInt8(ascii: "."),
            bytes[digitsStart] != UInt8(ascii: "0") || position == digitsStart + 1
                || bytes[digitsStart + 1] == UInt8(ascii: ".")
        else { throw failure("malformed number") }
        if position < bytes.count, bytes[position] | 0x20 == UInt8(ascii: "e") {
            position += 1
            var negativeExponent = false
            if position < bytes.count, bytes[position] == UInt8(ascii: "-") || bytes[position] == UInt8(ascii: "+") {
                negativeExponent = bytes[position] == UInt8(ascii: "-")
                position += 1
            }
            var written = 0
            let exponentStart = position
            while position < bytes.count, case UInt8(ascii: "0")...UInt8(ascii: "9") = bytes[position] {
                if written < 100_000 { written = written * 10 + Int(bytes[position] - UInt8(ascii: "0")) }
                position += 1
            }
            offset = position
            guard position > exponentStart else { throw failure("malformed number") }
            exponent += negativeExponent ? -written : written
        }
        offset = position
        if mantissa == 0 { return negative ? -0.0 : 0.0 }
        if let value = Self.nearest(mantissa: mantissa, exponent: exponent) { return negative ? -value : value }
        guard let value = Float(String(decoding: bytes[start..<position], as: UTF8.self)) else {
            throw failure("malformed number")
        }
        return value
    }

    /// `mantissa · 10^exponent` as a float; `nil` if double arithmetic cannot decide the rounding.
    ///
    /// The double is wrong by at most 2 units in its last place, because mantissa, power and result are each rounded
    /// once. The second rounding can go wrong only if the double is that close to the middle between two floats. Such
    /// numbers, and results outside the normal floats, take the slow path.
    private static func nearest(mantissa: UInt64, exponent: Int) -> Float? {
        guard exponent.magnitude < powersOfTen.count else { return nil }
        let power = powersOfTen[Int(exponent.magnitude)]
        let double = exponent < 0 ? Double(mantissa) / power : Double(mantissa) * power
        guard double >= Double(Float.leastNormalMagnitude), double <= 3.4e38 else { return nil }
        let dropped = double.bitPattern & 0x1FFF_FFFF  // the 29 bits that a float does not have
        guard dropped &- 0x0FFF_FFF0 > 0x20 else { return nil }
        return Float(double)
    }

    /// 10⁰ … 10⁶³, each the nearest double.
    private static let powersOfTen: [Double] = (0..<64).map { Double("1e\($0)") ?? .nan }

    private mutating func namedFloat() throws -> Float {
        for (name, value) in Self.namedFloats {
            let end = offset + name.utf8CodeUnitCount
            guard end <= bytes.count, name.withUTF8Buffer({ bytes[offset..<end].elementsEqual($0) }) else { continue }
            offset = end
            return value
        }
        throw failure("expected a number")
    }

    private static let namedFloats: [(StaticString, Float)] = [
        ("null", .nan), ("NaN", .nan), ("nan", .nan), ("-NaN", .nan), ("Infinity", .infinity), ("inf", .infinity),
        ("-Infinity", -.infinity), ("-inf", -.infinity),
    ]
}
