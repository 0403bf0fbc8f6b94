import Foundation
import HTTPTypes
import MafinBlackBox
import Synchronization

/// A trained artefact behind HTTP. Each request is answered by the ``ServedModel`` that is current when it begins.
///
/// ```swift
/// let service = try await MafinService(options: options, keys: keys, log: .standardError()) { metrics in
///     LoadedArtefact(model: try ArtefactModel(artefact: folder, released: released), blackBox: blackBox, index: folder)
/// }
/// try await service.run(at: .init(host: "127.0.0.1", port: 8080))
/// ```
package final class MafinService: Sendable {
    let options: ServiceOptions
    let keys: KeyRing
    let log: ServiceLog
    /// Counts of what has happened.
    package let metrics: ServiceMetrics
    let feedback: FeedbackLog?
    let tickets = ReportTickets()
    /// Bytes of bodies that are being read or in use, and of answers that their clients have not read yet.
    let bodies: Budget
    let responses: Budget
    /// Tokens of explanations that are computed.
    let explanations: Budget
    /// The watched files as they were before the artefact was loaded first.
    let stamps: [FileStamp?]
    private let load: @Sendable (ServiceMetrics) async throws -> sending LoadedArtefact
    private let loading = LoadingThread()
    private let inFlight = Atomic<Int>(0)
    private let state: Mutex<State>

    private struct State {
        var current: ServedModel
        var isDraining = false
        /// Whether connections are encrypted.
        var isSecure = false
        var isReloading = false
        /// Whether files may have changed since the running reload began.
        var isReloadWanted = false
        /// Reloads that failed in a row, and when the next one is due.
        var failures = 0
        var retry: ContinuousClock.Instant?
    }

    /// Loads the artefact and is then ready to answer.
    /// - Parameter load: loads the artefact, now and again at each reload. Nobody else may use what it returns.
    /// - Throws: what `load` throws; ``IndexError`` for an index that does not fit.
    package init(
        options: ServiceOptions = ServiceOptions(), keys: KeyRing, log: ServiceLog = .none,
        load: @escaping @Sendable (ServiceMetrics) async throws -> sending LoadedArtefact
    ) async throws {
        ProcessMetrics.begin()
        var options = options
        options.hasKeys = keys.areRequired
        (self.options, self.keys, self.log) = (options, keys, log)
        let metrics = ServiceMetrics(pricePerMillionTokens: options.pricePerMillionTokens)
        self.metrics = metrics
        bodies = Budget(options.bodyBytes)
        responses = Budget(options.responseBytes)
        // A quarter of the local queue, so that explanations leave room for everybody else's texts.
        explanations = Budget(options.queueTokens / 4)
        stamps = options.watched.map(FileStamp.init)
        self.load = load
        let first = try await withTaskExecutorPreference(loading) { [options] in
            try ServedModel(try await load(metrics), options: options, metrics: metrics, log: log)
        }
        feedback = try options.feedbackFolder.map { try FeedbackLog($0) }
        metrics.describe(first)
        state = Mutex(State(current: first))
    }

    /// The model that answers new requests.
    var current: ServedModel { state.withLock { $0.current } }

    /// Whether the service is ending.
    var isDraining: Bool { state.withLock { $0.isDraining } }

    /// Tells load balancers to send no new requests. Requests are still answered.
    func drain() { state.withLock { $0.isDraining = true } }

    /// Whether the service uses HTTPS.
    var isSecure: Bool {
        get { state.withLock { $0.isSecure } }
        set { state.withLock { $0.isSecure = newValue } }
    }

    // MARK: Reloading

    /// Loads the artefact again and answers with it from then on. If that fails, the old one stays in use, and ``isReloadDue`` says when to
    /// try again. A reload that is asked for while another runs is made after it, because the running one may have read the files too early.
    /// - Returns: whether it succeeded, or will be made after the running one.
    @discardableResult
    package func reload() async -> Bool {
        let isMine = state.withLock { state in
            defer { state.isReloading = true }
            if state.isReloading { state.isReloadWanted = true }
            return !state.isReloading
        }
        guard isMine else { return true }
        while true {
            let hasSucceeded = await reloadOnce()
            let isDone = state.withLock { state in
                defer { state.isReloadWanted = false }
                if !state.isReloadWanted { state.isReloading = false }
                return !state.isReloadWanted
            }
            if isDone { return hasSucceeded }
        }
    }

    /// Whether a reload failed and the next is due: after 1 s, 2 s … 60 s.
    var isReloadDue: Bool {
        state.withLock { state in state.retry.map { $0 <= .now } ?? false }
    }

    private func reloadOnce() async -> Bool {
        do {
            let before = current
            let new = try await withTaskExecutorPreference(loading) { [load, metrics, options, log] in
                try ServedModel(
                    try await load(metrics), options: options, metrics: metrics, log: log, sharing: before.index)
            }
            guard new.dimension == before.dimension || new.name != before.name else {
                throw ServiceError(
                    .internalServerError, .server,
                    "vectors would have \(new.dimension) numbers instead of \(before.dimension); clients' indexes would break: restart the service to serve it"
                )
            }
            state.withLock { ($0.current, $0.failures, $0.retry) = (new, 0, nil) }
            metrics.describe(new)
            metrics.recordReload(true)
            log.note("serving artefact \(new.hash.prefix(12))")
            return true
        } catch {
            // A changed vector length will not become right by itself. Any other error may come from files that are still being written.
            state.withLock { state in
                state.failures += 1
                state.retry =
                    error is ServiceError
                    ? nil : ContinuousClock.now + .seconds(min(60, 1 << min(state.failures - 1, 6)))
            }
            metrics.recordReload(false)
            log.note("reload failed, the artefact served stays: \(error)", level: "error")
            return false
        }
    }

    // MARK: Requests

    /// Requests being answered.
    var requestsInFlight: Int { inFlight.load(ordering: .relaxed) }

    func beginRequest() { inFlight.add(1, ordering: .relaxed) }

    func endRequest() { inFlight.subtract(1, ordering: .relaxed) }

    /// Records a request's key. For the report, a ticket counts as its key.
    /// - Throws: ``ServiceError`` 401 if the route needs a key and the request has none that is accepted.
    func authenticate(_ request: ServedRequest, _ route: Route) throws {
        guard keys.areRequired else { return }
        let headers = request.headers
        if route == .report, request.method != .post, let key = tickets.key(in: headers), keys.contains(key) {
            return request.facts.withLock { $0.key = key }
        }
        var secret = headers[.apiKey] ?? headers[.xAPIKey]
        if let header = headers[.authorization] {
            let parts = header.split(separator: " ", maxSplits: 1)
            if parts.count == 2, parts[0].lowercased() == "bearer" {
                secret = parts[1].trimmingCharacters(in: .whitespaces)
            }
        }
        if let key = secret.flatMap(keys.key(of:)) { return request.facts.withLock { $0.key = key } }
        guard route.needsKey else { return }
        throw secret == nil
            ? ServiceError(
                .unauthorized, .authentication, "a key is needed: send it as 'Authorization: Bearer KEY'",
                code: "missing_api_key")
            : ServiceError(.unauthorized, .authentication, "the key is unknown", code: "invalid_api_key")
    }

    /// Whether a request may see what is served: if the service has keys, it must send one.
    func mayKnow(_ request: ServedRequest) -> Bool {
        !keys.areRequired || request.facts.withLock { $0.key } != nil
    }

    /// Refuses requests from pages of other origins, also from a page whose host name an attacker has pointed at this machine (DNS rebinding).
    /// Without keys, nothing else stops a web page in a browser on this machine from sending requests that cost money.
    /// - Throws: ``ServiceError`` 403.
    func requireOwnOrigin(_ request: ServedRequest) throws {
        guard !keys.areRequired else { return }
        let host = request.authority
        if let hosts = options.allowedHosts {
            let name = host.map { host in
                host.last == "]" ? host : host.lastIndex(of: ":").map { String(host[..<$0]) } ?? host
            }
            guard let name, hosts.contains(where: { $0.lowercased() == name }) else {
                throw ServiceError(
                    .forbidden, .invalidRequest,
                    "the service is not called '\((name ?? "").clipped)': start it with --allowed-host for that name, or with keys",
                    code: "foreign_host")
            }
        }
        guard let origin = request.headers[.origin], !CrossOrigin(options.allowedOrigins).allows(origin) else { return }
        let place = origin.lowercased().split(separator: "://", maxSplits: 1).last
        guard let host, place.map(String.init) == host else {
            throw ServiceError(
                .forbidden, .invalidRequest,
                "pages of the origin '\(origin.clipped)' may not send requests: start the service with --cors-origin for it, or with keys",
                code: "foreign_origin")
        }
    }

    func answer(_ request: ServedRequest, _ route: Route) async throws -> Reply {
        let model = current
        switch route {
        case .embeddings: return try await embeddings(request, model)
        case .multimodal: return try await multimodal(request, model)
        case .cohere: return try await cohere(request, model)
        case .models: return try models(model)
        case .model: return try self.model(request.rest, model)
        case .search: return try await search(request, model)
        case .document: return try await document(request, model)
        case .context: return try await context(request, model)
        case .explain: return try await explain(request, model)
        case .feedback: return try await feedback(request, model)
        case .live: return Reply("ok\n")
        case .ready: return try await readiness(request, model)
        case .metrics: return await metrics(request, model)
        case .openAPI: return Reply(model.description, type: "application/json")
        case .page: return try page(model)
        case .report: return request.method == .post ? reportTicket(request) : try report()
        }
    }

    /// The fields of a request's body, within the bounds.
    func fields(_ request: ServedRequest) async throws -> RequestFields {
        try await request.fields(maximum: options.maximumBodyBytes, budget: bodies)
    }
}
