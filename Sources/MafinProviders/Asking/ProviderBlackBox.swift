import Foundation
import Logging
import MafinBlackBox
import MafinNumerics
import NIOHTTP1

/// A model behind an embedding API. This one client serves all providers; profiles describe how they differ.
///
/// ```swift
/// let blackBox = try ProviderBlackBox(
///     ProfileCatalog.builtIn.profile("cohere"), model: "embed-v4.0",
///     apiKey: try APIKey(environmentVariable: "CO_API_KEY"), dimensions: 1024)
/// let vectors = try await blackBox.embed(items, as: .document)   // the role must be given
/// ```
/// - Answers may hold base64 or numbers, in any order of `index`. They are checked: one vector per text, one dimension, finite, not zero.
///   Vectors are scaled to unit length.
/// - 408, 409, 429, 5xx and failing connections are tried again (``RetryPolicy``), after the pause that the server asks for and with fewer
///   requests at a time. If the account is refused, the call ends with the vendor's message. Batches that are too large are cut, and the limit
///   is remembered.
/// - A text that makes a whole batch fail is found by halving and named (``ProviderError/textsRefused(endpoint:role:texts:)``); the others are answered.
/// - When the call fails, answers to requests in flight are still received and handed over, because they are paid. After a cancellation this
///   lasts at most as long as ``RetryPolicy/finishing`` says.
///
/// It stores nothing: wrap it in ``CachedBlackBox`` so that no text is paid for twice.
public struct ProviderBlackBox: BlackBox, ProviderClient {
    /// How requests are sent. None of it changes a vector.
    public struct Options: Sendable {
        /// Limits of a request, besides those of the profile.
        public var limits: BatchLimits
        /// Maximum number of requests in flight.
        public var maximumConcurrentRequests: Int
        /// Pauses and attempts.
        public var retry: RetryPolicy
        /// Proxy, certificates, time limits.
        public var connection: ConnectionSettings
        /// Further headers, besides those of the profile.
        public var headers: [String: String]
        /// The account's requests per minute; nil: what the profile says.
        public var requestsPerMinute: Int?
        /// The account's tokens per minute; nil: what the profile says.
        public var tokensPerMinute: Int?
        /// What may be spent.
        public var spending: SpendingLimit
        /// What has been spent already by others under the same limit; nil: this model counts for itself.
        public var sharedSpending: Spending?
        /// The cache through which all processes on this machine share the account's rates; nil: rates are counted for this model alone.
        public var sharing: EmbeddingCache?
        /// Told of retries and of limits learned from the server.
        public var logger: Logger?

        /// Options; the defaults suit hosted APIs.
        public init(
            limits: BatchLimits = BatchLimits(), maximumConcurrentRequests: Int = 4, retry: RetryPolicy = RetryPolicy(),
            connection: ConnectionSettings = ConnectionSettings(), headers: [String: String] = [:],
            requestsPerMinute: Int? = nil, tokensPerMinute: Int? = nil, spending: SpendingLimit = SpendingLimit(),
            sharedSpending: Spending? = nil, sharing: EmbeddingCache? = nil, logger: Logger? = nil
        ) {
            precondition(maximumConcurrentRequests >= 1, "at least one request at a time")
            self.limits = limits
            self.maximumConcurrentRequests = maximumConcurrentRequests
            self.retry = retry
            self.connection = connection
            self.headers = headers
            self.requestsPerMinute = requestsPerMinute
            self.tokensPerMinute = tokensPerMinute
            self.spending = spending
            self.sharedSpending = sharedSpending
            self.sharing = sharing
            self.logger = logger
        }
    }

    /// The profile's name, address and model as given; the dimension only if one was asked for.
    public let identity: BlackBoxIdentity
    /// The provider's profile for this model.
    public let profile: ProviderProfile
    let options: Options
    let exchange: Exchange
    let knowledge: ServerKnowledge<EmbeddingFacts>
    let spending: Spending
    let ledger: any AccountLedger
    let time: any TimeSource

    /// A model of a provider.
    /// - Parameters:
    ///   - profile: describes the provider's API.
    ///   - model: the provider's name for it.
    ///   - baseURL: the address; nil: the provider's own. The profile's path is added if it has no path. If it ends in the path of
    ///     embeddings, it is used as it is.
    ///   - apiKey: sent as the profile says; local servers need none.
    ///   - dimensions: sent if given; vectors of another length are an error.
    ///   - queryPrefix: put before each query; nil: the profile's.
    ///   - documentPrefix: put before each document; nil: the profile's.
    ///   - normalisation: whether vectors are brought to unit length.
    ///   - options: how requests are sent.
    ///   - environment: variables that the profile's headers name.
    /// - Throws: ``ProviderError``: an invalid address, dimension, header, proxy or certificate.
    public init(
        _ profile: ProviderProfile, model: String, baseURL: String? = nil, apiKey: APIKey? = nil,
        dimensions: Int? = nil, queryPrefix: String? = nil, documentPrefix: String? = nil,
        normalisation: VectorNormalisation = .unit, options: Options = Options(),
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws {
        try self.init(
            profile, model: model, baseURL: baseURL, apiKey: apiKey, dimensions: dimensions, queryPrefix: queryPrefix,
            documentPrefix: documentPrefix, normalisation: normalisation, options: options, environment: environment,
            transport: nil, time: SystemTime())
    }

    init(
        _ given: ProviderProfile, model: String, baseURL: String? = nil, apiKey: APIKey? = nil,
        dimensions: Int? = nil, queryPrefix: String? = nil, documentPrefix: String? = nil,
        normalisation: VectorNormalisation = .unit, options: Options = Options(),
        environment: [String: String] = [:], transport: (any RequestTransport)?, time: any TimeSource,
        ledger: (any AccountLedger)? = nil
    ) throws {
        guard !model.isEmpty else { throw ProviderError.badEndpoint(given.name, reason: "no model is named") }
        guard given.embeds else {
            throw ProviderError.badEndpoint(
                given.name, reason: "this provider has no embedding API; it can only write queries")
        }
        let profile = try given.adapted(to: model)
        try Self.check(dimensions: dimensions, of: profile, model: model)
        let address = try profile.endpoint.resolved(baseURL, model: model, profile: profile.name)
        identity = BlackBoxIdentity(
            provider: profile.name, model: model, endpoint: address.base, dimension: dimensions,
            queryInputType: profile.request.queryType, documentInputType: profile.request.documentType,
            queryPrefix: queryPrefix ?? profile.request.queryPrefix,
            documentPrefix: documentPrefix ?? profile.request.documentPrefix, normalisation: normalisation,
            request: RequestVariant(profile, model: model, dimensions: dimensions, headers: options.headers)
                .difference(model: model, dimensions: dimensions))
        self.profile = profile
        self.options = options
        self.time = time
        exchange = try Exchange(
            profile: profile, model: model, address: address, givenBaseURL: baseURL, apiKey: apiKey,
            connection: options.connection, headers: options.headers, environment: environment, transport: transport)
        knowledge = ServerKnowledge(
            EmbeddingFacts(limits: options.limits.within(profile.limits), dimension: dimensions))
        spending = options.sharedSpending ?? Spending(limit: options.spending)
        self.ledger = ledger ?? options.sharing.map { $0.ledger } ?? LocalLedger(time: time)
    }

    private static func check(dimensions: Int?, of profile: ProviderProfile, model: String) throws {
        guard let dimensions else { return }
        func fault(_ reason: String) -> ProviderError {
            .badEndpoint("\(profile.name):\(model)", reason: reason)
        }
        guard dimensions >= 1 else { throw fault("a vector cannot have \(dimensions) dimensions") }
        guard profile.request.hasDimensions else { throw fault("this provider cannot shorten its vectors") }
        let known = profile.vectors.dimensions
        guard known.isEmpty || known.contains(dimensions) else {
            throw fault(
                "\(dimensions) dimensions are not among those that it offers: \(known.map(String.init).joined(separator: ", "))"
            )
        }
    }

    /// Where requests go.
    public var url: String { exchange.url }

    /// The server that texts and key are sent to, in a form for people.
    public var server: String { exchange.server }

    /// Requests sent so far by all who share the limit, and their tokens: as counted by the server, else an upper bound.
    public var spent: (requests: Int, tokens: Int) { spending.soFar }

    /// The limit on spending.
    public var spendingLimit: SpendingLimit { spending.limit }

    var retry: RetryPolicy { options.retry }
    var logger: Logger? { options.logger }
    var rates: RateLimits {
        RateLimits(
            requestsPerMinute: options.requestsPerMinute ?? profile.limits.requestsPerMinute,
            tokensPerMinute: options.tokensPerMinute ?? profile.limits.tokensPerMinute)
    }

    /// Vectors of the items' texts, in order.
    /// - Throws: ``ProviderError``; `CancellationError` where the task was cancelled.
    public func embed(_ items: [EmbeddingItem], as role: TextRole) async throws -> Matrix {
        let rows = RowCollector(count: items.count)
        try await embed(items, as: role) { rows.fill($0) }
        return rows.matrix
    }

    /// Vectors of the items' texts, batch by batch as they are answered.
    /// - Throws: ``ProviderError``; `CancellationError` if the task was cancelled, after the answers in flight are handed
    ///   over (``RetryPolicy/finishing``).
    public func embed(
        _ items: [EmbeddingItem], as role: TextRole, answered: @escaping @Sendable (AnsweredRows) async throws -> Void
    ) async throws {
        try ProviderError.refuseEmpty(items, role)
        guard !items.isEmpty else { return }
        let groups = RequestTemplate.Content.groups(of: items)
        // Nothing is sent if one of the kinds cannot be read.
        for group in groups { _ = try form(for: group.map { items[$0] }, as: role, encoding: 0) }
        var refused: [RefusedText] = []
        for group in groups {
            let part = groups.count == 1 ? items : group.map { items[$0] }
            do {
                try await finishing(within: options.retry.finishing) { stop in
                    var asking = try await Asking(of: self, items: part, role: role, until: stop) { rows in
                        try await answered(
                            AnsweredRows(indices: rows.indices.map { group[$0] }, vectors: rows.vectors))
                    }
                    try await asking.run()
                }
            } catch ProviderError.textsRefused(_, _, let texts) where groups.count > 1 {
                refused += texts.map { $0.at(group[$0.position]) }
            }
        }
        if !refused.isEmpty {
            throw ProviderError.textsRefused(
                endpoint: url, role: role, texts: refused.sorted { $0.position < $1.position })
        }
    }

    /// What each text adds to a request, its prefix included.
    func costs(of texts: [String], as role: TextRole, in form: BoundRequest) -> [ItemCost] {
        let (prefix, bytesPerToken) = (identity.prefix(for: role), profile.tokens.bytesPerToken)
        let maximumOfPrefix = prefix.isEmpty ? 0 : TokenEstimate.upperBound(of: prefix, bytesPerToken: bytesPerToken)
        let prefixLength = JSONText.escapedLength(of: prefix)
        return texts.map {
            ItemCost(
                tokens: TokenEstimate.typical(
                    bytes: prefix.utf8.count + $0.utf8.count, bytesPerToken: bytesPerToken),
                maximumTokens: maximumOfPrefix + TokenEstimate.upperBound(of: $0, bytesPerToken: bytesPerToken),
                bytes: prefixLength + form.length(of: $0))
        }
    }
}
