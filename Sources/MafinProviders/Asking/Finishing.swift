import Foundation
import Synchronization

/// Tells work that is not cancelled that it should begin nothing new.
final class StopSignal: Sendable {
    private let state = Mutex<(isRequested: Bool, waiting: [UUID: AsyncStream<Never>.Continuation])>((false, [:]))

    var isRequested: Bool { state.withLock { $0.isRequested } }

    func request() {
        let waiting = state.withLock { state in
            state.isRequested = true
            return state.waiting.values
        }
        for continuation in waiting { continuation.finish() }
    }

    /// Returns when it is requested, or the task cancelled.
    func wait() async {
        let (stream, continuation) = AsyncStream<Never>.makeStream()
        let id = UUID()
        let isRequested = state.withLock { state in
            state.waiting[id] = continuation
            return state.isRequested
        }
        if isRequested { continuation.finish() }
        for await _ in stream {}
        state.withLock { state in _ = state.waiting.removeValue(forKey: id) }
    }

    /// Sleeps, unless it is requested meanwhile.
    /// - Throws: `CancellationError` then.
    func sleep(until due: Duration, of time: any TimeSource) async throws {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { try? await time.sleep(until: due) }
            group.addTask { await self.wait() }
            await group.next()
            group.cancelAll()
        }
        if isRequested || Task.isCancelled { throw CancellationError() }
    }
}

/// Runs `body` so that cancelling the caller only asks it to stop: requests in flight are paid, so their answers are still received and handed
/// over. After `patience` the work is cancelled.
/// - Throws: what `body` throws; `CancellationError` where the caller is cancelled already.
func finishing<Result: Sendable>(
    within patience: Duration, _ body: @escaping @Sendable (StopSignal) async throws -> Result
) async throws -> Result {
    try Task.checkCancellation()
    let stop = StopSignal()
    let work = Task { try await body(stop) }
    return try await withTaskCancellationHandler {
        try await work.value
    } onCancel: {
        stop.request()
        guard patience > .zero else { return work.cancel() }
        Task {
            try? await Task.sleep(for: patience)
            work.cancel()
        }
    }
}
