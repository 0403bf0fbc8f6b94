import MafinNumerics

/// Vectors and their ids, which have been checked.
package struct VectorTable: Sendable {
    /// The file that they were read from, for messages.
    let path: String
    package let ids: [String]
    let rowOfID: [String: Int]
    package private(set) var vectors: Matrix

    /// - Parameter idsPath: the file that the ids were read from.
    /// - Throws: ``BlackBoxError`` if the number of ids is wrong, an id occurs twice, or a vector is zero or not finite.
    init(path: String, vectors: Matrix, ids: [String], idsPath: String) throws {
        guard vectors.rows == ids.count else {
            throw BlackBoxError.countMismatch(path: path, vectors: vectors.rows, idsPath: idsPath, ids: ids.count)
        }
        var rowOfID: [String: Int] = [:]
        rowOfID.reserveCapacity(ids.count)
        for (row, id) in ids.enumerated() {
            if let first = rowOfID.updateValue(row, forKey: id) {
                throw BlackBoxError.duplicateID(path: idsPath, id: id, firstRow: first, row: row)
            }
        }
        self.path = path
        self.ids = ids
        self.rowOfID = rowOfID
        self.vectors = vectors
        try VectorCheck.require(vectors, path: path) { ids[$0] }
    }

    /// Normalises all rows to unit length if the length of any differs from 1 by more than ``VectorNormalisation/tolerance``.
    /// - Returns: whether it did. If not, the vectors stay as they were stored.
    mutating func normalise() -> Bool {
        let (unit, lengths) = vectors.normalizedRows()
        guard lengths.contains(where: { abs($0 - 1) > VectorNormalisation.tolerance }) else { return false }
        vectors = unit
        return true
    }
}

/// The result of checking a black box's vector.
package enum VectorCheck: Equatable {
    /// Finite, and not all zeros.
    case good
    /// All zeros (or empty).
    case zero
    /// NaN or infinite at a position.
    case notFinite(column: Int, value: Float)

    /// Checks one vector. Complexity: one pass that the compiler vectorises, and a second pass for a vector that is not finite.
    package init(_ vector: some RandomAccessCollection<Float>) {
        let sum =
            vector.withContiguousStorageIfAvailable(Self.magnitudeBits)
            ?? Array(vector).withUnsafeBufferPointer(Self.magnitudeBits)
        if sum >= Float.infinity.bitPattern {
            for (column, value) in vector.enumerated() where !value.isFinite {
                self = .notFinite(column: column, value: value)
                return
            }
        }
        self = sum == 0 ? .zero : .good
    }

    /// - Throws: ``BlackBoxError``, naming the first row that is not good.
    static func require(_ vectors: Matrix, path: String, id: (Int) -> String) throws {
        for row in 0..<vectors.rows {
            switch VectorCheck(vectors.row(row)) {
            case .good: continue
            case .zero: throw BlackBoxError.zeroVector(path: path, id: id(row), row: row)
            case .notFinite(let column, let value):
                throw BlackBoxError.notFinite(path: path, id: id(row), row: row, column: column, value: value)
            }
        }
    }

    /// The largest magnitude as a bit pattern: without the sign, floats compare like integers, and infinity and NaN are the largest.
    private static func magnitudeBits(_ values: UnsafeBufferPointer<Float>) -> UInt32 {
        var largest: UInt32 = 0
        for value in values { largest = max(largest, value.bitPattern & 0x7FFF_FFFF) }
        return largest
    }
}
