import Foundation

/// Reads the columns of a tabular file (qrels, run) line by line. Empty lines are skipped.
struct ColumnReader {
    private let reader: LineReader
    var path: String { reader.path }
    var line: Int { reader.line }

    init(contentsOf url: URL, expected: String) throws {
        reader = try LineReader(contentsOf: url, expected: expected)
    }

    /// The columns of the next line that is not empty; `nil` at the end of the file. Columns are separated by tabs if
    /// the line has tabs, otherwise by runs of spaces.
    mutating func next() throws -> [String]? {
        while true {
            guard let columns = try reader.next({ try split($0) }) else { return nil }
            if !columns.isEmpty { return columns }
        }
    }

    private func split(_ bytes: UnsafeBufferPointer<UInt8>) throws -> [String] {
        func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
        let pieces =
            bytes.contains(0x09)
            ? bytes.split(separator: 0x09, omittingEmptySubsequences: false)
            : bytes.split(whereSeparator: isBlank)
        if bytes.allSatisfy(isBlank) { return [] }
        return try pieces.map { piece in
            var trimmed = piece
            while let first = trimmed.first, isBlank(first) { trimmed.removeFirst() }
            while let last = trimmed.last, isBlank(last) { trimmed.removeLast() }
            guard let text = String(validating: trimmed, as: UTF8.self) else {
                throw RetrievalError.malformedLine(
                    path: path, line: line, expected: "UTF-8", found: String(decoding: bytes, as: UTF8.self))
            }
            return text
        }
    }

    /// The error for a pair that is listed twice. The line of the first occurrence is searched for only now, so that
    /// reading keeps no line numbers.
    static func duplicatePair(
        _ query: String, _ document: String, path: String, line: Int,
        forEachPair: (_ body: (_ line: Int, _ query: String, _ document: String) -> Void) throws -> Void
    ) rethrows -> RetrievalError {
        var first: Int?
        try forEachPair { if first == nil, $1 == query, $2 == document { first = $0 } }
        return .duplicatePair(path: path, line: line, query: query, document: document, firstLine: first ?? line)
    }

    func malformed(_ expected: String, _ columns: [String]) -> RetrievalError {
        .malformedLine(path: path, line: line, expected: expected, found: columns.joined(separator: " "))
    }
}
