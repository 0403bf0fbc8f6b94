import MafinNumerics

/// Vectors and their ids, checked.
package struct VectorTable: Sendable {
    /// Where they were read, for messages.
    let path: String
    package let ids: [String]
    let rowOfID: [String: Int]
    package private(set) var vectors: Matrix

    /// - Parameter idsPath: where the ids were read.
    /// - Throws: ``BlackBoxError``: count of ids, an id twice, a vector that is not finite or zero.
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
        try check()
    }

    private func check() throws {
        for row in 0..<vectors.rows {
            switch VectorCheck(vectors.row(row)) {
            case .good: continue
            case .zero: throw BlackBoxError.zeroVector(path: path, id: ids[row], row: row)
            case .notFinite(let column, let value):
                throw BlackBoxError.notFinite(path: path, id: ids[row], row: row, column: column, value: value)
            }
        }
    }

    /// Brings rows to unit length where they are not; returns whether any was changed.
    mutating func normalise() -> Bool {
        var changed = false
        let columns = vectors.columns
        vectors.values.withUnsafeMutableBufferPointer { values in
            for row in 0..<(columns == 0 ? 0 : values.count / columns) {
                let slice = UnsafeMutableBufferPointer(rebasing: values[row * columns..<(row + 1) * columns])
                if VectorCheck.normalise(slice) { changed = true }
            }
        }
        return changed
    }
}

/// What a black box's vector is checked for.
package enum VectorCheck: Equatable {
    /// Finite, and not all zeros.
    case good
    /// All zeros (or empty).
    case zero
    /// NaN or infinite at a position.
    case notFinite(column: Int, value: Float)

    /// Checks one vector. Complexity: one pass that the compiler vectorises, a second one only over a bad vector.
    package init(_ vector: some RandomAccessCollection<Float>) {
        let sum =
            vector.withContiguousStorageIfAvailable(Self.magnitudeBits)
            ?? vector.map { $0 }.withUnsafeBufferPointer(
                Self.magnitudeBits)
        if sum >= Float.infinity.bitPattern {
            for (column, value) in vector.enumerated() where !value.isFinite {
                self = .notFinite(column: column, value: value)
                return
            }
        }
        self = sum == 0 ? .zero : .good
    }

    /// The largest magnitude as a bit pattern: floats without their sign order as integers, and infinity and NaN come last.
    private static func magnitudeBits(_ values: UnsafeBufferPointer<Float>) -> UInt32 {
        var largest: UInt32 = 0
        for value in values { largest = max(largest, value.bitPattern & 0x7FFF_FFFF) }
        return largest
    }

    /// Divides a vector by its length where that is off 1 by more than ``VectorNormalisation/tolerance``; returns whether it was.
    package static func normalise(_ vector: UnsafeMutableBufferPointer<Float>) -> Bool {
        var squares = 0.0  // double: no overflow for large vectors, and the length is right to the last bit of a float
        for value in vector { squares += Double(value) * Double(value) }
        let length = squares.squareRoot()
        guard abs(length - 1) > Double(VectorNormalisation.tolerance) else { return false }
        for index in vector.indices { vector[index] = Float(Double(vector[index]) / length) }
        return true
    }
}
