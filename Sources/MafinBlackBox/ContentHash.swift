import Crypto
import Foundation

/// SHA-256 of files, read in pieces.
package enum ContentHash {
    /// SHA-256 of a file, lower-case hexadecimal. Memory: 1 MiB, whatever the size of the file.
    package static func sha256(of file: URL) throws -> String {
        let handle = try FileHandle(forReadingFrom: file)
        defer { try? handle.close() }
        var hasher = SHA256()
        while let piece = try handle.read(upToCount: 1 << 20), !piece.isEmpty { hasher.update(data: piece) }
        return hexadecimal(hasher.finalize())
    }

    /// SHA-256 of a text's UTF-8 bytes, lower-case hexadecimal.
    package static func sha256(of text: String) -> String {
        hexadecimal(SHA256.hash(data: Data(text.utf8)))
    }

    /// Bytes as two lower-case hexadecimal digits each.
    package static func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        for byte in bytes {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }
}
