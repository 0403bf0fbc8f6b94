import Foundation
import HTTPTypes
import Hummingbird
import MafinBlackBox
import MafinNumerics
import NIOCore
import Synchronization

/// A trained artefact, served: answers requests with whichever generation of it is current.
///
/// ```swift
/// let service = try await MafinService(options: options, keys: keys, log: .standardError()) { metrics in
///     LoadedArtefact(model: try ArtefactModel(artefact: folder, released: released), blackBox: blackBox, index: index)
/// }
/// try await service.run(at: .init(host: "127.0.0.1", port: 8080))
/// ```
public final class MafinService: Sendable {
    let options: ServiceOptions
    let keys: KeyRing
    let log: ServiceLog
    /// What has happened.
    public let metrics: ServiceMetrics
    let feedback: FeedbackStore?
    private let load: @Sendable (ServiceMetrics) async throws -> UnsafeTransfer<LoadedArtefact>
    private let state: Mutex<State>
    let reportTickets = ReportTickets()
    /// What is watched, as it was before the artefact was loaded first.
    let stamps: [FileStamp?]

    private struct State {
        var generation: Generation
        var isDraining = false
        var isReloading = false
        /// Whether something may have changed since the reload that is under way began.
        var isReloadWanted = false
        /// Reloads that failed in a row, and when the next one is due.
        var failures = 0
        var retry: ContinuousClock.Instant?
    }

    /// Loads the artefact and is then ready to answer.
    /// - Parameter load: loads the artefact, now and again at each reload. What it returns nobody else may use.
    /// - Throws: what `load` throws; ``IndexError`` for an index that does not fit.
    public init(
        options: ServiceOptions = ServiceOptions(), keys: KeyRing, log: ServiceLog = .none,
        load: @escaping @Sendable (ServiceMetrics) async throws -> sending LoadedArtefact
    ) async throws {
        ProcessMetrics.begin()
        self.options = options
        self.keys = keys
        self.log = log
        let metrics = ServiceMetrics(pricePerMillionTokens: options.pricePerMillionTokens)
        self.metrics = metrics
        stamps = options.watched.map(FileStamp.init)
        self.load = { UnsafeTransfer(try await load($0)) }
        let generation = try Generation(try await load(metrics), options: options, metrics: metrics)
        feedback = try options.feedbackFolder.map { try FeedbackStore($0, index: generation.index) }
        metrics.describe(generation)
        state = Mutex(State(generation: generation))
    }

    /// The generation that new requests are answered by.
    var generation: Generation { state.withLock { $0.generation } }

    /// Whether the service is ending.
    var isDraining: Bool { state.withLock { $0.isDraining } }

    /// Says that no new work should be sent here; requests are still answered.
    func drain() { state.withLock { $0.isDraining = true } }

    /// Loads the artefact anew and answers with it from then on; where that fails, all stays as it was, and ``isReloadDue`` says when to
    /// try again. A reload that is asked for while one is under way follows it, as it may have read what was there before.
    /// - Returns: whether it succeeded, or will be made by the one that is under way.
    @discardableResult
    public func reload() async -> Bool {
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

    /// Whether a reload failed, and it is time to try once more: after 1 s, 2 s … 60 s.
    var isReloadDue: Bool {
        state.withLock { state in state.retry.map { $0 <= .now } ?? false }
    }

    private func reloadOnce() async -> Bool {
        do {
            let generation = try Generation(try await load(metrics).value, options: options, metrics: metrics)
            let before = self.generation
            guard generation.dimension == before.dimension || generation.name != before.name else {
                throw ServiceError(
                    .internalServerError, .server,
                    "vectors would have \(generation.dimension) numbers instead of \(before.dimension); clients' indexes would break: restart the service to serve it"
                )
            }
            state.withLock { state in
                (state.generation, state.failures, state.retry) = (generation, 0, nil)
            }
            metrics.describe(generation)
            metrics.recordReload(true)
            log.note("serving artefact \(generation.hash.prefix(12))")
            return true
        } catch {
            // Vectors of another length stay so; anything else may be files that are being written.
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

    /// The name of the key that a request brings; for the report, a ticket is as good.
    func authenticate(_ request: Request, _ endpoint: Endpoint) throws -> String {
        let headers = request.headers
        if endpoint == .report, request.method != .post, let name = reportTickets.name(in: headers) { return name }
        var secret = headers[.apiKey] ?? headers[.xAPIKey]
        if let header = headers[.authorization] {
            let parts = header.split(separator: " ", maxSplits: 1)
            if parts.count == 2, parts[0].lowercased() == "bearer" {
                secret = parts[1].trimmingCharacters(in: .whitespaces)
            }
        }
        guard let secret else {
            throw ServiceError(
                .unauthorized, .authentication, "a key is needed: send it as 'Authorization: Bearer KEY'",
                code: "missing_api_key")
        }
        guard let name = keys.name(of: secret) else {
            throw ServiceError(.unauthorized, .authentication, "the key is not known here", code: "invalid_api_key")
        }
        return name
    }

    /// Refuses, at endpoints that take keys, what a page of another origin sends, also one whose name an attacker made to point here (DNS
    /// rebinding). Where there are no keys, nothing else keeps a page in a browser on this machine from asking, and paying, with what its
    /// visitor may reach.
    /// - Throws: ``ServiceError`` 403.
    func requireOwnOrigin(_ request: Request) throws {
        guard keys.isEmpty else { return }
        let host = request.head.authority?.lowercased()
        if let hosts = options.hosts {
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
        guard let origin = request.headers[.origin] else { return }
        let allowed = options.allowedOrigins
        if allowed.contains("*") || allowed.contains(origin) { return }
        let place = origin.lowercased().split(separator: "://", maxSplits: 1).last
        guard let host, place.map(String.init) == host else {
            throw ServiceError(
                .forbidden, .invalidRequest,
                "pages of the origin '\(origin.clipped)' may not ask here: start the service with --cors-origin for it, or with keys",
                code: "foreign_origin")
        }
    }

    func answer(_ exchange: ServiceResponder.Exchange, _ endpoint: Endpoint) async throws -> Response {
        let generation = generation
        switch endpoint {
        case .embeddings: return try await embeddings(exchange, generation)
        case .cohere: return try await cohere(exchange, generation)
        case .models: return try models(generation)
        case .model: return try model(exchange.rest, generation)
        case .search: return try await search(exchange, generation)
        case .context: return try await context(exchange, generation)
        case .explain: return try await explain(exchange, generation)
        case .feedback: return try await feedback(exchange, generation)
        case .live: return Answers.text("ok\n")
        case .ready: return try await Readiness.answer(self, generation)
        case .metrics:
            return Answers.text(
                metrics.text(queueTokens: generation.engine.load), type: "text/plain; version=0.0.4; charset=utf-8")
        case .openAPI: return openAPI(generation)
        case .page: return try page(generation)
        case .report: return try exchange.request.method == .post ? reportTicket(exchange) : report()
        }
    }

    /// A request's whole body, within its bound.
    func body(_ exchange: ServiceResponder.Exchange) async throws -> Data {
        let request = exchange.request
        // Not for form's sake: pages from elsewhere can send any other type without asking.
        let type = request.headers[.contentType] ?? ""
        guard type.prefix(while: { $0 != ";" }).trimmingCharacters(in: .whitespaces).lowercased() == "application/json"
        else {
            throw ServiceError(
                .unsupportedMediaType, .invalidRequest,
                "the body must be application/json, found \(type.isEmpty ? "no content-type" : "'\(type.clipped)'")")
        }
        let maximum = options.maximumBodyBytes
        if let text = request.headers[.contentLength], let length = Int(text), length > maximum {
            throw ServiceError.tooLarge(
                "the body has \(length) bytes, a request may have \(maximum); send fewer texts at a time")
        }
        let buffer: ByteBuffer
        do {
            buffer = try await request.body.collect(upTo: maximum)
        } catch  where !(error is NIOTooManyBytesError || error is CancellationError) {
            // The client has left in the middle of it, or wrote no HTTP: no fault of ours.
            throw ServiceError(
                .badRequest, .invalidRequest, "the body could not be read to its end", code: "incomplete_body")
        }
        exchange.facts.withLock { $0.bytesIn = buffer.readableBytes }
        return Data(buffer.readableBytesView)
    }
}
