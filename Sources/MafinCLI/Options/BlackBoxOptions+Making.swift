import Foundation
import MafinBlackBox
import MafinEncoder
import MafinNumerics
import MafinProviders
import Synchronization

extension BlackBoxOptions {
    /// The black box, ready to be asked: stored answers, or a model behind the cache, with a progress bar while it is asked.
    /// It ends with `CancellationError` when the user interrupts; what was answered until then is in the cache.
    ///
    /// - Parameters:
    ///   - stored: what is meant where there is no `--black-box`: the artefact's own.
    ///   - announcesPlan: whether each call to a provider says what it will ask.
    ///   - progress: told of each call's counts, instead of a progress bar a call.
    ///   - manner: how a server is asked that no flag says.
    ///   - environment: for keys and the places of caches.
    /// - Throws: `ValidationError` where nothing is named; `BlackBoxError`, `ProviderError`, `EncoderError` … for what cannot be
    ///   opened. A missing API key is an error only when there is something to ask.
    func make(
        shared: SharedOptions, default stored: BlackBoxSource? = nil, announcesPlan: Bool = true,
        progress: (@Sendable (EmbeddingCounts) -> Void)? = nil, manner: AskingManner = AskingManner(),
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) async throws -> any BlackBox {
        let source = try source(default: stored)
        // A path of the command line is taken as it is; one of an artefact is looked for.
        let path = try blackBox == nil ? source.currentPath() : source.resolvedPath
        switch source.specification {
        case .vectors(let given):
            return try StoredVectors(contentsOf: URL(fileURLWithPath: path ?? given))
        case .local(let name):
            let folder = try ModelHub(environment: environment).resolve(path ?? name)
            let encoder = try await FrozenEncoder(
                modelFolder: folder, name: path == nil ? name : nil,
                prefixes: TextPrefixes(query: source.queryPrefix, document: source.documentPrefix, elseOf: folder))
            return try cached(encoder, shared, progress, environment)
        case .provider(let name, let model):
            let provider = try provider(
                name, model: model, source: source, shared: shared, manner: manner, environment: environment)
            let ruler = try TokenRuler(provider.profile, tokenizer: asking.tokenizer)
            let cached = try cached(provider.blackBox, shared, progress, environment, cache: provider.cache)
            let policy = source.overflow ?? .error
            let whole = OverflowBlackBox(
                cached, policy: policy, limit: provider.profile.limits.textTokens, ruler: ruler, cache: provider.cache,
                logger: shared.logger)
            if shared.quiet || !announcesPlan { return whole }
            return PlannedBlackBox(
                base: whole, server: provider.server, cache: provider.cache, ruler: ruler, overflow: policy,
                isInBatches: asking.batch, note: shared.note)
        }
    }

    /// What a million tokens of the black box cost: what `--price` says, else the provider's profile; nil where neither does.
    func price(
        default stored: BlackBoxSource?, environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws -> Double? {
        if let price = asking.price { return price }
        guard case .provider(let name, let model) = try source(default: stored).specification else { return nil }
        return try catalog(environment: environment).profile(name).adapted(to: model).price.perMillionTokens
    }

    /// A provider's model and the cache before it.
    struct OpenedProvider {
        /// What may be asked: the server, its batch API, or nothing for want of a key.
        var blackBox: any BlackBox
        /// The server itself, for what sends nothing.
        var server: ProviderBlackBox
        var profile: ProviderProfile
        var cache: EmbeddingCache
    }

    /// Opens a model of a provider. Without a key that it needs it can be looked up in the cache but not asked.
    func provider(
        _ name: String, model: String, source: BlackBoxSource, shared: SharedOptions,
        manner: AskingManner = AskingManner(), environment: [String: String]
    ) throws -> OpenedProvider {
        let profile = try catalog(environment: environment).profile(name)
        let cache = try openCache(shared, environment)
        let variables = profile.endpoint.keyVariables
        let variable = variables.first { environment[$0] != nil } ?? variables.first ?? "API_KEY"
        let key = try apiKey.key(defaultVariable: variable, environment: environment)
        let address = source.baseURL ?? profile.endpoint.baseURL ?? ""
        let spending = try asking.spending(profile)
        let server = try ProviderBlackBox(
            profile, model: model, baseURL: source.baseURL, apiKey: key.map { try APIKey($0) },
            dimensions: source.dimensions, queryPrefix: source.queryPrefix, documentPrefix: source.documentPrefix,
            options: ProviderBlackBox.Options(
                limits: BatchLimits(items: asking.blackBoxBatch), maximumConcurrentRequests: asking.concurrency,
                retry: manner.retry, connection: asking.connection(to: address, environment: environment),
                headers: try asking.headerFields(), requestsPerMinute: asking.requestsPerMinute,
                tokensPerMinute: asking.tokensPerMinute, spending: spending,
                sharedSpending: CommandSpending.vectors(spending), sharing: cache, logger: shared.logger),
            environment: environment)
        guard key != nil || source.baseURL != nil || !profile.endpoint.isKeyRequired else {
            let missing = APIKeyError.missing(endpoint: profile.endpoint.baseURL ?? name, variable: variable)
            return OpenedProvider(
                blackBox: UnaskableBlackBox(identity: server.identity, error: missing), server: server,
                profile: server.profile, cache: cache)
        }
        var asked: any BlackBox = server
        if asking.batch {
            asked = try BatchedBlackBox(server, cache: cache, waiting: asking.noWait ? .no : .untilAnswered) { jobs in
                for job in jobs {
                    shared.note("batch \(job.remote ?? "–"), \(job.texts) texts: \(job.note ?? job.state.rawValue)")
                }
            }
        }
        return OpenedProvider(blackBox: asked, server: server, profile: server.profile, cache: cache)
    }

    /// The cache that the flags name, else the user's own.
    func openCache(_ shared: SharedOptions, _ environment: [String: String]) throws -> EmbeddingCache {
        let file = cache.map { URL(fileURLWithPath: $0) } ?? EmbeddingCache.defaultFile(environment: environment)
        return try EmbeddingCache(file: file, precision: asking.cachePrecision, logger: shared.logger)
    }

    private func cached(
        _ blackBox: some BlackBox, _ shared: SharedOptions, _ progress: (@Sendable (EmbeddingCounts) -> Void)?,
        _ environment: [String: String], cache: EmbeddingCache? = nil
    ) throws -> any BlackBox {
        let progress = progress ?? AskingProgress(output: shared.progressOutput).update
        return InterruptibleBlackBox(
            base: CachedBlackBox(
                blackBox, cache: try cache ?? openCache(shared, environment),
                drift: asking.driftCheck.map { DriftCheck(rate: $0) }, progress: progress))
    }
}

/// How a server is asked that no flag says.
struct AskingManner: Sendable {
    /// How often it is asked again, and how long it is waited for.
    var retry = AskingManner.patient

    /// As often as helps, and Ctrl-C waits a little for what is under way, which is paid.
    static let patient = RetryPolicy(finishing: .seconds(20))
}

/// A black box that can only be looked up in the cache; asking it is the error that kept it from being opened.
struct UnaskableBlackBox: BlackBox {
    let identity: BlackBoxIdentity
    let error: APIKeyError

    func embed(_ items: [EmbeddingItem], as role: TextRole) async throws -> Matrix { throw error }
}

/// A black box that says what a call will ask and cost before it begins.
struct PlannedBlackBox: BlackBox {
    let base: OverflowBlackBox
    let server: ProviderBlackBox
    let cache: EmbeddingCache
    let ruler: TokenRuler
    let overflow: OverflowPolicy
    let isInBatches: Bool
    let note: @Sendable (String) -> Void

    var identity: BlackBoxIdentity { base.identity }

    func embed(_ items: [EmbeddingItem], as role: TextRole) async throws -> Matrix {
        try await say(items, role)
        return try await base.embed(items, as: role)
    }

    func embed(
        _ items: [EmbeddingItem], as role: TextRole, answered: @escaping @Sendable (AnsweredRows) async throws -> Void
    ) async throws {
        try await say(items, role)
        try await base.embed(items, as: role, answered: answered)
    }

    func known(_ items: [EmbeddingItem], as role: TextRole) async throws -> AnsweredRows {
        try await base.known(items, as: role)
    }

    func embedAnew(_ items: [EmbeddingItem], as role: TextRole) async throws -> Matrix {
        try await base.embedAnew(items, as: role)
    }

    private func say(_ items: [EmbeddingItem], _ role: TextRole) async throws {
        let plan = try await EmbeddingPlan(
            server, cache: cache, texts: [(role, items)], ruler: ruler, overflow: overflow, isInBatches: isInBatches)
        if plan.toAsk > 1 { note(plan.summary) }
    }
}

/// A black box whose calls end with `CancellationError` soon after Ctrl-C.
struct InterruptibleBlackBox: BlackBox {
    let base: any BlackBox

    var identity: BlackBoxIdentity { base.identity }

    func embed(_ items: [EmbeddingItem], as role: TextRole) async throws -> Matrix {
        try await Interruption.cancelling { [base] in try await base.embed(items, as: role) }
    }

    func embed(
        _ items: [EmbeddingItem], as role: TextRole, answered: @escaping @Sendable (AnsweredRows) async throws -> Void
    ) async throws {
        try await Interruption.cancelling { [base] in
            try await base.embed(items, as: role, answered: answered)
        }
    }

    func known(_ items: [EmbeddingItem], as role: TextRole) async throws -> AnsweredRows {
        try await base.known(items, as: role)
    }

    func embedAnew(_ items: [EmbeddingItem], as role: TextRole) async throws -> Matrix {
        try await Interruption.cancelling { [base] in try await base.embedAnew(items, as: role) }
    }
}

/// The progress of what a black box is asked: one bar for each call for which the cache does not suffice.
final class AskingProgress: Sendable {
    private let output: ProgressBar.Output
    private let bar = Mutex<ProgressBar?>(nil)

    init(output: ProgressBar.Output) {
        self.output = output
    }

    func update(_ counts: EmbeddingCounts) {
        bar.withLock { bar in
            if counts.asked == 0 {  // a call begins
                bar =
                    counts.remaining == 0
                    ? nil : ProgressBar(title: "Black box", total: counts.distinct, unit: "texts", output: output)
            }
            bar?.update(
                completed: counts.cached + counts.asked, skipped: counts.cached,
                detail: "\(counts.cached) cached, \(counts.asked) asked, \(counts.remaining) remaining")
            if counts.remaining == 0 { bar?.finish() }
        }
    }
}
