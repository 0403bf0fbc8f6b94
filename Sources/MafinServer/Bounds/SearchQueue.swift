import Dispatch
import MafinBlackBox
import MafinNumerics
import Synchronization

/// Runs searches one at a time, because each uses all cores. They have a thread of their own, so that Swift's threads stay free.
///
/// The queue is bounded by time, not by number. A search is refused if those before it will take longer than a search may wait; the estimate
/// comes from how long recent searches took. If a client has left, its search is not begun, or stops at its next check, also within a long pass
/// over the index.
final class SearchQueue: Sendable {
    private struct State {
        /// Searches that wait or run.
        var count = 0
        /// Mean time of recent searches.
        var seconds = 0.0
        /// When the search that runs now began.
        var began: ContinuousClock.Instant?
    }

    private let queue = DispatchQueue(label: "mafin.search", qos: .userInitiated)
    private let longestWait: Double
    private let state = Mutex(State())

    /// - Parameter longestWait: how long a search may have to wait.
    init(longestWait: Duration) { self.longestWait = longestWait.inSeconds }

    /// Searches that wait or run.
    var count: Int { state.withLock { $0.count } }

    /// Runs a search when its turn has come.
    /// - Parameter body: gets a check that throws once the search is no longer wanted. It should call the check between its steps and within long
    ///   steps.
    /// - Throws: ``ServiceError`` 429 with the seconds of work that wait; `CancellationError`; what `body` throws.
    func run<Value: Sendable>(
        _ body: @escaping @Sendable (_ check: @Sendable () throws -> Void) throws -> Value
    ) async throws -> Value {
        try enter()
        let first = FirstResult<Value>()
        queue.async { [self] in
            guard !first.isFinished else { return }
            let start = ContinuousClock.now
            state.withLock { $0.began = start }
            let result = Result { try body { if first.isFinished { throw CancellationError() } } }
            state.withLock { state in
                state.began = nil
                let seconds = (ContinuousClock.now - start).inSeconds
                if case .success = result {
                    state.seconds = state.seconds == 0 ? seconds : 0.8 * state.seconds + 0.2 * seconds
                }
            }
            finish(first, result)
        }
        return try await withTaskCancellationHandler {
            try await first.value()
        } onCancel: {
            finish(first, .failure(CancellationError()))
        }
    }

    private func finish<Value: Sendable>(_ first: FirstResult<Value>, _ result: Result<Value, any Error>) {
        // The count falls before the answer is given, so that a caller with its answer sees the new count.
        guard !first.isFinished else { return }
        state.withLock { $0.count -= 1 }
        if !first.finish(result) { state.withLock { $0.count += 1 } }
    }

    private func enter() throws {
        try Task.checkCancellation()
        try state.withLock { state in
            // During the first search there is no mean yet. The time that it has taken so far is used instead.
            let each = max(state.seconds, state.began.map { (ContinuousClock.now - $0).inSeconds } ?? 0)
            let work = Double(state.count) * each
            guard state.count == 0 || work <= longestWait else {
                throw ServiceError.overloaded(retryAfter: max(1, Int(work.rounded(.up))))
            }
            state.count += 1
        }
    }
}
