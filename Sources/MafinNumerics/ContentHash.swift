import CMafinKernels
import Foundation

/// The hash of bytes that come in pieces: SHA-256, or SHA-1 if a protocol requires it (FIPS 180-4).
///
/// ```swift
/// var hash = ContentHash()
/// hash.update("mafin")
/// let digest = hash.finalize()    // 32 bytes
/// ```
package struct ContentHash: Sendable {
    /// The hash function.
    package enum Algorithm: Sendable {
        /// 32 bytes. Use this one.
        case sha256
        /// 20 bytes. It is broken as a signature, but Git names files by it.
        case sha1
    }

    /// Number of bytes in a block of the hash function.
    package static let blockSize = 64

    private let algorithm: Algorithm
    private var state: [UInt32]
    /// Bytes that do not fill a block yet.
    private var rest: [UInt8] = []
    private var count: UInt64 = 0

    /// The hash of no bytes yet.
    package init(_ algorithm: Algorithm = .sha256) {
        self.algorithm = algorithm
        switch algorithm {
        case .sha256:
            state = [
                0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19,
            ]
        case .sha1: state = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0]
        }
    }

    /// Adds bytes.
    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        count += UInt64(bytes.count)
        var bytes = bytes[...]
        if !rest.isEmpty {
            let missing = bytes.prefix(Self.blockSize - rest.count)
            rest.append(contentsOf: missing)
            bytes = bytes.dropFirst(missing.count)
            guard rest.count == Self.blockSize else { return }
            let block = rest
            block.withUnsafeBytes { Self.mix(algorithm, &state, $0) }
            rest.removeAll(keepingCapacity: true)
        }
        let whole = bytes.prefix(bytes.count / Self.blockSize * Self.blockSize)
        Self.mix(algorithm, &state, UnsafeRawBufferPointer(rebasing: whole))
        rest.append(contentsOf: bytes.dropFirst(whole.count))
    }

    /// Adds bytes.
    package mutating func update(_ bytes: some ContiguousBytes) {
        bytes.withUnsafeBytes { update($0) }
    }

    /// Adds the UTF-8 bytes of a text.
    package mutating func update(_ text: String) {
        var text = text
        text.withUTF8 { update(UnsafeRawBufferPointer($0)) }
    }

    /// The hash of all bytes that were added.
    package func finalize() -> [UInt8] {
        var state = state
        let bits = count * 8
        let zeros = (Self.blockSize * 2 - 9 - rest.count) % Self.blockSize
        let padding = [0x80] + [UInt8](repeating: 0, count: zeros)
        let last = rest + padding + withUnsafeBytes(of: bits.bigEndian) { Array($0) }
        last.withUnsafeBytes { Self.mix(algorithm, &state, $0) }
        return state.flatMap { word in withUnsafeBytes(of: word.bigEndian) { Array($0) } }
    }

    /// Adds whole blocks.
    private static func mix(_ algorithm: Algorithm, _ state: inout [UInt32], _ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.assumingMemoryBound(to: UInt8.self).baseAddress else { return }
        state.withUnsafeMutableBufferPointer { state in
            guard let state = state.baseAddress else { return }
            switch algorithm {
            case .sha256: mafin_sha256(state, base, bytes.count / blockSize)
            case .sha1: mafin_sha1(state, base, bytes.count / blockSize)
            }
        }
    }

    // MARK: In one call

    /// SHA-256 of bytes.
    package static func sha256(_ bytes: some ContiguousBytes) -> [UInt8] {
        var hash = ContentHash()
        hash.update(bytes)
        return hash.finalize()
    }

    /// SHA-256 of a text's UTF-8 bytes, lower-case hexadecimal.
    package static func sha256(of text: String) -> String {
        var hash = ContentHash()
        hash.update(text)
        return hexadecimal(hash.finalize())
    }

    /// SHA-256 of a file, lower-case hexadecimal. Memory: 1 MiB, whatever the size of the file.
    package static func sha256(of file: URL) throws -> String {
        var hash = ContentHash()
        try hash.update(contentsOf: file)
        return hexadecimal(hash.finalize())
    }

    /// Adds a file's bytes, which are read in pieces of 1 MiB.
    package mutating func update(contentsOf file: URL) throws {
        let handle = try FileHandle(forReadingFrom: file)
        defer { try? handle.close() }
        while let piece = try handle.read(upToCount: 1 << 20), !piece.isEmpty { update(piece) }
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
