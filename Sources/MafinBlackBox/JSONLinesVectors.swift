import Foundation
import MafinNumerics

/// Vectors as JSON lines: `{"_id": "d1", "embedding": [0.1, …]}`; other members are skipped.
enum JSONLinesVectors {
    /// Reads a file in pieces of 4 MiB (more only if a single line is longer), so that memory is bounded by the vectors.
    /// - Throws: ``BlackBoxError`` naming the file and line.
    static func read(_ file: URL) throws -> VectorTable {
        var rows = Rows(path: file.path)
        let handle: FileHandle
        do {
            handle = try FileHandle(forReadingFrom: file)
        } catch {
            throw BlackBoxError.unreadable(path: file.path, reason: "it cannot be opened")
        }
        defer { try? handle.close() }
        var rest: [UInt8] = []
        while let piece = try handle.read(upToCount: 4 << 20), !piece.isEmpty {
            var scanned = rest.count
            rest.append(contentsOf: piece)
            let used = try rest.withUnsafeBufferPointer { bytes -> Int in
                var start = 0
                while let end = bytes[scanned...].firstIndex(of: UInt8(ascii: "\n")) {
                    try rows.append(line: UnsafeBufferPointer(rebasing: bytes[start..<end]))
                    start = end + 1
                    scanned = start
                }
                return start
            }
            rest.removeFirst(used)
        }
        try rest.withUnsafeBufferPointer { if !$0.isEmpty { try rows.append(line: $0) } }
        return try rows.table()
    }

    private struct Rows {
        let path: String
        var ids: [String] = []
        var values: [Float] = []
        var dimension: Int?
        var line = 0

        mutating func append(line bytes: UnsafeBufferPointer<UInt8>) throws {
            line += 1
            var scanner = JSONScanner(bytes)
            guard !scanner.isAtEnd() else { return }
            var id: String?
            var count: Int?
            func malformed(_ reason: String) -> BlackBoxError {
                .malformedLine(path: path, line: line, reason: reason)
            }
            do {
                try scanner.members { scanner, key in
                    switch key {
                    case "_id", "id":
                        id = scanner.peek() == UInt8(ascii: "\"") ? try scanner.string() : try scanner.literal()
                    case "embedding", "vector":
                        guard count == nil else { throw scanner.failure("a second 'embedding' or 'vector'") }
                        count = try scanner.appendFloats(to: &values)
                    default: try scanner.skipValue()
                    }
                }
                try scanner.finish()
            } catch let failure as JSONSyntaxError {
                throw malformed(failure.description)
            }
            guard let id else { throw malformed("no '_id' or 'id'") }
            guard let count else { throw malformed("no 'embedding' or 'vector' for '\(id)'") }
            if let dimension, dimension != count {
                throw BlackBoxError.lineDimensionMismatch(
                    path: path, line: line, id: id, found: count, expected: dimension)
            }
            dimension = count
            ids.append(id)
        }

        func table() throws -> VectorTable {
            guard let dimension else {
                throw BlackBoxError.missingFile(path: path, expected: "at least one vector in the file")
            }
            let vectors = Matrix(rows: ids.count, columns: dimension, values: values)
            return try VectorTable(path: path, vectors: vectors, ids: ids, idsPath: path)
        }
    }
}
