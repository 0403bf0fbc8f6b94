import Foundation

/// Writes PNG files for tests, because the program has no writer.
public enum TestPicture {
    /// A PNG of RGB pixels, stored without compression.
    /// - Parameter pixel: red, green and blue at a column and a row.
    public static func png(width: Int, height: Int, pixel: (_ x: Int, _ y: Int) -> [UInt8]) -> Data {
        let raw = (0..<height).flatMap { y in [0] + (0..<width).flatMap { x in pixel(x, y) } }
        // Blocks of zlib hold at most 65,535 bytes.
        var stored: [UInt8] = [0x78, 1]
        for start in stride(from: 0, to: raw.count, by: 65_535) {
            let block = raw[start..<min(start + 65_535, raw.count)]
            let size = UInt16(block.count)
            stored.append(start + block.count == raw.count ? 1 : 0)
            stored += [UInt8(size & 255), UInt8(size >> 8), UInt8(~size & 255), UInt8(~size >> 8)] + block
        }
        let header = big(UInt32(width)) + big(UInt32(height)) + [8, 2, 0, 0, 0]
        let file: [UInt8] =
            [0x89, 0x50, 0x4E, 0x47, 13, 10, 26, 10] + chunk("IHDR", header) + chunk("IDAT", stored + big(adler(raw)))
            + chunk("IEND", [])
        return Data(file)
    }

    /// A PNG of waves that differ with `number`, so that no two look the same.
    public static func waves(_ number: Int, side: Int = 32, brightness: Double = 1) -> Data {
        png(width: side, height: side) { x, y in
            let (u, v) = (Double(x) / Double(side), Double(y) / Double(side))
            return (0..<3).map { colour in
                let phase = Double(number * 7 + colour)
                let wave =
                    sin(phase + (3 + Double(number % 5)) * u * 6.28)
                    * cos(phase * 1.7 + (2 + Double(number % 7)) * v * 6.28)
                return UInt8(brightness * (100 + 90 * wave))
            }
        }
    }

    private static func big(_ value: UInt32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * UInt32($0))) }
    }

    private static func chunk(_ name: String, _ data: [UInt8]) -> [UInt8] {
        let body = Array(name.utf8) + data
        var sum: UInt32 = 0xFFFF_FFFF
        for byte in body {
            sum ^= UInt32(byte)
            for _ in 0..<8 { sum = sum & 1 == 1 ? sum >> 1 ^ 0xEDB8_8320 : sum >> 1 }
        }
        return big(UInt32(data.count)) + body + big(~sum)
    }

    private static func adler(_ bytes: [UInt8]) -> UInt32 {
        var (a, b): (UInt32, UInt32) = (1, 0)
        for byte in bytes {
            a = (a + UInt32(byte)) % 65_521
            b = (b + a) % 65_521
        }
        return b << 16 | a
    }
}
