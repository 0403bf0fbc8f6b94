import Synchronization

/// The first result that one of several tasks delivers. Later ones are dropped.
package final class FirstResult<Value: Sendable>: Sendable {
    private struct State {
        var result: Result<Value, any Error>?
        var continuation: CheckedContinuation<Value, any Error>?
    }

    private let state = Mutex(State())

    package init() {}

    /// Whether there is a result.
    package var isFinished: Bool { state.withLock { $0.result != nil } }

    /// Delivers a result.
    /// - Returns: whether it was the first.
    @discardableResult
    package func finish(_ result: Result<Value, any Error>) -> Bool {
        let (isFirst, continuation) = state.withLock { state -> (Bool, CheckedContinuation<Value, any Error>?) in
            guard state.result == nil else { return (false, nil) }
            state.result = result
            defer { state.continuation = nil }
            return (true, state.continuation)
        }
        continuation?.resume(with: result)
        return isFirst
    }

    /// Waits for the result. Call it once. Cancelling the waiting task does not end the wait.
    package func value() async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            let result = state.withLock { state in
                if state.result == nil { state.continuation = continuation }
                return state.result
            }
            if let result { continuation.resume(with: result) }
        }
    }
}

/// The result of `body`, or the error of `late` once `limit` has passed.
///
/// At the limit, or when the calling task is cancelled, `body` is cancelled too. The call returns at once and does not wait for `body` to
/// end.
package func withDeadline<Value: Sendable>(
    _ limit: Duration, _ body: @escaping @Sendable () async throws -> Value,
    late: @escaping @Sendable () -> any Error
) async throws -> Value {
    let first = FirstResult<Value>()
    let work = Task {
        do { first.finish(.success(try await body())) } catch { first.finish(.failure(error)) }
    }
    let clock = Task {
        guard (try? await Task.sleep(for: limit)) != nil else { return }
        first.finish(.failure(late()))
        work.cancel()
    }
    defer { clock.cancel() }
    return try await withTaskCancellationHandler {
        try await first.value()
    } onCancel: {
        first.finish(.failure(CancellationError()))
        work.cancel()
    }
}
