import Crypto
import Foundation

/// A vector as the cache keeps it: little-endian 32-bit floats.
enum StoredVector {
    static func bytes(of vector: ArraySlice<Float>) -> Data {
        #if _endian(little)
            return vector.withUnsafeBytes { Data($0) }
        #else
            #error("the cache stores little-endian floats; a big-endian machine would need a conversion here")
        #endif
    }

    static func withFloats<Result>(
        _ value: Data, _ body: (UnsafeBufferPointer<Float>) throws -> Result
    ) rethrows -> Result {
        // Copied, since the bytes of a `Data` need not be aligned.
        let floats = [Float](unsafeUninitializedCapacity: value.count / 4) { buffer, count in
            count = value.count / 4
            _ = value.copyBytes(to: UnsafeMutableRawBufferPointer(buffer))
        }
        return try floats.withUnsafeBufferPointer(body)
    }

    /// The first 64 bits of SHA-256 over key and value: finds a torn or altered value, and one that belongs to another key.
    static func checksum(key: EmbeddingKey, value: Data) -> Int64 {
        var hasher = SHA256()
        hasher.update(data: key.bytes)
        hasher.update(data: value)
        return hasher.finalize().prefix(8).reduce(0) { $0 << 8 | Int64($1) }
    }
}
