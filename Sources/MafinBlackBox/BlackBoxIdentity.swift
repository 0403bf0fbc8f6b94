/// Everything that determines the vectors of a black box. It is written to manifests and hashed into cache keys.
///
/// It holds no secret, so it may be printed, stored and sent.
public struct BlackBoxIdentity: Sendable, Codable, Hashable {
    /// Who answers: `openai` (any compatible server), `vectors` (stored answers), `local` (a frozen encoder).
    public var provider: String
    /// The model's name at the provider; for stored answers and local models the name of the file or folder.
    public var model: String
    /// Base address of the server; `nil` if there is none.
    public var endpoint: String?
    /// Numbers in a vector: the dimension asked for or known beforehand; `nil` if it is known only from the first answer.
    public var dimension: Int?
    /// The provider's name for queries (`search_query`, `query` …); `nil` if it has none.
    public var queryInputType: String?
    /// The provider's name for documents; `nil` if it has none.
    public var documentInputType: String?
    /// Put before each query.
    public var queryPrefix: String
    /// Put before each document.
    public var documentPrefix: String
    /// What is done to the length of the answers.
    public var normalisation: VectorNormalisation
    /// How texts that are too long are cut, in the provider's word; `nil` if the request does not say.
    public var truncation: String?
    /// SHA-256 of the files that the vectors come from (stored answers, weights), in lower-case hexadecimal.
    public var contentHash: String?
    /// 16 hexadecimal digits of a hash of what a request holds besides the texts; `nil` if that is what the built-in profile sends.
    public var request: String?

    /// An identity. What is not given is the provider's default.
    public init(
        provider: String, model: String, endpoint: String? = nil, dimension: Int? = nil, queryInputType: String? = nil,
        documentInputType: String? = nil, queryPrefix: String = "", documentPrefix: String = "",
        normalisation: VectorNormalisation = .none, truncation: String? = nil, contentHash: String? = nil,
        request: String? = nil
    ) {
        self.provider = provider
        self.model = model
        self.endpoint = endpoint
        self.dimension = dimension
        self.queryInputType = queryInputType
        self.documentInputType = documentInputType
        self.queryPrefix = queryPrefix
        self.documentPrefix = documentPrefix
        self.normalisation = normalisation
        self.truncation = truncation
        self.contentHash = contentHash
        self.request = request
    }

    /// The prefix put before texts of a role.
    public func prefix(for role: TextRole) -> String { role == .query ? queryPrefix : documentPrefix }

    /// The provider's input type for texts of a role.
    public func inputType(for role: TextRole) -> String? { role == .query ? queryInputType : documentInputType }

    /// The differences between the two, one clause each ("dimension 512 instead of 768"); empty if they give the same vectors.
    ///
    /// An unknown dimension agrees with any. The names of files do not count if their content is the same.
    public func differences(from expected: BlackBoxIdentity) -> [String] {
        var found: [String] = []
        func compare<Value: Equatable>(
            _ name: String, _ path: KeyPath<BlackBoxIdentity, Value>, _ show: (Value) -> String
        ) {
            let (mine, theirs) = (self[keyPath: path], expected[keyPath: path])
            if mine != theirs { found.append("\(name) \(show(mine)) instead of \(show(theirs))") }
        }
        func quoted(_ text: String?) -> String { text.map { "'\($0)'" } ?? "none" }
        compare("provider", \.provider, quoted)
        if contentHash == nil || contentHash != expected.contentHash { compare("model", \.model, quoted) }
        compare("endpoint", \.endpoint, quoted)
        if dimension != nil, expected.dimension != nil {
            compare("dimension", \.dimension) { $0.map(String.init) ?? "unknown" }
        }
        compare("query input type", \.queryInputType, quoted)
        compare("document input type", \.documentInputType, quoted)
        compare("query prefix", \.queryPrefix, quoted)
        compare("document prefix", \.documentPrefix, quoted)
        compare("normalisation", \.normalisation) { $0.rawValue }
        compare("truncation", \.truncation, quoted)
        compare("content hash", \.contentHash, quoted)
        compare("request", \.request, quoted)
        return found
    }
}

/// What is done to the Euclidean length of a black box's vectors.
public enum VectorNormalisation: String, Sendable, Codable, Hashable {
    /// Nothing: vectors are as they were received.
    case none
    /// Rows were divided by their length (`Matrix.normalize`).
    case unit

    /// Stored vectors are not changed if every length is this close to 1. The tolerance allows for the rounding of 16-bit floats.
    public static let tolerance: Float = 1e-3
}
