import CZlib
import Foundation

/// Reads the lines of a plain or gzip file in bounded memory: one buffer, which grows to the length of the longest
/// line.
///
/// The first bytes of a file tell whether it is compressed, not its name. A byte order mark at the start of the file
/// and a carriage return at the end of a line are removed.
final class LineReader {
    /// The path, for errors.
    let path: String
    /// Number of the last returned line, from 1.
    private(set) var line = 0

    private let file: gzFile
    private var buffer: [UInt8]
    private var start = 0
    private var end = 0
    private var atEnd = false
    /// Bytes of a part of a file that are not read yet; `nil`: the file is read to its end.
    private var remaining: Int?
    private let isAtStart: Bool

    /// Opens a file.
    /// - Parameter expected: what the file is, for the error if it is missing.
    init(contentsOf url: URL, expected: String, bufferSize: Int = 1 << 20) throws {
        path = url.path
        guard url.exists else { throw RetrievalError.missingFile(path: path, expected: expected) }
        guard !url.isFolder else { throw RetrievalError.unreadableFile(path: path, reason: "it is a folder") }
        guard let file = gzopen(path, "rb") else {
            throw RetrievalError.unreadableFile(path: path, reason: String(cString: strerror(errno)))
        }
        gzbuffer(file, 1 << 17)
        self.file = file
        isAtStart = true
        buffer = [UInt8](repeating: 0, count: bufferSize)
    }

    /// Opens a part of a plain file. The lines are those that end in it, and a last one without an end.
    /// - Parameters:
    ///   - bytes: from ``LineCut``, so that no line is cut.
    ///   - expected: what the file is, for the error if it is missing.
    init(contentsOf url: URL, bytes: Range<Int>, expected: String, bufferSize: Int = 1 << 20) throws {
        // Lines are counted from the start of the part, so that errors must say where it starts.
        path = bytes.lowerBound == 0 ? url.path : "\(url.path) from byte \(bytes.lowerBound)"
        try LineCut.requirePlainFile(url, expected: expected)
        let descriptor = open(url.path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw RetrievalError.unreadableFile(path: url.path, reason: String(cString: strerror(errno)))
        }
        guard lseek(descriptor, off_t(bytes.lowerBound), SEEK_SET) >= 0, let file = gzdopen(descriptor, "rb") else {
            let reason = String(cString: strerror(errno))
            close(descriptor)
            throw RetrievalError.unreadableFile(path: url.path, reason: reason)
        }
        gzbuffer(file, 1 << 17)
        self.file = file
        isAtStart = bytes.lowerBound == 0
        remaining = bytes.count
        buffer = [UInt8](repeating: 0, count: bufferSize)
    }

    deinit { gzclose(file) }

    /// Calls `body` with the next line, without its end. The bytes are valid only inside `body`.
    /// - Returns: the result of `body`; `nil` at the end of the file.
    /// - Throws: ``RetrievalError/unreadableFile(path:reason:)`` for a damaged file, or whatever `body` throws.
    func next<Result>(_ body: (UnsafeBufferPointer<UInt8>) throws -> Result) throws -> Result? {
        guard let range = try nextRange() else { return nil }
        return try buffer.withUnsafeBufferPointer { try body(UnsafeBufferPointer(rebasing: $0[range])) }
    }

    private func nextRange() throws -> Range<Int>? {
        var searched = start
        while true {
            let newline = buffer.withUnsafeBufferPointer { bytes -> Int? in
                guard let base = bytes.baseAddress, searched < end,
                    let found = memchr(base + searched, 10, end - searched)
                else { return nil }
                return UnsafeRawPointer(found) - UnsafeRawPointer(base)
            }
            if let newline { return finishLine(at: newline, next: newline + 1) }
            searched = end
            if atEnd { return start < end ? finishLine(at: end, next: end) : nil }
            searched -= try fill()
        }
    }

    private func finishLine(at lineEnd: Int, next: Int) -> Range<Int> {
        var first = start
        var last = lineEnd
        if line == 0, isAtStart, last - first >= 3, buffer[first] == 0xEF, buffer[first + 1] == 0xBB,
            buffer[first + 2] == 0xBF
        {
            first += 3
        }
        if last > first, buffer[last - 1] == 13 { last -= 1 }
        start = next
        line += 1
        return first..<last
    }

    /// Reads more bytes, after those that are not consumed yet.
    /// - Returns: the number of bytes by which the unconsumed part moved toward the start of the buffer.
    private func fill() throws -> Int {
        let moved = start
        if start > 0 {
            buffer.withUnsafeMutableBytes { bytes in
                guard let base = bytes.baseAddress else { return }
                _ = memmove(base, base + start, end - start)
            }
            end -= start
            start = 0
        }
        if end == buffer.count { buffer.append(contentsOf: repeatElement(0, count: buffer.count)) }
        let wanted = min(buffer.count - end, remaining ?? Int.max, 1 << 30)
        let count =
            wanted == 0
            ? 0
            : buffer.withUnsafeMutableBytes { bytes in
                gzread(file, bytes.baseAddress.map { $0 + end }, UInt32(wanted))
            }
        if let before = remaining { remaining = before - max(0, Int(count)) }
        var status: Int32 = Z_OK
        let message = gzerror(file, &status)
        // A stream that was cut off ends with Z_BUF_ERROR, after all its good bytes.
        if count < 0 || (count == 0 && status != Z_OK && status != Z_STREAM_END) {
            let reason = status == Z_ERRNO ? String(cString: strerror(errno)) : message.map { String(cString: $0) }
            throw RetrievalError.unreadableFile(path: path, reason: reason ?? "zlib error \(status)")
        }
        if count == 0 { atEnd = true }
        end += Int(count)
        return moved
    }
}

extension LineReader {
    /// The content of a plain or gzip file.
    static func contents(of url: URL, expected: String) throws -> [UInt8] {
        let reader = try LineReader(contentsOf: url, expected: expected)
        while !reader.atEnd {
            let moved = try reader.fill()
            precondition(moved == 0, "nothing was consumed")
        }
        reader.buffer.removeSubrange(reader.end...)
        return reader.buffer
    }
}
