/// Little-endian 32-bit floats in base64, as embedding APIs send them.
enum Base64Floats {
    private static let invalid: UInt8 = 0xFF
    private static let sextets: [UInt8] = {
        var table = [UInt8](repeating: invalid, count: 256)
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        for (value, character) in alphabet.utf8.enumerated() { table[Int(character)] = UInt8(value) }
        return table
    }()

    /// Appends the floats. Returns their number, or nil if the text is not base64 or its bytes are not complete floats.
    ///
    /// `text` is the content of a JSON string without unescaping: some servers write `\/` for `/`. Padding may be missing.
    static func append(_ text: UnsafeBufferPointer<UInt8>, to values: inout [Float]) -> Int? {
        var group: UInt32 = 0
        var sextetsInGroup = 0
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count / 4 * 3 + 3)
        var padding = 0
        let valid = sextets.withUnsafeBufferPointer { table -> Bool in
            for character in text {
                let sextet = table[Int(character)]
                guard sextet != invalid else {
                    if character == UInt8(ascii: "=") {
                        padding += 1
                    } else if character != UInt8(ascii: "\\") {
                        return false
                    }
                    continue
                }
                guard padding == 0 else { return false }
                group = group << 6 | UInt32(sextet)
                sextetsInGroup += 1
                if sextetsInGroup == 4 {
                    bytes.append(UInt8(truncatingIfNeeded: group >> 16))
                    bytes.append(UInt8(truncatingIfNeeded: group >> 8))
                    bytes.append(UInt8(truncatingIfNeeded: group))
                    (group, sextetsInGroup) = (0, 0)
                }
            }
            return true
        }
        guard valid, padding <= 2, sextetsInGroup != 1 else { return nil }
        if sextetsInGroup >= 2 { bytes.append(UInt8(truncatingIfNeeded: group >> (sextetsInGroup == 2 ? 4 : 10))) }
        if sextetsInGroup == 3 { bytes.append(UInt8(truncatingIfNeeded: group >> 2)) }
        guard bytes.count % 4 == 0 else { return nil }
        bytes.withUnsafeBytes { raw in
            for offset in stride(from: 0, to: raw.count, by: 4) {
                let pattern = UInt32(littleEndian: raw.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
                values.append(Float(bitPattern: pattern))
            }
        }
        return bytes.count / 4
    }
}
