import Foundation
import MafinBlackBox
import MafinEncoder
import MafinNumerics
import MafinPipeline
import MafinProviders
import MafinStores
import MafinWorkflows

/// Opens black boxes: stored answers, a frozen encoder, or a provider's model with its key, cache, limits, overflow policy and batch API.
///
/// ```swift
/// let factory = BlackBoxFactory(settings, context: context)
/// let blackBox = try await factory.open(source)
/// ```
package struct BlackBoxFactory: Sendable {
    package var settings: ProviderSettings
    package var context: WorkflowContext
    /// The spending so far. Models that are opened with the same purse share their limit.
    package var purse: Purse
    /// Environment variables for keys, proxies, headers of profiles, and the folders of caches.
    package var environment: [String: String]

    package init(
        _ settings: ProviderSettings, context: WorkflowContext, purse: Purse = .ofProcess,
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) {
        (self.settings, self.context, self.purse, self.environment) = (settings, context, purse, environment)
    }

    /// The available profiles: those of the library, of the user's folder, and of the user's additional file.
    package func catalog() throws -> ProfileCatalog {
        var catalog = try ProfileCatalog(folder: ProfileCatalog.standardFolder(environment: environment))
        if let file = settings.providerFile { try catalog.add(file: file) }
        return catalog
    }

    /// Opens the cache that the settings name, else the user's default cache.
    /// - Throws: `ProviderError.cacheUnusable`, also for the batch API with a cache that hosts share: its jobs are in a file, so that
    ///   another host would pay for the same texts again.
    package func openCache() throws -> EmbeddingCache {
        if settings.usesBatches, settings.sharedCache != nil {
            throw ProviderError.cacheUnusable(
                path: "--cache", reason: "--batch needs a cache in a file, because no other host knows of its jobs")
        }
        return try EmbeddingCache(
            file: settings.cacheFile ?? EmbeddingCache.defaultFile(environment: environment),
            precision: settings.cachePrecision, shared: settings.sharedCache, logger: context.logger)
    }

    /// Opens a black box. When a call ends or fails, its answers until then are in the cache.
    ///
    /// - Throws: `BlackBoxError`, `ProviderError`, `EncoderError` … for what cannot be opened. A missing API key is an error only if
    ///   texts have to be sent.
    package func open(_ source: BlackBoxSource, use: BlackBoxUse = BlackBoxUse()) async throws -> any BlackBox {
        if !use.isSupervised, let flag = settings.flagNotForServices { throw ProviderError.notForService(flag: flag) }
        switch source.specification {
        case .vectors(let given) where BlackBoxSpecification.isDatabase(given):
            return try await StoredVectors(contentsOf: imported(given))
        case .vectors(let given):
            return try StoredVectors(contentsOf: URL(fileURLWithPath: source.resolvedPath ?? given))
        case .local(let name):
            let path = source.resolvedPath
            let folder = try ModelFolders(environment: environment).resolve(path ?? name)
            let encoder = try await FrozenEncoder(
                modelFolder: folder, name: path == nil ? name : nil,
                prefixes: TextPrefixes(query: source.queryPrefix, document: source.documentPrefix, elseOf: folder))
            return supervised(try cached(encoder, cache: openCache(), use), use)
        case .provider(let name, let model):
            let opened = try provider(name, model: model, source: source, retry: use.retry)
            let ruler = try TokenRuler(opened.profile, tokenizer: settings.tokenizer)
            let policy = source.overflow ?? .error
            let whole = OverflowBlackBox(
                try cached(opened.blackBox, cache: opened.cache, use), policy: policy,
                limit: opened.profile.limits.textTokens, ruler: ruler, cache: opened.cache, logger: context.logger)
            return supervised(whole, use) { [context, settings] items, role in
                let plan = try await EmbeddingPlan(
                    opened.server, cache: opened.cache, texts: [(role, items)], ruler: ruler, overflow: policy,
                    isInBatches: settings.usesBatches)
                if plan.toAsk > 1 { context.note(plan.summary) }
            }
        }
    }

    /// Reads the vectors of a database into a folder among mafin's caches, each time anew, and returns what `vectors:` reads there. Nothing is paid.
    private func imported(_ address: String) async throws -> URL {
        let source = try VectorImport(parsing: address)
        let folder = EmbeddingCache.defaultFile(environment: environment).deletingLastPathComponent()
            .appendingPathComponent("imports").appendingPathComponent(
                String(ContentHash.sha256(of: address).prefix(16)))
        var workflow = ImportWorkflow(source, to: folder, context: context)
        workflow.connection = try StoreConnectionChoice().connection(
            to: source.kind, at: source.shown, settings.connection, environment: environment)
        return URL(fileURLWithPath: String(try await workflow.run().blackBox.dropFirst("vectors:".count)))
    }

    /// The price of a million tokens of a black box: from the settings, else from the provider's profile; nil if neither has one.
    package func price(of source: BlackBoxSource) throws -> Double? {
        if let price = settings.price { return price }
        guard case .provider(let name, let model) = source.specification else { return nil }
        return try catalog().profile(name).adapted(to: model).price.perMillionTokens
    }

    /// A provider's model and its cache.
    package struct OpenedProvider: Sendable {
        /// What texts are sent to: the server, its batch API, or nothing if the key is missing.
        package var blackBox: any BlackBox
        /// The server itself, for uses that send nothing.
        package var server: ProviderBlackBox
        package var profile: ProviderProfile
        package var cache: EmbeddingCache
        /// The error if the key is missing; nil: it is not.
        package var missingKey: ProviderError?
    }

    /// Opens a model of a provider. If a required key is missing, only the cache can be used.
    package func provider(
        _ name: String, model: String, source: BlackBoxSource, retry: RetryPolicy = BlackBoxUse.patience
    ) throws -> OpenedProvider {
        let profile = try catalog().profile(name)
        let cache = try openCache()
        let key = try settings.key.key(of: profile, environment: environment)
        let address = source.baseURL ?? profile.endpoint.baseURL ?? ""
        let limit = try settings.spendingLimit(of: profile)
        let server = try ProviderBlackBox(
            profile, model: model, baseURL: source.baseURL, apiKey: key, dimensions: source.dimensions,
            queryPrefix: source.queryPrefix, documentPrefix: source.documentPrefix,
            options: ProviderBlackBox.Options(
                limits: BatchLimits(items: settings.textsPerRequest), maximumConcurrentRequests: settings.concurrency,
                retry: retry, connection: settings.connection.settings(for: address, environment: environment),
                headers: settings.headers, requestsPerMinute: settings.requestsPerMinute,
                tokensPerMinute: settings.tokensPerMinute, spending: limit, sharedSpending: purse.vectors(limit),
                sharing: cache, logger: context.logger),
            environment: environment)
        var opened = OpenedProvider(blackBox: server, server: server, profile: server.profile, cache: cache)
        if key == nil, source.baseURL == nil, profile.endpoint.isKeyRequired {
            let missing = profile.missingKey
            opened.missingKey = missing
            opened.blackBox = UnaskableBlackBox(identity: server.identity, error: missing)
        } else if settings.usesBatches {
            opened.blackBox = try BatchedBlackBox(
                server, cache: cache, waiting: settings.waitsForBatches ? .untilAnswered : .no
            ) { [context] in context.note(of: $0, "texts") }
        }
        return opened
    }

    /// Finds out what a server is like.
    /// - Parameters:
    ///   - provider: the profile to start from; nil: some common ones are tried, until the server understands one.
    ///   - baseURL: the server; nil: the provider's own.
    ///   - limits: whether growing batches are sent too.
    /// - Throws: `ProviderError`: a missing key, a limit of money or requests, else what the first profile met.
    package func probe(
        model: String, provider: String?, baseURL: String?, limits: Bool
    ) async throws -> ProviderProbe.Report {
        var failure: (any Error)?
        for candidate in provider.map({ [$0] }) ?? ["openai", "ollama", "tei"] {
            let source = BlackBoxSource(.provider(candidate, model: model), baseURL: baseURL)
            let opened = try self.provider(candidate, model: model, source: source, retry: RetryPolicy())
            if let error = opened.missingKey { throw error }
            do {
                return try await ProviderProbe(opened.server).run(limits: limits)
            } catch let error as ProviderError where provider == nil {
                if case .overBudget = error { throw error }
                context.note("not \(candidate): \(error)")
                failure = failure ?? error
            }
        }
        throw failure ?? CancellationError()
    }

    private func cached(
        _ blackBox: some BlackBox, cache: EmbeddingCache, _ use: BlackBoxUse
    ) throws -> any BlackBox {
        use.cacheOpened?(cache)
        return CachedBlackBox(
            blackBox, cache: cache, drift: settings.driftCheck.map { DriftCheck(rate: $0) }, policy: use.caching,
            progress: use.progress ?? AskingProgress(context).update)
    }

    private func supervised(
        _ blackBox: any BlackBox, _ use: BlackBoxUse,
        announce: @escaping SupervisedBlackBox.Announcement = { _, _ in }
    ) -> any BlackBox {
        guard use.isSupervised else { return blackBox }
        let silent: SupervisedBlackBox.Announcement = { _, _ in }
        return SupervisedBlackBox(
            base: blackBox, context: context, announce: use.announcesPlans ? announce : silent)
    }
}

/// How an open black box is used.
package struct BlackBoxUse: Sendable {
    /// How often requests are repeated, and how long to wait.
    package var retry = BlackBoxUse.patience
    /// How answers are stored.
    package var caching = CachePolicy()
    /// Whether each call reports what it will send before it begins, and ends soon after the user interrupts.
    package var isSupervised = true
    /// Whether each call reports what it will send; false if this was reported for all calls together.
    package var announcesPlans = true
    /// Told of each call's counts; nil: each call shows its own progress.
    package var progress: (@Sendable (EmbeddingCounts) -> Void)?
    /// Given the cache, for its figures (size, failed writes).
    package var cacheOpened: (@Sendable (EmbeddingCache) -> Void)?

    /// The default policy, but after an interruption the call waits a short time for answers in flight, because they are paid.
    package static let patience = RetryPolicy(finishing: .seconds(20))

    /// The use of a command.
    package init(announcesPlans: Bool = true, progress: (@Sendable (EmbeddingCounts) -> Void)? = nil) {
        (self.announcesPlans, self.progress) = (announcesPlans, progress)
    }

    /// The use of a service. Somebody waits for each answer, so answers are delivered even if they cannot be stored.
    ///
    /// - Parameter maximumQueryBytes: maximum bytes of the vectors of queries in the cache; nil: all are kept.
    package static func service(
        retry: RetryPolicy, maximumQueryBytes: Int? = nil,
        cacheOpened: @escaping @Sendable (EmbeddingCache) -> Void = { _ in },
        progress: @escaping @Sendable (EmbeddingCounts) -> Void
    ) -> BlackBoxUse {
        var use = BlackBoxUse(announcesPlans: false, progress: progress)
        use.retry = retry
        use.cacheOpened = cacheOpened
        use.isSupervised = false
        use.caching = CachePolicy(deliversWhatCannotBeStored: true, maximumQueryBytes: maximumQueryBytes)
        return use
    }
}

/// A black box whose key is missing. Only its cache can be used; sending texts throws the error.
private struct UnaskableBlackBox: BlackBox {
    let identity: BlackBoxIdentity
    let error: ProviderError

    func embed(_ items: [EmbeddingItem], as role: TextRole) async throws -> Matrix { throw error }
}

/// A black box for a command: each call reports what it will send before it begins, and ends soon after the user interrupts.
///
/// The plan is made here and not by the workflows, because a workflow asks several times (documents, then the queries of each split) and hands
/// the black box on to modules that know no providers. Each of these places would have to plan before it asks, with the cache, the ruler and
/// the price, which only the factory has.
private struct SupervisedBlackBox: BlackBox {
    typealias Announcement = @Sendable ([EmbeddingItem], TextRole) async throws -> Void

    let base: any BlackBox
    let context: WorkflowContext
    let announce: Announcement

    var identity: BlackBoxIdentity { base.identity }

    func embed(_ items: [EmbeddingItem], as role: TextRole) async throws -> Matrix {
        try await announce(items, role)
        return try await context.cancelling { [base] in try await base.embed(items, as: role) }
    }

    func embed(
        _ items: [EmbeddingItem], as role: TextRole, answered: @escaping @Sendable (AnsweredRows) async throws -> Void
    ) async throws {
        try await announce(items, role)
        try await context.cancelling { [base] in try await base.embed(items, as: role, answered: answered) }
    }

    func known(_ items: [EmbeddingItem], as role: TextRole) async throws -> AnsweredRows {
        try await base.known(items, as: role)
    }

    func embedAnew(_ items: [EmbeddingItem], as role: TextRole) async throws -> Matrix {
        try await context.cancelling { [base] in try await base.embedAnew(items, as: role) }
    }
}
