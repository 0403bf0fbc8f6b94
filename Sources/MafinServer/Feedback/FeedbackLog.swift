import Foundation
import HTTPTypes
import MafinNumerics

/// The marks of relevance that people make. They are events in a file, `marks.jsonl`, that is only ever appended to.
///
/// Each event is one write of one line, so several services can share the folder, and each of them sees the others' marks. A mark is on disk
/// before its request is answered. ``FeedbackExport`` makes a collection of the events for `mafin train --data`.
actor FeedbackLog {
    /// Most bytes that a marked query may have.
    static let maximumQueryBytes = 10_000
    /// Name of the file in its folder.
    static let fileName = "marks.jsonl"

    private let file: URL
    private let maximumBytes: Int
    private var marks = FeedbackMarks()
    /// The file that has been read, and how far.
    private var identity: UInt64?
    private var length = 0

    /// Opens the folder, and makes it if there is none.
    /// - Parameter maximumBytes: once the file is this long, no more marks are accepted.
    /// - Throws: file errors.
    init(_ folder: URL, maximumBytes: Int = 64 << 20) throws {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        file = folder.appendingPathComponent(Self.fileName)
        self.maximumBytes = maximumBytes
        // A file that cannot be opened is an error now, not at the first mark.
        let descriptor = try Self.descriptor(of: file)
        close(descriptor)
    }

    /// The marks that one key made for a query, and the number of marks and marked queries of all keys.
    func state(of query: String?, by key: String?) throws -> (grades: [String: Int], labels: Int, queries: Int) {
        try readOn()
        let marked = marks.queries.values.filter { !$0.grades.isEmpty }
        let grades = query.map { marks.grades(of: $0, by: key) } ?? [:]
        return (grades, marked.reduce(0) { $0 + $1.grades.count }, marked.count)
    }

    /// Appends an event. It is on disk when this returns.
    /// - Throws: ``ServiceError`` if the file is full; `NumericsError` if it cannot be written.
    func append(_ event: FeedbackEvent) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        var line = try encoder.encode(event)
        line.append(UInt8(ascii: "\n"))
        let descriptor = try Self.descriptor(of: file)
        defer { close(descriptor) }
        let end = lseek(descriptor, 0, SEEK_END)
        guard Int(end) + line.count <= maximumBytes else {
            throw ServiceError(
                .init(code: 507, reasonPhrase: "Insufficient Storage"), .unavailable,
                "the file of marks is full: export it with 'mafin feedback export' and begin another folder",
                code: "feedback_full")
        }
        // If a full disk cut the last line short, it must not spoil this one.
        if end > 0 {
            var last: UInt8 = 0
            if pread(descriptor, &last, 1, end - 1) == 1, last != UInt8(ascii: "\n") {
                line.insert(UInt8(ascii: "\n"), at: line.startIndex)
            }
        }
        let written = line.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        guard written == line.count, fsync(descriptor) == 0 else {
            let reason = written >= 0 && written < line.count ? "no space left" : String(cString: strerror(errno))
            throw NumericsError.file(path: file.path, reason: reason)
        }
    }

    /// Reads the lines that this or another process has appended.
    private func readOn() throws {
        let handle = FileHandle(fileDescriptor: try Self.descriptor(of: file), closeOnDealloc: true)
        let size = Int(try handle.seekToEnd())
        let number = try FileManager.default.attributesOfItem(atPath: file.path)[.systemFileNumber] as? NSNumber
        if identity != number?.uint64Value || size < length {
            // The file was replaced by another one.
            (identity, length, marks) = (number?.uint64Value, 0, FeedbackMarks())
        }
        guard size > length else { return }
        try handle.seek(toOffset: UInt64(length))
        let data = try handle.readToEnd() ?? Data()
        // A line without its end is still being written.
        guard let end = data.lastIndex(of: UInt8(ascii: "\n")) else { return }
        _ = Self.forEachEvent(in: data[...end]) { marks.apply($0) }
        length += data.distance(from: data.startIndex, to: end) + 1
    }

    /// Only its owner can read and write the file, because queries tell much about the people who ask.
    private static func descriptor(of file: URL) throws -> Int32 {
        let descriptor = open(file.path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw NumericsError.file(path: file.path, reason: String(cString: strerror(errno)))
        }
        return descriptor
    }

    /// Calls `body` for each event of some lines.
    /// - Returns: how many lines are not events. A full disk or a killed process can leave some.
    static func forEachEvent(in data: Data, _ body: (FeedbackEvent) -> Void) -> Int {
        let decoder = JSONDecoder()
        var damaged = 0
        for line in data.split(separator: UInt8(ascii: "\n")) {
            if let event = try? decoder.decode(FeedbackEvent.self, from: Data(line)) {
                body(event)
            } else {
                damaged += 1
            }
        }
        return damaged
    }
}
