import Foundation
import MafinNumerics
import MafinParquet

/// Reads the rows of a Parquet file as objects, as ``JSONLines`` reads lines, so that both are checked by the same code.
///
/// Memory: the compressed row group, a page of each column that is read, and the column's dictionary.
final class ParquetRows {
    /// The path, for errors.
    let path: String
    private let file: ParquetFile
    private let fields: [String]
    /// The column of each field; `nil` if the file has none.
    private let columns: [ParquetFile.Column?]
    /// The groups that are not begun, in the order of the file.
    private var groups: ArraySlice<Int>
    private var readers: [ParquetFile.TextReader?] = []
    /// The group that is read.
    private var read: Int?
    /// The group for errors, its rows that are not read yet, and the last row, from 1 over the file.
    private var place = ""
    private var rest = 0
    private var row = 0

    /// Opens a file, or a part of it.
    /// - Parameters:
    ///   - bytes: from ``TextCut``: the groups that begin there are read. `nil`: all.
    ///   - fields: the members of each object. `_id` may also be called `id`.
    /// - Throws: as ``open(_:)``; `NumericsError` for a file that lacks columns.
    init(contentsOf url: URL, bytes: Range<Int>?, fields: [String]) throws {
        path = url.path
        let file = try Self.open(url)
        self.file = file
        self.fields = fields
        columns = try Self.columns(of: file, for: fields, path: path)
        groups = try file.groups.indices.filter { group in
            guard file.groups[group] > 0 else { return false }
            return try bytes?.contains(file.bytes(ofGroup: group).lowerBound) ?? true
        }[...]
    }

    /// Opens a file.
    /// - Throws: ``RetrievalError/missingFile(path:expected:)``; ``RetrievalError/unreadableFile(path:reason:)`` for a folder of files, as
    ///   Spark writes it; `NumericsError` for a file that is no Parquet.
    static func open(_ url: URL) throws -> ParquetFile {
        guard !url.isFolder else {
            throw RetrievalError.unreadableFile(
                path: url.path, reason: "it is a folder; name one of its .parquet files")
        }
        guard url.exists else {
            throw RetrievalError.missingFile(path: url.path, expected: "a Parquet file of texts")
        }
        return try ParquetFile(url)
    }

    private static func columns(
        of file: ParquetFile, for fields: [String], path: String
    ) throws -> [ParquetFile.Column?] {
        func column(_ name: String) -> ParquetFile.Column? { file.columns.first { $0.name == name } }
        let id = column("_id") ?? column("id")
        guard id != nil, column("text") ?? column("image") != nil else {
            let names = file.columns.map { "'\($0.name)'" }
            throw NumericsError.malformed(
                path: path,
                expected:
                    "the columns '_id' (or 'id') and 'text', and perhaps 'title' and 'image' (paths), all of them of texts; ids may be whole numbers",
                found: names.isEmpty ? "no column" : names.joined(separator: ", "))
        }
        return fields.map { field in
            switch field {
            case "_id": id
            // No reader of rows asks for dates, which may be of any type.
            case "date": nil
            default: column(field)
            }
        }
    }

    /// Whether a file is Parquet, by its name or its first bytes. A pipe is not read from.
    static func isParquet(_ url: URL) -> Bool {
        if url.pathExtension.lowercased() == "parquet" { return true }
        var status = stat()
        guard stat(url.path, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
            let file = FileHandle(forReadingAtPath: url.path)
        else { return false }
        defer { try? file.close() }
        return (try? file.read(upToCount: 4)) == Data("PAR1".utf8)
    }

    /// The next row; `nil` at the end.
    /// - Throws: `NumericsError` naming file, group and column.
    func next() throws -> JSONLines.Object? {
        while rest == 0 {
            if let read { file.release(group: read) }
            read = groups.popFirst()
            guard let group = read else { return nil }
            readers = try columns.map { try $0.map { try file.textReader($0.name, group: group) } }
            place = "\(path) (row group \(group); a line is a row)"
            rest = file.groups[group]
            row = file.groups[..<group].reduce(0, +)
        }
        rest -= 1
        row += 1
        var values: [JSONValue?] = []
        values.reserveCapacity(fields.count)
        for (index, column) in columns.enumerated() {
            let text = try readers[index]?.next()
            values.append(text.flatMap { $0 }.map { column?.isNumber == true ? .number($0) : .string($0) })
        }
        return JSONLines.Object(path: place, line: row, fields: fields, values: values)
    }
}
