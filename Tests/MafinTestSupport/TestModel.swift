import Foundation

/// The encoder that the tests read: sentence-transformers/all-MiniLM-L6-v2. It is not committed.
public enum TestModel {
    /// The message of a skipped test.
    public static let skipMessage: String =
        "all-MiniLM-L6-v2 was not found: set MAFIN_TEST_MODEL to its folder, or put it in .cache/models/all-MiniLM-L6-v2"

    /// Whether the model is installed; for `.enabled(if:)`.
    public static var isAvailable: Bool { folder() != nil }

    /// The folder of the model; nil if it is in none of the places where it may be.
    ///
    /// Searched in this order: `MAFIN_TEST_MODEL`, `~/.cache/mafin-peers/all-MiniLM-L6-v2`, the Hugging Face cache
    /// (`HF_HOME`, else `~/.cache/huggingface`), `.cache/models/all-MiniLM-L6-v2` in the repository. A folder counts if
    /// it holds a vocabulary and the weights.
    public static func folder() -> URL? {
        let environment = ProcessInfo.processInfo.environment
        let home = FileManager.default.homeDirectoryForCurrentUser
        var candidates: [URL] = []
        if let path = environment["MAFIN_TEST_MODEL"], !path.isEmpty { candidates.append(URL(fileURLWithPath: path)) }
        candidates.append(home.appendingPathComponent(".cache/mafin-peers/all-MiniLM-L6-v2"))
        let hub =
            environment["HF_HOME"].map { URL(fileURLWithPath: $0) } ?? home.appendingPathComponent(".cache/huggingface")
        candidates += snapshots(
            hub.appendingPathComponent("hub/models--sentence-transformers--all-MiniLM-L6-v2/snapshots"))
        candidates.append(repository.appendingPathComponent(".cache/models/all-MiniLM-L6-v2"))
        return candidates.first(where: isComplete)
    }

    /// The root of the repository.
    public static let repository: URL =
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    private static func snapshots(_ folder: URL) -> [URL] {
        let found = try? FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
        return (found ?? []).sorted { $0.path < $1.path }
    }

    private static func isComplete(_ folder: URL) -> Bool {
        let has = { FileManager.default.fileExists(atPath: folder.appendingPathComponent($0).path) }
        return (has("tokenizer.json") || has("vocab.txt")) && has("model.safetensors")
    }
}
