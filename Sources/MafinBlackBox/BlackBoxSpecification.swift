/// A black box as named on the command line: `KIND:ARGUMENT`.
///
/// | written | meaning |
/// |---|---|
/// | `vectors:FOLDER_OR_FILE` | answers stored in `.npy` + `.ids`, `.safetensors` or JSONL |
/// | `openai:MODEL` | a model behind an OpenAI-compatible `/v1/embeddings` |
/// | `local:FOLDER` | a frozen encoder in a local folder |
public enum BlackBoxSpecification: Sendable, Hashable, CustomStringConvertible {
    /// Stored answers in a folder or file.
    case vectors(path: String)
    /// A model of an OpenAI-compatible server.
    case openAI(model: String)
    /// A frozen encoder: a folder, or a name that the model hub resolves to one.
    case local(folder: String)

    /// Reads `KIND:ARGUMENT`; only the first colon separates, so that model names may contain more (`openai:nomic-embed-text:latest`).
    ///
    /// - Throws: ``BlackBoxError/badSpecification(_:reason:)``
    public init(parsing text: String) throws {
        guard let colon = text.firstIndex(of: ":") else {
            throw BlackBoxError.badSpecification(text, reason: "a kind and a colon are missing; \(Self.forms)")
        }
        let kind = text[..<colon]
        let argument = String(text[text.index(after: colon)...])
        guard !argument.isEmpty else {
            throw BlackBoxError.badSpecification(text, reason: "nothing stands after '\(kind):'; \(Self.forms)")
        }
        switch kind {
        case "vectors": self = .vectors(path: argument)
        case "openai": self = .openAI(model: argument)
        case "local": self = .local(folder: argument)
        default: throw BlackBoxError.badSpecification(text, reason: "'\(kind)' is no kind of black box; \(Self.forms)")
        }
    }

    private static let forms = "write vectors:FOLDER_OR_FILE, openai:MODEL or local:FOLDER"

    /// The form that ``init(parsing:)`` reads.
    public var description: String {
        switch self {
        case .vectors(let path): "vectors:\(path)"
        case .openAI(let model): "openai:\(model)"
        case .local(let folder): "local:\(folder)"
        }
    }
}
