import MafinBlackBox
import MafinNumerics
import Synchronization

/// Asks the black box on behalf of all requests: requests that wait while calls are under way go into the next call together.
///
/// Texts whose vectors are in the cache are answered first. They wait for no call, even if the black box is unavailable.
/// When the black box refuses a text, the requests of that call are sent again in calls of half as many, so that only the request with that
/// text fails. After failures for which no text is at fault, the batcher pauses: it sends no calls for a while, and requests fail at once.
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

    /// Is told what happens, for the metrics.
    struct Observer: Sendable {
        /// Each call: texts, seconds, and why it failed.
        var call: @Sendable (Int, Double, UpstreamFailure.Kind?) -> Void = { _, _, _ in }
        /// Number of texts whose vectors were in the cache.
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
        /// After a pause one request tries, until this instant; `nil` if none does.
        var triedUntil: ContinuousClock.Instant?
        var lastFailure: UpstreamFailure?
        /// When the black box itself wants the next call.
        var wanted: ContinuousClock.Instant?
        var lastAnswer: ContinuousClock.Instant?
    }

    /// One request's texts.
    private final class Request: Sendable {
        let items: [EmbeddingItem]
        let role: TextRole
        let vectors = FirstResult<Matrix>()
        /// Number of requests that one call with this one may hold, itself included. It is halved each time that such a call was refused.
        let company = Mutex(Int.max)

        init(_ items: [EmbeddingItem], _ role: TextRole) { (self.items, self.role) = (items, role) }
    }

    init(
        _ blackBox: any BlackBox, limits: Limits = Limits(), observer: Observer = Observer(),
        classify: @escaping @Sendable (any Error) -> UpstreamFailure
    ) {
        (self.blackBox, self.limits, self.observer, self.classify) = (blackBox, limits, observer, classify)
    }

    /// The last failure, if nothing has been answered since.
    var lastFailure: UpstreamFailure? { state.withLock { $0.lastFailure } }

    /// When it last answered a call. Vectors from the cache do not count.
    var lastAnswer: ContinuousClock.Instant? { state.withLock { $0.lastAnswer } }

    /// Vectors of the items, `(items.count, dimension)`.
    /// - Throws: ``UpstreamFailure``; `CancellationError`.
    func embed(_ items: [EmbeddingItem], as role: TextRole) async throws -> Matrix {
        // A cache that cannot be read is reported by the call itself.
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

    /// Asks for a text even if it is in the cache, to find out whether the black box answers now.
    /// - Throws: ``UpstreamFailure``. A refused text changes nothing here: it does not show that other texts would be answered.
    func probe(_ item: EmbeddingItem, as role: TextRole) async throws {
        if let pause = pause() { throw pause }
        _ = try await call(1) { try await $0.embedAnew([item], as: role) }
    }

    /// Makes one call and records it.
    private func call(
        _ texts: Int, _ body: @escaping @Sendable (any BlackBox) async throws -> Matrix
    ) async throws(UpstreamFailure) -> Matrix {
        let start = ContinuousClock.now
        do {
            let answer = try await withDeadline(limits.timeout) { [blackBox] in
                try await body(blackBox)
            } late: { [limits] in
                let seconds = ServiceError.plain(limits.timeout.inSeconds)
                return UpstreamFailure(.unavailable, "the black box did not answer within \(seconds) s")
            }
            observer.call(texts, (ContinuousClock.now - start).inSeconds, nil)
            recordAnswer()
            return answer
        } catch {
            let failure = error as? UpstreamFailure ?? classify(error)
            observer.call(texts, (ContinuousClock.now - start).inSeconds, failure.kind)
            record(failure)
            throw failure
        }
    }

    private func ask(_ items: [EmbeddingItem], as role: TextRole) async throws -> Matrix {
        try Task.checkCancellation()
        if let pause = pause() { throw pause }
        let request = Request(items, role)
        state.withLock { $0.waiting.append(request) }
        pump()
        return try await withTaskCancellationHandler {
            try await request.vectors.value()
        } onCancel: {
            request.vectors.finish(.failure(CancellationError()))
        }
    }

    /// The failure to answer with at once during a pause.
    private func pause() -> UpstreamFailure? {
        state.withLock { state in
            guard let until = state.pausedUntil, let failure = state.lastFailure else { return nil }
            let now = ContinuousClock.now
            if now >= until, state.triedUntil.map({ now >= $0 }) ?? true {
                // One request may try; the others fail until its outcome is known.
                state.triedUntil = now + limits.timeout
                return nil
            }
            let left = max(until, state.wanted ?? until) - now
            return UpstreamFailure(
                failure.kind, failure.detail, retryAfter: max(1, Int(left.inSeconds.rounded(.up))))
        }
    }

    /// Begins calls as long as requests wait and the limit allows another call.
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
            state.waiting.removeAll { $0.vectors.isFinished }
            guard state.calls < limits.calls, let first = state.waiting.first else { return nil }
            var taken: [Request] = []
            var texts = 0
            var company = Int.max
            state.waiting.removeAll { request in
                let own = request.company.withLock { $0 }
                guard request.role == first.role, taken.count < min(company, own),
                    taken.isEmpty || texts + request.items.count <= limits.textsPerCall
                else { return false }
                company = min(company, own)
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
        do {
            let answer = try await call(items.count) { try await $0.embed(items, as: role) }
            var row = 0
            for request in requests {
                let rows = row..<row + request.items.count
                request.vectors.finish(.success(answer.selecting(rows: rows)))
                row = rows.upperBound
            }
        } catch {
            guard error.isOfText, requests.count > 1 else {
                for request in requests { request.vectors.finish(.failure(error)) }
                return
            }
            for request in requests { request.company.withLock { $0 = max(1, requests.count / 2) } }
            state.withLock { $0.waiting.insert(contentsOf: requests, at: 0) }
        }
    }

    /// Records what a failed call shows about the black box.
    private func record(_ failure: UpstreamFailure) {
        switch failure.kind {
        case .unknownText: recordAnswer()
        // The black box answers, but it is not known whether it would answer other texts: one that refuses all texts fails in the same way.
        case .textRefused: state.withLock { ($0.pausedUntil, $0.triedUntil, $0.lastFailure) = (nil, nil, nil) }
        case .unavailable, .refused, .overBudget: leaveAlone(after: failure)
        }
    }

    private func leaveAlone(after failure: UpstreamFailure) {
        state.withLock { state in
            state.lastFailure = failure
            // Calls that began before the pause do not make it longer.
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

    private func recordAnswer() {
        state.withLock { state in
            (state.failures, state.pausedUntil, state.triedUntil, state.lastFailure) = (0, nil, nil, nil)
            state.wanted = nil
            state.lastAnswer = .now
        }
    }
}
