extension JSONScanner {
    /// Appends an array of numbers; returns how many there were. `null`, `NaN` and `Infinity` are appended as non-finite values.
    package mutating func appendFloats(to values: inout [Float]) throws -> Int {
        let before = values.count
        try elements { scanner in values.append(try scanner.float()) }
        return values.count - before
    }

    /// One number, rounded to the nearest float: the same bits as `strtof`, several times faster on the lengths that servers write.
    package mutating func float() throws -> Float {
        guard let first = peek() else { throw failure("number") }
        let start = offset
        var position = offset
        let negative = first == UInt8(ascii: "-")
        if negative { position += 1 }

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
        if position < bytes.count, bytes[position] | 0x20 == UInt8(ascii: "e") {
            position += 1
            var negativeExponent = false
            if position < bytes.count, bytes[position] == UInt8(ascii: "-") || bytes[position] == UInt8(ascii: "+") {
                negativeExponent = bytes[position] == UInt8(ascii: "-")
                position += 1
            }
            var written = 0
            let digitsStart = position
            while position < bytes.count, case UInt8(ascii: "0")...UInt8(ascii: "9") = bytes[position] {
                if written < 100_000 { written = written * 10 + Int(bytes[position] - UInt8(ascii: "0")) }
                position += 1
            }
            offset = position
            guard position > digitsStart else { throw failure("digits of an exponent") }
            exponent += negativeExponent ? -written : written
        }
        offset = position
        if mantissa == 0 { return negative ? -0.0 : 0.0 }
        if let value = Self.nearest(mantissa: mantissa, exponent: exponent) { return negative ? -value : value }
        guard let value = Float(String(decoding: bytes[start..<position], as: UTF8.self)) else {
            throw failure("number")
        }
        return value
    }

    /// `mantissa · 10^exponent` as a float, where double arithmetic settles the rounding.
    ///
    /// The double is off by at most 2 units in its last place (mantissa, power and quotient are each rounded once). Only where it
    /// lies that close to the middle between two floats could the second rounding go the wrong way; those, and results
    /// outside the normal floats, are left to the slow path.
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

    /// What Python's `json` writes for numbers that JSON lacks, and `null`.
    private mutating func namedFloat() throws -> Float {
        let start = offset
        switch try literal() {
        case "null", "NaN", "nan", "-NaN": return .nan
        case "Infinity", "inf": return .infinity
        case "-Infinity", "-inf": return -.infinity
        default:
            offset = start
            throw failure("number")
        }
    }
}
