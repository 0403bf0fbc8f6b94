import MafinBlackBox
import MafinNumerics
import Synchronization

/// What became of a call to the black box, as the service has to answer it.
public struct UpstreamFailure: Error, Sendable, Equatable, CustomStringConvertible {
    /// Who can mend it.
    public enum Kind: Sendable, Equatable {
        /// It does not answer, or asks to come back later.
        case unavailable
        /// It refuses a text for itself.
        case textRefused
        /// It answers stored texts only, and this is none of them.
        case unknownText
        /// It refuses us: a key, a model, an address.
        case refused
    }

    /// Who can mend it.
    public var kind: Kind
    /// One sentence, without any key.
    public var message: String
    /// Seconds until it is worth asking again, where that is known.
    public var retryAfter: Int?

    /// Whether the text is to blame, so that other texts may be answered all the same.
    var isOfText: Bool { kind == .textRefused || kind == .unknownText }

    /// A failure.
    public init(_ kind: Kind, _ message: String, retryAfter: Int? = nil) {
        (self.kind, self.message, self.retryAfter) = (kind, message, retryAfter)
    }

    /// The sentence.
    public var description: String { message }
}

/// Asks the black box for all requests at a time: what waits while calls are under way goes into the next call together.
///
/// Texts whose vectors are remembered are answered first: they wait for no call, and the black box may be away.
/// A call of several requests that fails for a text's sake is asked again request by request, so that only the one with that text fails.
/// After failures for which nobody's text is to blame, the black box is left alone for a while and whoever asks is told at once.
final class UpstreamBatcher: Sendable {
    /// How to ask.
    struct Limits: Sendable {
        /// Calls under way at a time.
        var calls = 8
        /// Texts in a call at most, unless one request has more.
        var textsPerCall = 256
        /// Longest that a call may take.
        var timeout: Duration = .seconds(20)
        /// Pause after a failure, doubled with each further one.
        var firstPause: Duration = .milliseconds(500)
        /// Longest pause.
        var longestPause: Duration = .seconds(30)
    }

    /// Told what happens, for the metrics.
    struct Observer: Sendable {
        /// Each call: texts, seconds, whether it was answered.
        var call: @Sendable (Int, Double, UpstreamFailure.Kind?) -> Void = { _, _, _ in }
        /// Texts that were remembered.
        var known: @Sendable (Int) -> Void = { _ in }
    }

    let blackBox: any BlackBox
    private let limits: Limits
    private let observer: Observer
    private let classify: @Sendable (any Error) -> UpstreamFailure
    private let state = Mutex(State())

    private struct State {
        var waiting: [Request] = []
        var calls = 0
        var failures = 0
        var pausedUntil: ContinuousClock.Instant?
        /// Until when one request tries after a pause; `nil`: none does.
        var triedUntil: ContinuousClock.Instant?
        var lastFailure: UpstreamFailure?
        /// When the black box itself asked to be asked again.
        var wanted: ContinuousClock.Instant?
        var lastAnswer: ContinuousClock.Instant?
    }

    /// One request's texts.
    private final class Request: Sendable {
        struct Progress {
            var continuation: CheckedContinuation<Matrix, any Error>?
            var isCancelled = false
        }

        let items: [EmbeddingItem]
        let role: TextRole
        let progress = Mutex(Progress())

        init(_ items: [EmbeddingItem], _ role: TextRole) { (self.items, self.role) = (items, role) }

        func finish(_ result: Result<Matrix, any Error>) {
            let continuation = progress.withLock { progress in
                defer { progress.continuation = nil }
                return progress.continuation
            }
            continuation?.resume(with: result)
        }

        var isCancelled: Bool { progress.withLock { $0.isCancelled } }
    }

    init(
        _ blackBox: any BlackBox, limits: Limits = Limits(), observer: Observer = Observer(),
        classify: @escaping @Sendable (any Error) -> UpstreamFailure
    ) {
        (self.blackBox, self.limits, self.observer, self.classify) = (blackBox, limits, observer, classify)
    }

    /// The last failure, where nothing has been answered since.
    var lastFailure: UpstreamFailure? { state.withLock { $0.lastFailure } }

    /// When it last answered a call; what is remembered does not count.
    var lastAnswer: ContinuousClock.Instant? { state.withLock { $0.lastAnswer } }

    /// Vectors of the items, `(items.count, dimension)`.
    /// - Throws: ``UpstreamFailure``; `CancellationError`.
    func embed(_ items: [EmbeddingItem], as role: TextRole) async throws -> Matrix {
        // What keeps a cache from being read the call will say.
        let known = (try? await blackBox.known(items, as: role)) ?? AnsweredRows.none
        guard !known.indices.isEmpty else { return try await ask(items, as: role) }
        observer.known(known.indices.count)
        var rows = [Int?](repeating: nil, count: items.count)
        for (row, item) in known.indices.enumerated() { rows[item] = row }
        let missing = items.indices.filter { rows[$0] == nil }
        var vectors = known.vectors
        if !missing.isEmpty {
            let asked = try await ask(missing.map { items[$0] }, as: role)
            guard asked.columns == vectors.columns else {
                throw UpstreamFailure(
                    .refused,
                    "the black box gives vectors of \(asked.columns) numbers, those remembered have \(vectors.columns)")
            }
            for (place, item) in missing.enumerated() { rows[item] = vectors.rows + place }
            vectors = Matrix(
                rows: vectors.rows + asked.rows, columns: asked.columns, values: vectors.values + asked.values)
        }
        return vectors.selecting(rows: rows.compactMap { $0 })
    }

    /// Asks anew for a text, whatever is remembered of it: whether the black box answers now.
    /// - Throws: ``UpstreamFailure``, that of the text included.
    func probe(_ item: EmbeddingItem, as role: TextRole) async throws {
        if let pause = pause() { throw pause }
        let start = ContinuousClock.now
        do {
            _ = try await withDeadline(limits.timeout) { [blackBox] in
                try await blackBox.embedAnew([item], as: role)
            } elsewise: { [limits] in
                Self.late(limits)
            }
            observer.call(1, (ContinuousClock.now - start).inSeconds, nil)
            isWellAgain()
        } catch {
            let failure = error as? UpstreamFailure ?? classify(error)
            observer.call(1, (ContinuousClock.now - start).inSeconds, failure.kind)
            if failure.isOfText { isWellAgain() } else { leaveAlone(after: failure) }
            throw failure
        }
    }

    private static func late(_ limits: Limits) -> UpstreamFailure {
        UpstreamFailure(
            .unavailable, "the black box did not answer within \(ServiceError.plain(limits.timeout.inSeconds)) s")
    }

    private func ask(_ items: [EmbeddingItem], as role: TextRole) async throws -> Matrix {
        let request = Request(items, role)
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let isCancelled = request.progress.withLock { progress in
                    progress.continuation = continuation
                    return progress.isCancelled
                }
                if isCancelled { return request.finish(.failure(CancellationError())) }
                if let pause = pause() { return request.finish(.failure(pause)) }
                state.withLock { $0.waiting.append(request) }
                pump()
            }
        } onCancel: {
            request.progress.withLock { $0.isCancelled = true }
            request.finish(.failure(CancellationError()))
        }
    }

    /// The failure to answer with at once while the black box is left alone.
    private func pause() -> UpstreamFailure? {
        state.withLock { state in
            guard let until = state.pausedUntil, let failure = state.lastFailure else { return nil }
            let now = ContinuousClock.now
            if now >= until, state.triedUntil.map({ now >= $0 }) ?? true {
                // One request may try; the others are told so until it is known what became of it.
                state.triedUntil = now + limits.timeout
                return nil
            }
            let left = max(until, state.wanted ?? until) - now
            return UpstreamFailure(
                failure.kind, failure.message, retryAfter: max(1, Int(left.inSeconds.rounded(.up))))
        }
    }

    /// Begins calls as long as something waits and there may be another.
    private func pump() {
        while let requests = nextCall() {
            Task {
                await self.ask(requests)
                self.state.withLock { $0.calls -= 1 }
                self.pump()
            }
        }
    }

    private func nextCall() -> [Request]? {
        state.withLock { state in
            state.waiting.removeAll { $0.isCancelled }
            guard state.calls < limits.calls, let first = state.waiting.first else { return nil }
            var taken: [Request] = []
            var texts = 0
            state.waiting.removeAll { request in
                guard request.role == first.role, taken.isEmpty || texts + request.items.count <= limits.textsPerCall
                else { return false }
                texts += request.items.count
                taken.append(request)
                return true
            }
            state.calls += 1
            return taken
        }
    }

    private func ask(_ requests: [Request]) async {
        let role = requests[0].role
        let items = requests.flatMap(\.items)
        let start = ContinuousClock.now
        do {
            let answer = try await withDeadline(limits.timeout) { [blackBox] in
                try await blackBox.embed(items, as: role)
            } elsewise: { [limits] in
                Self.late(limits)
            }
            observer.call(items.count, (ContinuousClock.now - start).inSeconds, nil)
            isWellAgain()
            var row = 0
            for request in requests {
                let rows = row..<row + request.items.count
                request.finish(
                    .success(
                        Matrix(
                            rows: rows.count, columns: answer.columns,
                            values: Array(
                                answer.values[rows.lowerBound * answer.columns..<rows.upperBound * answer.columns]))))
                row = rows.upperBound
            }
        } catch {
            let failure = error as? UpstreamFailure ?? classify(error)
            observer.call(items.count, (ContinuousClock.now - start).inSeconds, failure.kind)
            if failure.isOfText {
                guard requests.count == 1 else {
                    for request in requests where !request.isCancelled { await ask([request]) }
                    return
                }
                // It does answer, only not to this.
                isWellAgain()
            } else {
                leaveAlone(after: failure)
            }
            for request in requests { request.finish(.failure(failure)) }
        }
    }

    private func leaveAlone(after failure: UpstreamFailure) {
        state.withLock { state in
            state.lastFailure = failure
            // Calls that began before the pause say nothing new about how long it should be.
            guard state.pausedUntil == nil || state.triedUntil != nil else { return }
            let doubled = limits.firstPause * (1 << min(state.failures, 10))
            let asked = failure.retryAfter.map { Duration.seconds($0) }
            state.failures += 1
            let now = ContinuousClock.now
            state.wanted = asked.map { now + $0 }
            state.pausedUntil = now + max(min(doubled, limits.longestPause), min(asked ?? .zero, .seconds(120)))
            state.triedUntil = nil
        }
    }

    private func isWellAgain() {
        state.withLock { state in
            (state.failures, state.pausedUntil, state.triedUntil, state.lastFailure) = (0, nil, nil, nil)
            state.wanted = nil
            state.lastAnswer = .now
        }
    }
}

/// `body`'s result; once `limit` has passed, `body` is cancelled and the error thrown that `elsewise` gives.
func withDeadline<Result: Sendable>(
    _ limit: Duration, _ body: @escaping @Sendable () async throws -> Result,
    elsewise: @escaping @Sendable () -> any Error
) async throws -> Result {
    try await withThrowingTaskGroup(of: Result.self) { group in
        group.addTask { try await body() }
        group.addTask {
            try await Task.sleep(for: limit)
            throw elsewise()
        }
        defer { group.cancelAll() }
        guard let result = try await group.next() else { throw CancellationError() }
        return result
    }
}
