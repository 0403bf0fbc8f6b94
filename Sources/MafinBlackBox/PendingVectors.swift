import Foundation
import MafinNumerics

/// Writes vectors and their ids in the form that ``StoredVectors`` reads: a `.npy` file, and an `.ids` file of the same name beside it.
///
/// Both files appear complete with ``commit()``, or not at all. Only the rows of one call are in memory.
/// Not to be used from two threads at a time.
public final class PendingVectors {
    /// The `.npy` file.
    public let file: URL
    /// The file of ids, one a line in the order of the rows.
    public let idsFile: URL
    /// Numbers in a vector.
    public var dimension: Int { vectors.columns }
    /// Rows written so far.
    public var count: Int { vectors.rows }

    private let vectors: NumPyFile.PendingRows
    private let ids: PendingFile

    /// Begins both files.
    /// - Parameters:
    ///   - file: the path of the `.npy` file.
    ///   - dimension: numbers in a vector.
    ///   - type: `float32`, or `float16` for half the size.
    /// - Throws: `NumericsError`, naming the file.
    public init(to file: URL, dimension: Int, as type: NumPyFile.ElementType = .float32) throws {
        self.file = file
        idsFile = file.deletingPathExtension().appendingPathExtension("ids")
        vectors = try NumPyFile.PendingRows(to: file, columns: dimension, as: type)
        ids = try PendingFile(at: idsFile)
    }

    /// Adds rows of vectors, one id each.
    /// - Throws: ``BlackBoxError/unwritableID(path:id:)``; `NumericsError`, for instance when the disk is full.
    public func append(_ rows: Matrix, ids newIDs: [String]) throws {
        precondition(rows.rows == newIDs.count, "\(newIDs.count) ids for \(rows.rows) vectors")
        let text = try Self.lines(ofIDs: newIDs, for: idsFile)
        try vectors.append(rows)
        try ids.write(Data(text.utf8))
    }

    /// Ids as the lines of a file.
    /// - Throws: ``BlackBoxError/unwritableID(path:id:)`` for an id with a line break.
    package static func lines(ofIDs ids: [String], for file: URL) throws -> String {
        try ids.map { id in
            guard !id.utf8.contains(where: { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }) else {
                throw BlackBoxError.unwritableID(path: file.path, id: id)
            }
            return id + "\n"
        }.joined()
    }

    /// Gives both files their names, the `.npy` file last. Call it once.
    /// - Throws: `NumericsError`, naming the file. If the disk is full, neither file appears.
    public func commit() throws {
        try vectors.synchronize()
        try ids.synchronize()
        try ids.commit()
        try vectors.commit()
    }
}
