import Foundation

/// Text in front of each query and document, for checkpoints that were trained with such prefixes (`query: `,
/// `passage: `).
public struct TextPrefixes: Sendable, Codable, Equatable {
    /// In front of queries.
    public var query: String
    /// In front of documents.
    public var document: String

    /// Prefixes; none by default.
    public init(query: String = "", document: String = "") {
        self.query = query
        self.document = document
    }

    /// The prompts that a checkpoint's `config_sentence_transformers.json` names `query` and `document` (or `passage`).
    /// - Throws: ``EncoderError`` for a file that is not a JSON object.
    public init(modelFolder: URL) throws {
        let url = modelFolder.appendingPathComponent("config_sentence_transformers.json")
        self.init()
        guard FileManager.default.fileExists(atPath: url.path) else { return }
        guard let prompts = try JSONFile(url).object["prompts"] as? [String: String] else { return }
        query = prompts["query"] ?? ""
        document = prompts["document"] ?? prompts["passage"] ?? ""
    }

    /// The given prefixes. If only one is given, the other is the checkpoint's. `nil` if neither is given.
    package init?(query: String?, document: String?, elseOf modelFolder: URL) throws {
        guard query != nil || document != nil else { return nil }
        let own = try TextPrefixes(modelFolder: modelFolder)
        self.init(query: query ?? own.query, document: document ?? own.document)
    }
}
