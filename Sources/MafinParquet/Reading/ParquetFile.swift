import Foundation
import MafinNumerics

/// A Parquet file that is read: columns of texts and of vectors, group of rows by group of rows.
///
/// It reads what pyarrow, pandas, DuckDB, Polars and Spark write by default: plain and dictionary pages of both versions, not compressed or
/// with Snappy, gzip or Zstandard; also split bytes. It refuses the delta encodings, LZ4, Brotli and encrypted files, and says so.
public struct ParquetFile: Sendable {
    /// A column.
    public struct Column: Sendable, Equatable {
        /// What its cells can be read as.
        public enum Kind: String, Sendable {
            /// Texts, or whole numbers and UUIDs as texts.
            case text
            /// Lists of floats.
            case vector
            /// Something else, which is not read.
            case other
        }

        /// Its name.
        public var name: String
        /// What its cells can be read as.
        public var kind: Kind
        /// Whether its texts are whole numbers.
        public var isNumber = false
    }

    /// The columns of the outermost level.
    public let columns: [Column]
    /// Rows of each group.
    public let groups: [Int]
    /// Texts for readers of the file.
    public let metadata: [String: String]
    /// Number of rows.
    public var rows: Int { groups.reduce(0, +) }
    /// The bytes at the end of the file that describe all others.
    public let footer: Range<Int>

    private let path: String
    let file: MappedFile
    private let leaves: [SchemaLeaf]
    /// For each group the metadata of the chunks, in the order of the leaves.
    private let chunks: [[CompactValue]]

    /// Opens a file and reads its metadata.
    /// - Throws: `NumericsError` naming the file: unreadable, no Parquet, damaged, encrypted.
    public init(_ url: URL) throws {
        let path = url.path
        self.path = path
        file = try MappedFile(url)
        func malformed(_ found: String) -> NumericsError {
            .malformed(path: path, expected: "a Parquet file", found: found)
        }
        let (metadataSize, described) = try file.withUnsafeBytes { bytes -> (Int, CompactValue) in
            guard bytes.count >= 12 else { throw malformed("\(bytes.count) bytes") }
            let end = bytes[(bytes.count - 4)...]
            guard !end.elementsEqual(Array("PARE".utf8)) else { throw malformed("an encrypted one") }
            guard end.elementsEqual(PendingParquet.magic) else { throw malformed("other bytes at its end") }
            let size = Int(
                UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: bytes.count - 8, as: UInt32.self)))
            guard size <= bytes.count - 12 else { throw malformed("metadata beyond the file: cut off?") }
            var reader = ByteReader(
                UnsafeRawBufferPointer(rebasing: bytes[(bytes.count - 8 - size)..<(bytes.count - 8)]), path: path)
            return (size, try reader.compactStructure())
        }
        footer = (file.count - 8 - metadataSize)..<file.count
        guard let nodes = described[2]?.list, let groups = described[4]?.list else {
            throw malformed("metadata without a schema")
        }
        let leaves = try SchemaLeaf.leaves(of: nodes, path: path)
        self.leaves = leaves
        var names: [String] = []
        for leaf in leaves where names.last != leaf.path[0] { names.append(leaf.path[0]) }
        columns = names.map { name in
            let own = leaves.filter { $0.path[0] == name }
            return Column(name: name, kind: Self.kind(of: own), isNumber: own[0].isNumber)
        }
        var sum = 0
        self.groups = try groups.map { group in
            guard let rows = group[3]?.integer, rows >= 0 else { throw malformed("a group without a number of rows") }
            let (next, isTooLarge) = sum.addingReportingOverflow(rows)
            guard !isTooLarge else { throw malformed("more rows than can be counted") }
            sum = next
            return rows
        }
        chunks = try groups.map { group in
            guard let chunks = group[1]?.list, chunks.count == leaves.count else {
                throw malformed("a group of other columns than the schema")
            }
            return chunks
        }
        var metadata: [String: String] = [:]
        for pair in described[5]?.list ?? [] {
            if let key = pair[1]?.text { metadata[key] = pair[2]?.text ?? "" }
        }
        self.metadata = metadata
    }

    private static func kind(of leaves: [SchemaLeaf]) -> Column.Kind {
        guard leaves.count == 1, let leaf = leaves.first, !leaf.isEncoded else { return .other }
        switch (leaf.type, leaf.repetition) {
        case (.bytes, 0), (.integer32, 0), (.integer64, 0): return .text
        case (.fixedBytes, 0) where leaf.isUUID && leaf.length == 16: return .text
        case (.float, 1), (.double, 1): return .vector
        case (.fixedBytes, 1) where leaf.isHalf && leaf.length == 2: return .vector
        default: return .other
        }
    }

    func leaf(_ name: String, _ kind: Column.Kind) throws -> Int {
        let names = columns.map { "'\($0.name)'\($0.kind == .other ? "" : " (\($0.kind.rawValue)s)")" }
        let what = kind == .text ? "texts" : "lists of floats"
        guard let column = columns.first(where: { $0.name == name }) else {
            throw NumericsError.malformed(
                path: path, expected: "a column '\(name)' of \(what)",
                found: "the columns \(names.joined(separator: ", "))")
        }
        guard column.kind == kind, let index = leaves.firstIndex(where: { $0.path[0] == name }) else {
            throw NumericsError.malformed(
                path: path, expected: "\(what) in the column '\(name)'", found: "cells of another kind")
        }
        return index
    }

    /// The vectors of a column in a group of rows, `(rows, dimension)`.
    /// - Throws: `NumericsError`: no such column, a missing vector or number, vectors of several lengths, damaged or unsupported pages.
    public func vectors(_ column: String, group: Int) throws -> Matrix {
        let cells = try cells(try leaf(column, .vector), group)
        let rows = groups[group]
        var (row, length, width) = (-1, 0, nil as Int?)
        func close() throws {
            guard row >= 0 else { return }
            if let width, width != length {
                throw NumericsError.malformed(
                    path: path, expected: "vectors of \(width) numbers in the column '\(column)'",
                    found: "\(length) in row \(firstRow(of: group) + row)")
            }
            width = length
        }
        for (place, repetition) in cells.repetition.enumerated() {
            if repetition == 0 {
                try close()
                (row, length) = (row + 1, 0)
            }
            let definition = cells.definition.isEmpty ? cells.leaf.definition : Int(cells.definition[place])
            guard definition >= cells.leaf.listDefinition else {
                throw missing("vector", column, row: firstRow(of: group) + row)
            }
            guard definition == cells.leaf.definition else {
                throw missing("number of a vector", column, row: firstRow(of: group) + row)
            }
            length += 1
        }
        try close()
        guard row + 1 == rows, cells.floats.count == rows * (width ?? 0) else {
            throw damaged("\(row + 1) vectors in \(rows) rows")
        }
        return Matrix(rows: rows, columns: width ?? 0, values: cells.floats)
    }

    func firstRow(of group: Int) -> Int { groups[..<group].reduce(0, +) }

    func missing(_ what: String, _ column: String, row: Int) -> NumericsError {
        .malformed(
            path: path, expected: "a \(what) in every row of the column '\(column)'",
            found: "null or nothing in row \(row)")
    }

    func damaged(_ found: String) -> NumericsError {
        .malformed(path: path, expected: "a Parquet file that is whole", found: found)
    }

    /// The bytes of all pages of a group.
    /// - Throws: `NumericsError` if they are not in the file.
    public func bytes(ofGroup group: Int) throws -> Range<Int> {
        let parts = try leaves.indices.map { try bytes(of: $0, group) }
        return (parts.map(\.lowerBound).min() ?? 0)..<(parts.map(\.upperBound).max() ?? 0)
    }

    /// A leaf in a group, for messages.
    private func place(of index: Int, _ group: Int) -> String {
        "\(path), row group \(group), column '\(leaves[index].path[0])'"
    }

    /// The bytes of the pages of a leaf in a group.
    private func bytes(of index: Int, _ group: Int) throws -> Range<Int> {
        let chunk = chunks[group][index]
        func damaged(_ found: String) -> NumericsError {
            .malformed(path: place(of: index, group), expected: "a Parquet file that is whole", found: found)
        }
        guard let data = chunk[3], let size = data[7]?.integer, let pages = data[9]?.integer else {
            throw damaged("a column without metadata (encrypted?)")
        }
        guard chunk[1]?.text == nil else { throw damaged("a column in another file, which is not read") }
        // A dictionary comes before the pages that use it.
        let dictionary = data[11]?.integer ?? 0
        let start = dictionary > 0 ? min(dictionary, pages) : pages
        guard start >= 4, size >= 0, start <= file.count, size <= file.count - start else {
            throw damaged("a column beyond its end")
        }
        return start..<start + size
    }

    /// A leaf in a group: cells that nothing is read into yet, the bytes of its pages, and how many cells there should be.
    func chunk(_ index: Int, _ group: Int) throws -> (cells: LeafCells, bytes: Range<Int>, values: Int) {
        let (bytes, place) = (try bytes(of: index, group), place(of: index, group))
        let data = chunks[group][index][3]
        guard let codec = data?[4]?.integer, let values = data?[5]?.integer, values >= 0 else {
            throw NumericsError.malformed(
                path: place, expected: "a Parquet file that is whole", found: "a column without its number of cells")
        }
        return (LeafCells(leaves[index], try ParquetCodec(code: codec, path: place), path: place), bytes, values)
    }

    /// All pages of a leaf in a group.
    private func cells(_ index: Int, _ group: Int) throws -> LeafCells {
        var (cells, range, values) = try chunk(index, group)
        try file.withUnsafeBytes { bytes in
            var reader = ByteReader(UnsafeRawBufferPointer(rebasing: bytes[range]), path: cells.path)
            while cells.count < values { try cells.appendPage(&reader) }
        }
        return cells
    }
}
