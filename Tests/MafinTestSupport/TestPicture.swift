import Foundation

/// Writes PNG files for tests, because the program has no writer.
public enum TestPicture {
    /// A PNG of RGB pixels, stored without compression.
    /// - Parameter pixel: red, green and blue at a column and a row.
    public static func png(width: Int, height: Int, pixel: (_ x: Int, _ y: Int) -> [UInt8]) -> Data {
        var raw: [UInt8] = []
        for y in 0..<height {
            raw.append(0)
            for x in 0..<width { raw += pixel(x, y) }
        }
        // Blocks of zlib hold at most 65,535 bytes.
        var stored: [UInt8] = [0x78, 1]
        for start in stride(from: 0, to: raw.count, by: 65_535) {
            let block = raw[start..<min(start + 65_535, raw.count)]
            let size = UInt16(block.count)
            stored.append(start + block.count == raw.count ? 1 : 0)
            for word in [size, ~size] {
                stored.append(UInt8(word & 255))
                stored.append(UInt8(word >> 8))
            }
            stored += block
        }
        stored += big(adler(raw))
        var header = big(UInt32(width)) + big(UInt32(height))
        header += [8, 2, 0, 0, 0]
        var file: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 13, 10, 26, 10]
        file += chunk("IHDR", header)
        file += chunk("IDAT", stored)
        file += chunk("IEND", [])
        return Data(file)
    }

    /// A PNG of soft patches that differ with `number`: no two look the same, and each looks the same in every size of at least 32 pixels.
    ///
    /// Eight rows of eight random colours, joined by straight lines, so that no frequency is empty and its sign is no accident of rounding.
    public static func patches(_ number: Int, side: Int = 32, brightness: Double = 1) -> Data {
        var state = UInt32(truncatingIfNeeded: number) &* 2_654_435_761 &+ 12_345
        let colours = (0..<8 * 8 * 3 + 4).map { _ -> Double in
            state = state &* 1_664_525 &+ 1_013_904_223
            return Double(state >> 8) / 16_777_216
        }.dropFirst(4)
        func place(_ pixel: Int) -> (Int, Int, Double) {
            let value = (Double(pixel) + 0.5) / Double(side) * 7
            return (Int(value), min(Int(value) + 1, 7), value - Double(Int(value)))
        }
        return png(width: side, height: side) { x, y in
            let (left, right, across) = place(x)
            let (upper, lower, down) = place(y)
            return (0..<3).map { colour -> UInt8 in
                func value(_ row: Int, _ column: Int) -> Double { colours[4 + (row * 8 + column) * 3 + colour] }
                let above = value(upper, left) * (1 - across) + value(upper, right) * across
                let below = value(lower, left) * (1 - across) + value(lower, right) * across
                return UInt8(brightness * (10 + 230 * (above * (1 - down) + below * down)))
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
