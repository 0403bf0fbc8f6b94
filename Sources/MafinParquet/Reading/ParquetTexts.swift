import Foundation
import MafinNumerics

extension ParquetFile {
    /// Reads the texts of a column in a group of rows, one after the other. In memory are a page and the column's dictionary.
    public struct TextReader: Sendable {
        private let file: MappedFile
        private let rows: Int
        private var cells: LeafCells
        /// The bytes of the pages that are not read yet.
        private var rest: Range<Int>
        /// Rows before this page, and in this page the next row and its text.
        private var before = 0
        private var row = 0
        private var text = 0

        init(_ cells: LeafCells, rows: Int, in bytes: Range<Int>, of file: MappedFile) {
            (self.cells, self.rows, rest, self.file) = (cells, rows, bytes, file)
        }

        /// The text of the next row; `nil` if it is null. It must not be called more often than the group has rows.
        /// - Throws: `NumericsError` naming file, group and column: damaged or unsupported pages.
        public mutating func next() throws -> String? {
            precondition(before + row < rows, "the group has \(rows) rows")
            while row == cells.count { try turnPage() }
            defer { row += 1 }
            if !cells.definition.isEmpty, cells.definition[row] != cells.leaf.definition { return nil }
            defer { text += 1 }
            guard text < cells.texts.count else {
                throw NumericsError.malformed(path: cells.path, expected: "texts", found: "cells of another kind")
            }
            return cells.texts[text]
        }

        private mutating func turnPage() throws {
            before += row
            (row, text) = (0, 0)
            cells.removeAll()
            try file.withUnsafeBytes { bytes in
                var reader = ByteReader(UnsafeRawBufferPointer(rebasing: bytes[rest]), path: cells.path)
                try cells.appendPage(&reader)
                rest = rest.lowerBound + reader.offset..<rest.upperBound
                guard cells.count <= rows - before else { throw reader.damaged("more cells than its \(rows) rows") }
            }
        }
    }

    /// Opens a column of texts in a group of rows. Whole numbers and UUIDs are given as texts.
    /// - Throws: `NumericsError`: no such column, or its place in the file is not usable.
    public func textReader(_ column: String, group: Int) throws -> TextReader {
        let chunk = try chunk(try leaf(column, .text), group)
        guard chunk.values == groups[group] else {
            throw NumericsError.malformed(
                path: chunk.cells.path, expected: "a Parquet file that is whole",
                found: "\(chunk.values) cells in \(groups[group]) rows")
        }
        return TextReader(chunk.cells, rows: groups[group], in: chunk.bytes, of: file)
    }

    /// The texts of a column in a group of rows. Whole numbers and UUIDs are given as texts.
    /// - Throws: `NumericsError`: no such column, a missing text, damaged or unsupported pages.
    public func texts(_ column: String, group: Int) throws -> [String] {
        var reader = try textReader(column, group: group)
        var texts: [String] = []
        // The number of rows may be wrong, so no memory is reserved for it.
        while texts.count < groups[group] {
            guard let text = try reader.next() else {
                throw missing("text", column, row: firstRow(of: group) + texts.count)
            }
            texts.append(text)
        }
        return texts
    }

    /// Lets the system take the memory of a group back that was read. Without it a long file fills the memory with its pages, until
    /// something else needs it. They are read again if they are used again.
    public func release(group: Int) {
        guard let range = try? bytes(ofGroup: group) else { return }
        file.withUnsafeBytes { bytes in
            guard let start = bytes.baseAddress else { return }
            let first = range.lowerBound - range.lowerBound % Int(getpagesize())
            // Only advice.
            madvise(UnsafeMutableRawPointer(mutating: start + first), range.upperBound - first, MADV_DONTNEED)
        }
    }
}
