import Foundation
import MafinNumerics

/// A Parquet file that is written in groups of rows. The number of rows need not be known beforehand.
///
/// ```swift
/// let file = try PendingParquet(to: url, columns: [ParquetColumn("id", .text), ParquetColumn("local", .floats(384))])
/// try file.append([.texts(ids), .rows(vectors.values)])
/// try file.commit()
/// ```
/// Memory: one group of rows. The file gets its name with ``commit()``, whole or not at all. Not to be used from two threads at a time.
public final class PendingParquet {
    /// The columns.
    public let columns: [ParquetColumn]
    /// Number of rows that were added so far.
    public private(set) var rows = 0

    private let url: URL
    private let codec: ParquetCodec
    private let groupBytes: Int
    private let metadata: [(key: String, value: String)]
    private let file: PendingFile
    /// Bytes of the file so far.
    private var written = 0
    private var leaves: [LeafChunk]
    private var groupRows = 0
    private var groups: [Group] = []

    /// The bytes that every Parquet file begins and ends with.
    static let magic = Array("PAR1".utf8)

    private struct Group {
        var rows: Int
        var chunks: [Chunk]
    }

    private struct Chunk {
        var leaf: LeafChunk
        var start: Int
    }

    /// Begins a file that will have the name `url`.
    /// - Parameters:
    ///   - codec: how pages are compressed.
    ///   - groupBytes: a group of rows ends once it has so many bytes.
    ///   - metadata: texts for readers of the file.
    /// - Throws: `NumericsError`, also if the codec's library is missing.
    public init(
        to url: URL, columns: [ParquetColumn], codec: ParquetCodec = .none, groupBytes: Int = 64 << 20,
        metadata: KeyValuePairs<String, String> = [:]
    ) throws {
        precondition(codec != .snappy, "Snappy is only read")
        (self.url, self.columns, self.codec, self.groupBytes) = (url, columns, codec, groupBytes)
        self.metadata = metadata.map { ($0.key, $0.value) }
        if codec == .zstd, !codec.isAvailable { throw Zstandard.missing(url.path) }
        leaves = columns.flatMap(LeafChunk.leaves)
        file = try PendingFile(at: url)
        try write(Self.magic)
    }

    private func write(_ bytes: [UInt8]) throws {
        try bytes.withUnsafeBytes { try file.write($0) }
        written += bytes.count
    }

    /// Adds rows: the cells of each column, in the order of the columns.
    /// - Throws: `NumericsError`, for instance when the disk is full.
    public func append(_ cells: [ParquetCells]) throws {
        precondition(cells.count == columns.count, "cells of \(cells.count) columns of \(columns.count)")
        let counts = zip(columns, cells).map(Self.rowCount)
        guard let count = counts.first, count > 0 else { return }
        precondition(counts.allSatisfy { $0 == count }, "columns of \(counts) rows")
        let rowBytes = max(1, columns.reduce(0) { $0 + Self.expectedBytes($1) })
        // Pages of about a mebibyte, and groups that are not much larger than they should be.
        let pageRows = max(1, min(count, (1 << 20) / rowBytes))
        for start in stride(from: 0, to: count, by: pageRows) {
            let range = start..<min(start + pageRows, count)
            var leaf = 0
            for (column, cells) in zip(columns, cells) {
                for page in LeafPage.pages(of: cells, column, rows: range) {
                    try leaves[leaf].append(page, codec, path: url.path)
                    leaf += 1
                }
            }
            rows += range.count
            groupRows += range.count
            if leaves.reduce(0, { $0 + $1.bytes.count }) >= groupBytes { try endGroup() }
        }
    }

    private static func rowCount(_ column: ParquetColumn, _ cells: ParquetCells) -> Int {
        switch (column.kind, cells) {
        case (.text, .texts(let texts)): return texts.count
        case (.floats(let width), .rows(let values)), (.halves(let width), .rows(let values)):
            precondition(values.count % max(1, width) == 0, "\(values.count) numbers in rows of \(width)")
            return width == 0 ? 0 : values.count / width
        case (.terms, .terms(let terms)): return terms.count
        default: preconditionFailure("cells of another kind for the column '\(column.name)'")
        }
    }

    private static func expectedBytes(_ column: ParquetColumn) -> Int {
        switch column.kind {
        case .text: 32
        case .floats(let count): 4 * count
        case .halves(let count): 2 * count
        case .terms: 800
        }
    }

    private func endGroup() throws {
        guard groupRows > 0 else { return }
        var chunks: [Chunk] = []
        for index in leaves.indices {
            let start = written
            try write(leaves[index].bytes)
            leaves[index].bytes = []
            chunks.append(Chunk(leaf: leaves[index], start: start))
            leaves[index] = leaves[index].emptied()
        }
        groups.append(Group(rows: groupRows, chunks: chunks))
        groupRows = 0
    }

    /// Writes the file's metadata and gives the file its name. To be called once.
    /// - Throws: `NumericsError`.
    public func commit() throws {
        try endGroup()
        let metadata = footer()
        try write(metadata)
        var end: [UInt8] = []
        end.append(littleEndian: UInt32(metadata.count))
        try write(end + Self.magic)
        try file.commit()
    }

    private func footer() -> [UInt8] {
        var writer = CompactWriter()
        let nodes =
            [SchemaNode(name: "schema", members: columns.count)] + columns.flatMap(SchemaNode.nodes)
        writer.structure { writer in
            writer.integer32(1, 2)
            writer.structures(2, nodes) { $1.write(to: &$0) }
            writer.integer64(3, rows)
            writer.structures(4, groups) { writer, group in
                writer.structures(1, group.chunks) { writer, chunk in
                    writer.integer64(2, 0)
                    writer.structure(3) { chunk.leaf.write(to: &$0, codec, start: chunk.start) }
                }
                writer.integer64(2, group.chunks.reduce(0) { $0 + $1.leaf.plainBytes })
                writer.integer64(3, group.rows)
            }
            let texts = metadata + [("ARROW:schema", ArrowSchema.encoded(columns))]
            writer.structures(5, texts) { writer, text in
                writer.text(1, text.key)
                writer.text(2, text.value)
            }
            writer.text(6, "mafin")
        }
        return writer.bytes
    }
}
