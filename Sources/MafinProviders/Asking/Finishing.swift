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
