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
