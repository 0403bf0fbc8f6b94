import MafinWorkflows
import Synchronization
import Testing

@Suite struct WorkflowContextTests {
    @Test func workWithoutASignalEndsNormally() async throws {
        struct Fault: Error, Equatable {}
        let context = WorkflowContext()
        #expect(try await context.cancelling { 3 } == 3)
        await #expect(throws: Fault()) { try await context.cancelling { throw Fault() } }
        try context.checkCancellation()
    }

    @Test func waitingWorkIsCancelledWhenTheUserAsks() async {
        final class Asked: Sendable { let value = Atomic(false) }
        let flag = Asked()
        let context = WorkflowContext(isCancelled: { flag.value.load(ordering: .relaxed) })
        let task = Task { try await context.cancelling { try await Task.sleep(for: .seconds(600)) } }
        flag.value.store(true, ordering: .relaxed)
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(throws: CancellationError.self) { try context.checkCancellation() }
    }
}
