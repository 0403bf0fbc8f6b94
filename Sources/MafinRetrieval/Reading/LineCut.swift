import Foundation

/// Cuts a plain file of lines into parts of about the same number of bytes. Every line is in one part, whole.
///
/// A cut is a pure function of the file and the number of parts, so that workers which know nothing of each other agree.
public enum LineCut {
    /// The bytes of one part. Parts follow each other and make up the file; one may be empty if lines are long.
    ///
    /// The first byte of part i is the first start of a line at or after byte ⌊size · i / parts⌋.
    /// - Complexity: O(length of a line), whatever the size of the file.
    /// - Throws: ``RetrievalError/missingFile(path:expected:)``; ``RetrievalError/unreadableFile(path:reason:)``, also for a
    ///   compressed file.
    public static func bytes(
        ofPart part: Int, of parts: Int, in url: URL, expected: String = "a file of lines"
    ) throws -> Range<Int> {
        precondition(parts >= 1 && (0..<parts).contains(part), "part \(part) of \(parts)")
        let size = try requirePlainFile(url, expected: expected)
        let file: FileHandle
        do { file = try FileHandle(forReadingFrom: url) } catch {
            throw RetrievalError.unreadableFile(path: url.path, reason: error.localizedDescription)
        }
        defer { try? file.close() }
        func start(_ part: Int) throws -> Int {
            if part == 0 { return 0 }
            if part == parts { return size }
            // In two parts, because the product may not fit.
            let wanted = size / parts * part + size % parts * part / parts
            return try firstLineStart(from: wanted, size: size, in: file, path: url.path)
        }
        return try start(part)..<start(part + 1)
    }

    /// The first start of a line at or after a byte.
    private static func firstLineStart(from wanted: Int, size: Int, in file: FileHandle, path: String) throws -> Int {
        if wanted == 0 { return 0 }
        do {
            // A line starts after the end of another one.
            var offset = wanted - 1
            try file.seek(toOffset: UInt64(offset))
            while offset < size, let piece = try file.read(upToCount: 1 << 16), !piece.isEmpty {
                if let end = piece.firstIndex(of: 10) { return offset + (end - piece.startIndex) + 1 }
                offset += piece.count
            }
            return size
        } catch {
            throw RetrievalError.unreadableFile(path: path, reason: error.localizedDescription)
        }
    }

    /// Checks that a file can be cut.
    /// - Returns: its size in bytes.
    @discardableResult
    static func requirePlainFile(_ url: URL, expected: String) throws -> Int {
        guard url.exists else { throw RetrievalError.missingFile(path: url.path, expected: expected) }
        var status = stat()
        guard stat(url.path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw RetrievalError.unreadableFile(path: url.path, reason: "it is no file, so it cannot be cut by bytes")
        }
        guard let file = FileHandle(forReadingAtPath: url.path) else {
            throw RetrievalError.unreadableFile(path: url.path, reason: String(cString: strerror(errno)))
        }
        defer { try? file.close() }
        if (try? file.read(upToCount: 2)) == Data([0x1f, 0x8b]) {
            throw RetrievalError.unreadableFile(
                path: url.path,
                reason: "a compressed file cannot be cut by bytes: decompress it first (gzip -dk), for shards")
        }
        return Int(status.st_size)
    }
}
