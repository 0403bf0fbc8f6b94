import Foundation

/// A folder that a test fills and that is removed after it.
public struct TemporaryFolder: Sendable {
    /// The folder; it exists and is empty at first.
    public let url: URL

    /// Runs `body` with a new folder, which is removed afterwards, also after an error.
    public static func with<Result>(_ body: (TemporaryFolder) async throws -> Result) async throws -> Result {
        let folder = try TemporaryFolder()
        defer { try? FileManager.default.removeItem(at: folder.url) }
        return try await body(folder)
    }

    /// A new folder that the caller removes.
    public init() throws {
        url = FileManager.default.temporaryDirectory.appendingPathComponent("mafin-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    /// Writes a text file into the folder, creates the folders of its path, and returns its URL.
    @discardableResult
    public func write(_ text: String, to name: String) throws -> URL {
        let file = url.appendingPathComponent(name)
        try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: file)
        return file
    }
}
