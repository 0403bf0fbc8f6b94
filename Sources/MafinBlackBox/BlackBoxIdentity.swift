/// Everything that determines the vectors of a black box, as written to manifests and hashed into cache keys.
///
/// No secret is in it: it may be printed, stored and sent along.
public struct BlackBoxIdentity: Sendable, Codable, Hashable {
    /// Who answers: `openai` (any compatible server), `vectors` (stored answers), `local` (a frozen encoder).
    public var provider: String
    /// The model's name at the provider; for stored answers and local models the name of the file or folder.
    public var model: String
    /// Base address of the server, where there is one.
    public var endpoint: String?
    /// Numbers in a vector: the dimension asked for or known beforehand; `nil` where only the first answer tells it.
    public var dimension: Int?
    /// The provider's name for texts that search (`search_query`, `query` …), where it has one.
    public var queryInputType: String?
    /// The provider's name for texts that are searched for, where it has one.
    public var documentInputType: String?
    /// Put before each query.
    public var queryPrefix: String
    /// Put before each document.
    public var documentPrefix: String
    /// What is done to the length of the answers.
    public var normalisation: VectorNormalisation
    /// How over-long texts are cut, in the provider's word; `nil` where nothing is asked of it.
    public var truncation: String?
    /// SHA-256 of the files that the vectors come from (stored answers, weights), in lower-case hexadecimal.
    public var contentHash: String?
    /// Sixteen digits of a hash of what a request holds besides the texts; `nil` where that is what the provider's own profile sends.
    public var request: String?

    /// An identity; whatever is not given is what the provider does when nothing is said.
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

    /// In what the two differ, one clause each ("dimension 512 instead of 768"); empty where they give the same vectors.
    ///
    /// A dimension that only the first answer tells agrees with any; the name of files does not count where their content is the same.
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
    /// Nothing: vectors are as they came.
    case none
    /// Rows were divided by their length (`Matrix.normalize`).
    case unit

    /// Stored vectors are left as they are where every length is this close to 1: wide enough for 16-bit floats.
    public static let tolerance: Float = 1e-3
}
