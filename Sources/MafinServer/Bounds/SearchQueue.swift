import Dispatch
import MafinBlackBox
import MafinNumerics
import Synchronization

/// Runs searches one at a time, because each uses all cores, and on a thread that is none of Swift's.
///
/// The queue is bounded by work, not by number: a search is refused when those before it will take longer than a search may wait, measured
/// by how long recent ones took. A search whose client has left is not begun, and one that runs stops at its next check, also within a long pass over the index.
final class SearchQueue: Sendable {
    private struct State {
        /// Searches that wait or run.
        var count = 0
        /// Mean time of recent searches.
        var seconds = 0.0
        /// When the one that runs began.
        var began: ContinuousClock.Instant?
    }

    private let queue = DispatchQueue(label: "mafin.search", qos: .userInitiated)
    private let longestWait: Double
    private let state = Mutex(State())

    /// - Parameter longestWait: how much work may lie before a search.
    init(longestWait: Duration) { self.longestWait = longestWait.inSeconds }

    /// Searches that wait or run.
    var count: Int { state.withLock { $0.count } }

    /// Runs a search when its turn has come.
    /// - Parameter body: gets a check that throws once the search is no longer wanted; to be called between its steps and within long ones.
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
        // Counted out before the answer, so that whoever has it finds the queue as it is.
        guard !first.isFinished else { return }
        state.withLock { $0.count -= 1 }
        if !first.finish(result) { state.withLock { $0.count += 1 } }
    }

    private func enter() throws {
        try Task.checkCancellation()
        try state.withLock { state in
            // The first search of all has no mean yet: what it has taken so far stands for it.
            let each = max(state.seconds, state.began.map { (ContinuousClock.now - $0).inSeconds } ?? 0)
            let work = Double(state.count) * each
            guard state.count == 0 || work <= longestWait else {
                throw ServiceError.overloaded(retryAfter: max(1, Int(work.rounded(.up))))
            }
            state.count += 1
        }
    }
}
