import Foundation
import MafinNumerics

/// The precision of vectors in the cache.
public enum VectorPrecision: String, Sendable, Hashable, CaseIterable, Codable {
    /// 32-bit floats: exactly as answered.
    case float32
    /// 16-bit floats: half the size; the cosine of two unit vectors is off by less than 0.001.
    case float16

    /// Its number in the cache's table.
    var code: Int { self == .float32 ? 0 : 1 }

    init?(code: Int) {
        guard let found = Self.allCases.first(where: { $0.code == code }) else { return nil }
        self = found
    }

    /// Bytes of one number.
    var width: Int { self == .float32 ? 4 : 2 }
}

/// Reads and writes vectors in the cache's format: little-endian floats.
enum StoredVector {
    #if _endian(big)
        #error("the cache stores little-endian floats; a big-endian machine would need a conversion here")
    #endif

    /// The stored value of a vector. A vector with numbers beyond the range of 16-bit floats is stored with 32 bits.
    static func value(of vector: some Collection<Float>, as precision: VectorPrecision) -> (Data, VectorPrecision) {
        if precision == .float16 {
            let bits = Float16Bits.bits(Array(vector))
            if bits.allSatisfy({ $0 & 0x7C00 != 0x7C00 }) { return (bits.withUnsafeBytes { Data($0) }, .float16) }
        }
        let floats = vector.withContiguousStorageIfAvailable { Data(UnsafeRawBufferPointer($0)) }
        return (floats ?? Array(vector).withUnsafeBytes { Data($0) }, .float32)
    }

    /// Appends the numbers of a stored value.
    static func append(_ value: UnsafeRawBufferPointer, as precision: VectorPrecision, to numbers: inout [Float]) {
        switch precision {
        case .float32:
            let count = value.count / 4
            numbers.reserveCapacity(numbers.count + count)
            for index in 0..<count { numbers.append(value.loadUnaligned(fromByteOffset: 4 * index, as: Float.self)) }
        case .float16:
            numbers.append(contentsOf: Float16Bits.floats(value))
        }
    }

    /// Appends the numbers of a row's value, or returns what is wrong with it.
    static func fault(
        in value: Data?, key: Data, checksum: Int64, code: Int, dimension: Int, to numbers: inout [Float]
    ) -> String? {
        guard let precision = VectorPrecision(code: code) else { return "unknown precision \(code)" }
        guard let value, value.count == dimension * precision.width else {
            return "\(value?.count ?? 0) bytes where \(dimension * precision.width) are expected"
        }
        guard checksum == Self.checksum(key: key, value: value) else { return "its checksum does not match" }
        value.withUnsafeBytes { append($0, as: precision, to: &numbers) }
        return nil
    }

    /// Vectors as they will be read back, so that a first run and a later one get the same numbers.
    static func asStored(_ vectors: Matrix, _ precision: VectorPrecision) -> Matrix {
        guard precision == .float16 else { return vectors }
        var stored: [Float] = []
        for row in 0..<vectors.rows {
            let (value, precision) = value(of: vectors.row(row), as: precision)
            value.withUnsafeBytes { append($0, as: precision, to: &stored) }
        }
        return Matrix(rows: vectors.rows, columns: vectors.columns, values: stored)
    }

    /// The first 64 bits of SHA-256 over key and value: finds a torn or altered value, and one that belongs to another key.
    static func checksum(key: Data, value: Data) -> Int64 {
        var hash = ContentHash()
        hash.update(key)
        hash.update(value)
        return hash.finalize().prefix(8).reduce(0) { $0 << 8 | Int64($1) }
    }
}
