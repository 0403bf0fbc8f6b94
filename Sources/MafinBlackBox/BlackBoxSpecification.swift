/// A black box as named on the command line: `KIND:ARGUMENT`.
///
/// | written | meaning |
/// |---|---|
/// | `vectors:FOLDER_OR_FILE` | answers stored in `.npy` + `.ids`, `.safetensors`, `.parquet` or JSONL |
/// | `vectors:postgresql://…?table=…` | answers in a database, which are read into a folder first; also `vectors:chroma:http://…`, `vectors:qdrant:http://…` |
/// | `local:FOLDER` | a frozen encoder in a local folder |
/// | `PROVIDER:MODEL` | a model behind an embedding API: `openai:…` (or any compatible server), `cohere:…`, or a profile of the user |
public enum BlackBoxSpecification: Sendable, Hashable, CustomStringConvertible {
    /// Stored answers in a folder or file.
    case vectors(path: String)
    /// A model of a provider, by the name of the provider's profile.
    case provider(String, model: String)
    /// A frozen encoder: a folder, or a name that the model hub resolves to one.
    case local(folder: String)

    /// Whether a path of ``vectors(path:)`` is the address of a database.
    package static func isDatabase(_ path: String) -> Bool { path.contains("://") }

    /// A model of OpenAI, or of a server with the same `/v1/embeddings`.
    public static func openAI(model: String) -> BlackBoxSpecification { .provider("openai", model: model) }

    /// Reads `KIND:ARGUMENT`; only the first colon separates, so that model names may contain more (`openai:nomic-embed-text:latest`).
    ///
    /// It does not check whether a provider of that name exists.
    /// - Throws: ``BlackBoxError/badSpecification(_:reason:)``
    public init(parsing text: String) throws {
        guard let colon = text.firstIndex(of: ":") else {
            throw BlackBoxError.badSpecification(text, reason: "a kind and a colon are missing; \(Self.forms)")
        }
        let kind = String(text[..<colon])
        let argument = String(text[text.index(after: colon)...])
        guard !argument.isEmpty else {
            throw BlackBoxError.badSpecification(text, reason: "nothing follows '\(kind):'; \(Self.forms)")
        }
        switch kind {
        case "vectors": self = .vectors(path: argument)
        case "local": self = .local(folder: argument)
        case _ where Self.isProviderName(kind): self = .provider(kind, model: argument)
        default: throw BlackBoxError.badSpecification(text, reason: "'\(kind)' is no kind of black box; \(Self.forms)")
        }
    }

    /// How a black box can be named.
    public static let forms = "write vectors:FOLDER_OR_FILE, local:FOLDER or PROVIDER:MODEL like openai:MODEL"

    /// Lower-case letters, digits and hyphens.
    package static func isProviderName(_ text: String) -> Bool { text.wholeMatch(of: /[a-z0-9\-]+/) != nil }

    /// The form that ``init(parsing:)`` reads.
    public var description: String {
        switch self {
        case .vectors(let path): "vectors:\(path)"
        case .provider(let name, let model): "\(name):\(model)"
        case .local(let folder): "local:\(folder)"
        }
    }
}
