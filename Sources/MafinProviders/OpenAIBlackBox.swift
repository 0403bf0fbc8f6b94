import AsyncHTTPClient
import Foundation
import Logging
import MafinBlackBox
import MafinNumerics
import Synchronization

/// A model behind an OpenAI-compatible `/v1/embeddings`: OpenAI itself, or any of the many servers that speak its format.
///
/// ```swift
/// let blackBox = try OpenAIBlackBox(
///     baseURL: "https://api.openai.com/v1", model: "text-embedding-3-small",
///     apiKey: try APIKey(environmentVariable: "OPENAI_API_KEY"))
/// let vectors = try await blackBox.embed(items, as: .document)
/// ```
/// - Base64 is asked for; what comes is decoded, base64 or numbers, in any order of `index`.
/// - Each answer is checked: as many vectors as texts, one dimension, finite, not zero. Vectors are brought to unit length.
/// - 408, 409, 429, 5xx and failing connections are tried again (``RetryPolicy``), as late as the server asks; anything else ends the call
///   with the vendor's words. Batches that are too large for the server are halved and the bound remembered.
/// - When one request fails for good, those in flight are still received and handed over, for they are paid.
///
/// It keeps nothing: wrap it in ``CachedBlackBox`` so that no text is paid for twice.
public struct OpenAIBlackBox: BlackBox {
    /// How to ask; none of it changes a vector.
    public struct Options: Sendable {
        /// Bounds of a request.
        public var limits: BatchLimits
        /// Requests in flight at a time.
        public var maximumConcurrentRequests: Int
        /// Pauses and attempts.
        public var retry: RetryPolicy
        /// For one request and its whole answer.
        public var timeout: Duration
        /// Told of retries and of limits that the server has taught.
        public var logger: Logger?
        /// For proxies and certificates of one's own; redirects should be disallowed. nil: a client shared by the process.
        public var client: HTTPClient?

        /// Options; the defaults suit hosted APIs.
        public init(
            limits: BatchLimits = BatchLimits(), maximumConcurrentRequests: Int = 4, retry: RetryPolicy = RetryPolicy(),
            timeout: Duration = .seconds(300), logger: Logger? = nil, client: HTTPClient? = nil
        ) {
            precondition(maximumConcurrentRequests >= 1, "at least one request at a time")
            self.limits = limits
            self.maximumConcurrentRequests = maximumConcurrentRequests
            self.retry = retry
            self.timeout = timeout
            self.logger = logger
            self.client = client
        }
    }

    /// So many texts that the server refuses one by one end the call: then it is not the texts that are wrong.
    static let maximumRefusedTexts = 100

    /// OpenAI's own address.
    public static let openAIBaseURL = "https://api.openai.com/v1"

    /// Provider `openai`, endpoint and model as given, dimension only where one was asked for.
    public let identity: BlackBoxIdentity
    let url: String
    let apiKey: APIKey?
    let options: Options
    let knowledge: Knowledge

    /// A model of a server.
    ///
    /// - Parameters:
    ///   - baseURL: up to and including `/v1`; an address without any path gets `/v1`, one that ends in `/embeddings` is taken as it is.
    ///   - model: the server's name for it.
    ///   - apiKey: sent as a bearer token; local servers need none.
    ///   - dimensions: sent along where given; a server that gives vectors of another length is refused.
    ///   - queryPrefix: put before each query, for models that want one.
    ///   - documentPrefix: put before each document.
    ///   - normalisation: whether vectors are brought to unit length.
    ///   - options: how to ask.
    /// - Throws: ``ProviderError/badEndpoint(_:reason:)``
    public init(
        baseURL: String = openAIBaseURL, model: String, apiKey: APIKey?, dimensions: Int? = nil,
        queryPrefix: String = "",
        documentPrefix: String = "", normalisation: VectorNormalisation = .unit, options: Options = Options()
    ) throws {
        url = try Self.url(baseURL)
        guard !model.isEmpty else { throw ProviderError.badEndpoint(baseURL, reason: "no model is named") }
        if let dimensions, dimensions < 1 {
            throw ProviderError.badEndpoint(baseURL, reason: "\(dimensions) dimensions cannot be asked for")
        }
        self.apiKey = apiKey
        self.options = options
        identity = BlackBoxIdentity(
            provider: "openai", model: model, endpoint: String(url.dropLast("/embeddings".count)),
            dimension: dimensions,
            queryPrefix: queryPrefix, documentPrefix: documentPrefix, normalisation: normalisation)
        knowledge = Knowledge(limits: options.limits, dimension: dimensions)
    }

    /// The address of the embeddings themselves.
    static func url(_ base: String) throws -> String {
        guard let parts = URLComponents(string: base), let scheme = parts.scheme?.lowercased(), let host = parts.host,
            ["http", "https"].contains(scheme), !host.isEmpty
        else {
            throw ProviderError.badEndpoint(base, reason: "write the whole address, like http://localhost:8080/v1")
        }
        guard parts.user == nil, parts.password == nil else {
            throw ProviderError.badEndpoint(host, reason: "the address holds a name or password; pass a key instead")
        }
        guard parts.query == nil, parts.fragment == nil else {
            throw ProviderError.badEndpoint(base, reason: "a query or fragment has no place in the address")
        }
        var text = base
        while text.hasSuffix("/") { text.removeLast() }
        if text.hasSuffix("/embeddings") { return text }
        let hasPath = !parts.path.allSatisfy { $0 == "/" }
        return text + (hasPath ? "/embeddings" : "/v1/embeddings")
    }

    /// What has been learned about the server, kept from call to call.
    final class Knowledge: Sendable {
        struct Facts: Sendable {
            var limits: BatchLimits
            var dimension: Int?
            var base64 = true
        }

        private let facts: Mutex<Facts>

        init(limits: BatchLimits, dimension: Int?) {
            facts = Mutex(Facts(limits: limits, dimension: dimension))
        }

        var current: Facts { facts.withLock { $0 } }

        func update(_ change: (inout Facts) -> Void) { facts.withLock { change(&$0) } }
    }

    /// Vectors of the items' texts, in order.
    ///
    /// - Throws: ``ProviderError``; `CancellationError` where the task was cancelled.
    public func embed(_ items: [EmbeddingItem], as role: TextRole) async throws -> Matrix {
        let rows = RowCollector(count: items.count)
        try await embed(items, as: role) { rows.fill($0) }
        return rows.matrix
    }

    /// Vectors of the items' texts, batch by batch as they are answered.
    ///
    /// - Throws: ``ProviderError``; `CancellationError` where the task was cancelled.
    public func embed(
        _ items: [EmbeddingItem], as role: TextRole, answered: @escaping @Sendable (AnsweredRows) async throws -> Void
    ) async throws {
        let empty = items.filter(\.text.isEmpty)
        guard empty.isEmpty else {
            throw ProviderError.emptyTexts(role: role, count: empty.count, first: empty.prefix(5).map(\.id))
        }
        guard !items.isEmpty else { return }
        var asking = Asking(of: self, items: items, role: role)
        try await asking.run(answered)
    }
}

/// Rows of one call, put where they belong. Batches arrive one after the other; the lock is for the compiler.
final class RowCollector: Sendable {
    private struct State {
        var columns: Int?
        var values: [Float] = []
    }

    private let count: Int
    private let state = Mutex(State())

    init(count: Int) { self.count = count }

    /// Numbers in a vector, once one is there.
    var columns: Int? { state.withLock { $0.columns } }

    func fill(_ rows: AnsweredRows) {
        for (row, index) in rows.indices.enumerated() { fill(index, with: rows.vectors.row(row)) }
    }

    /// Puts one row in its place; all rows must have one length.
    func fill(_ index: Int, with vector: some Collection<Float>) {
        state.withLock { state in
            let columns = state.columns ?? vector.count
            precondition(vector.count == columns, "a row of \(vector.count) in a matrix of \(columns) columns")
            if state.columns == nil {
                state.columns = columns
                state.values = [Float](repeating: 0, count: count * columns)
            }
            state.values.replaceSubrange(index * columns..<(index + 1) * columns, with: vector)
        }
    }

    /// All rows; `(0, 0)` where none was asked.
    var matrix: Matrix {
        state.withLock { Matrix(rows: count, columns: $0.columns ?? 0, values: $0.values) }
    }
}
