/// The progress of encoding a corpus. It is shown from the first report on.
final class EncodingProgress {
    private let context: WorkflowContext
    private var reporter: (any ProgressReporter)?
    private var hasExplained = false

    init(_ context: WorkflowContext) {
        self.context = context
    }

    func update(_ name: String, _ done: Int, _ total: Int) {
        if !hasExplained {
            context.note("Encoding the documents. This is done once: their vectors are kept for later runs.")
            hasExplained = true
        }
        let reporter = reporter ?? context.beginProgress(name, total, "documents")
        self.reporter = reporter
        reporter.update(completed: done)
        if done >= total { finish() }
    }

    func finish() {
        reporter?.finish()
        reporter = nil
    }
}
