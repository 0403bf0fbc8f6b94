import Foundation
import MafinParquet

/// Cuts a file of texts into parts for ``CheckedTexts/init(partOf:bytes:as:)``: lines into about equal bytes (``LineCut``), a Parquet file
/// by its row groups.
///
/// A cut is a pure function of the file and the number of parts, so that workers which know nothing of each other agree.
public struct TextCut {
    /// Bytes of the file.
    public let size: Int
    /// The bytes that tell what all others mean: the footer of a Parquet file. Empty for lines.
    public let footer: Range<Int>
    /// Number of row groups that hold rows; `nil` for lines. At most so many parts hold texts.
    public var rowGroups: Int? { groups?.count }

    private let file: URL
    private let groups: [(start: Int, rows: Int)]?

    /// Opens a file of texts, from ``CheckedTexts/file(of:as:)``.
    /// - Throws: ``RetrievalError/missingFile(path:expected:)``; ``RetrievalError/unreadableFile(path:reason:)``, also for a compressed file
    ///   and for row groups that do not follow each other; `NumericsError` for a damaged Parquet file.
    public init(_ file: URL) throws {
        self.file = file
        let expected = "a file of texts"
        guard ParquetRows.isParquet(file) else {
            size = try LineCut.requirePlainFile(file, expected: expected)
            (footer, groups) = (size..<size, nil)
            return
        }
        let parquet = try ParquetRows.open(file)
        (size, footer) = (parquet.footer.upperBound, parquet.footer)
        var end = 0
        groups = try parquet.groups.indices.filter { parquet.groups[$0] > 0 }.map { group in
            let bytes = try parquet.bytes(ofGroup: group)
            guard bytes.lowerBound >= end, bytes.lowerBound < bytes.upperBound,
                bytes.upperBound <= parquet.footer.lowerBound
            else {
                throw RetrievalError.unreadableFile(
                    path: file.path,
                    reason: "row group \(group) does not follow the one before it, so the file cannot be cut")
            }
            end = bytes.upperBound
            return (bytes.lowerBound, parquet.groups[group])
        }
    }

    /// The bytes of one part. Parts follow each other and make up the file; one may be empty.
    ///
    /// A part of a Parquet file goes from the start of its first row group to that of the next part's first group, the first part from byte 0,
    /// and the last that has groups to the end of the file.
    /// - Throws: ``RetrievalError/unreadableFile(path:reason:)``
    public func bytes(ofPart part: Int, of parts: Int) throws -> Range<Int> {
        guard let groups else { return try LineCut.bytes(ofPart: part, of: parts, in: file) }
        precondition(parts >= 1 && (0..<parts).contains(part), "part \(part) of \(parts)")
        let first = Self.firstGroups(of: groups.map(\.rows), parts: parts)
        func start(_ part: Int) -> Int {
            if part == 0 { return 0 }
            return part < parts && first[part] < groups.count ? groups[first[part]].start : size
        }
        return start(part)..<start(part + 1)
    }

    /// The first group of each part. The part with the most rows has as few as can be; no part is empty if there are enough groups, and
    /// otherwise the last ones are.
    static func firstGroups(of rows: [Int], parts: Int) -> [Int] {
        /// Parts that are needed if none has more rows.
        func needed(_ most: Int) -> Int {
            var (count, sum) = (1, 0)
            for rows in rows {
                if rows > most - sum { (count, sum) = (count + 1, 0) }
                sum += rows
            }
            return count
        }
        var (most, enough) = (rows.max() ?? 0, rows.reduce(0, +))
        while most < enough {
            let middle = most + (enough - most) / 2
            if needed(middle) <= parts { enough = middle } else { most = middle + 1 }
        }
        var next = 0
        return (0..<parts).map { part in
            let first = next
            var sum = 0
            // A further group is taken only if each later part still gets one.
            while next < rows.count, rows[next] <= most - sum,
                next == first || rows.count - next > parts - 1 - part
            {
                sum += rows[next]
                next += 1
            }
            return first
        }
    }
}
