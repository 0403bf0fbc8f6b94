import MafinRetrieval
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

    @Test func aGuessedLanguageIsSaid() {
        let notes = Mutex<[String]>([])
        let context = WorkflowContext(note: { note in notes.withLock { $0.append(note) } })
        let german = [
            Document(
                id: "a", text: "Die Pumpe wird mit dem Schalter an der Seite eingeschaltet und läuft dann ohne Pause.")
        ]
        let guessed = context.language(nil, of: german)
        #expect(guessed.language == .german && guessed.isSure)
        let unknown = context.language(nil, of: [Document(id: "a", text: "w1 w2")])
        #expect(unknown.language == .english && !unknown.isSure)
        let given = context.language(.dutch, of: german)
        #expect(given.language == .dutch && given.isSure)
        #expect(
            notes.withLock { $0 } == [
                "language of the documents: German, guessed from 1 of them (--language gives another)",
                "language of the documents: English, guessed from 1 of them and not sure (--language gives another)",
            ])
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
