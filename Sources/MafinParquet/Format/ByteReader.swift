import MafinNumerics

/// Reads bytes in order and never beyond their end: a file may come from anywhere.
struct ByteReader {
    /// The bytes. They must outlive the reader.
    let bytes: UnsafeRawBufferPointer
    /// The file, for messages.
    let path: String
    /// Offset of the next byte.
    private(set) var offset = 0

    init(_ bytes: UnsafeRawBufferPointer, path: String) {
        (self.bytes, self.path) = (bytes, path)
    }

    /// Number of bytes that are left.
    var rest: Int { bytes.count - offset }

    /// An error of the file.
    func damaged(_ found: String) -> NumericsError {
        .malformed(path: path, expected: "a Parquet file that is whole", found: found)
    }

    mutating func byte() throws -> UInt8 {
        guard offset < bytes.count else { throw damaged("the end of its data") }
        defer { offset += 1 }
        return bytes[offset]
    }

    /// The next bytes.
    mutating func take(_ count: some BinaryInteger) throws -> UnsafeRawBufferPointer {
        guard count >= 0, count <= rest else { throw damaged("the end of its data") }
        defer { offset += Int(count) }
        return UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + Int(count)])
    }

    /// A number of four bytes, the lowest first.
    mutating func integer32() throws -> Int {
        Int(UInt32(littleEndian: try take(4).loadUnaligned(as: UInt32.self)))
    }

    /// A number in seven bits a byte (ULEB128).
    mutating func varint() throws -> UInt64 {
        var (value, shift) = (UInt64(0), UInt64(0))
        while true {
            let next = try byte()
            guard shift < 64 else { throw damaged("a number that is too long") }
            value |= UInt64(next & 0x7f) << shift
            if next < 0x80 { return value }
            shift += 7
        }
    }

    /// Numbers in Parquet's hybrid of runs and packed bits.
    /// - Parameters:
    ///   - width: bits of a number, at most 32.
    ///   - count: how many numbers there are.
    mutating func hybrid(width: Int, count: Int) throws -> [UInt32] {
        guard (0...32).contains(width) else { throw damaged("numbers of \(width) bits") }
        if width == 0 { return [UInt32](repeating: 0, count: count) }
        var values: [UInt32] = []
        values.reserveCapacity(count)
        while values.count < count {
            let head = try varint()
            let missing = count - values.count
            if head & 1 == 0 {
                let run = head >> 1
                guard run > 0 else { throw damaged("an empty run") }
                let raw = try take((width + 7) / 8)
                let value = raw.enumerated().reduce(UInt32(0)) { $0 | UInt32($1.element) << UInt32(8 * $1.offset) }
                values.append(contentsOf: repeatElement(value, count: Int(min(run, UInt64(missing)))))
            } else {
                let groups = head >> 1
                guard groups > 0, groups <= UInt64(rest) else { throw damaged("packed numbers beyond its data") }
                // The last group may be cut off at the last number that counts.
                let size = min(Int(groups) * width, rest)
                let raw = try take(size)
                let available = min(missing, Int(groups) * 8, size * 8 / width)
                guard available > 0 else { throw damaged("the end of its data") }
                let mask = UInt64(1) << UInt64(width) - 1
                var (buffer, bits, next) = (UInt64(0), 0, 0)
                for _ in 0..<available {
                    while bits < width {
                        buffer |= UInt64(raw[next]) << UInt64(bits)
                        next += 1
                        bits += 8
                    }
                    values.append(UInt32(buffer & mask))
                    buffer >>= UInt64(width)
                    bits -= width
                }
            }
        }
        return values
    }
}
