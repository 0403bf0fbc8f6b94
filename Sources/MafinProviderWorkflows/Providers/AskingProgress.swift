import MafinProviders
import MafinWorkflows
import Synchronization

/// Shows the progress of a black box: one bar for each call that the cache cannot answer completely.
package final class AskingProgress: Sendable {
    private let context: WorkflowContext
    private let bar = Mutex<(any ProgressReporter)?>(nil)

    package init(_ context: WorkflowContext) {
        self.context = context
    }

    @Sendable package func update(_ counts: EmbeddingCounts) {
        bar.withLock { bar in
            if counts.asked == 0 {  // a call begins
                bar = counts.remaining == 0 ? nil : context.beginProgress("Black box", counts.distinct, "texts")
            }
            bar?.update(
                completed: counts.cached + counts.asked, skipped: counts.cached,
                detail: "\(counts.cached) cached, \(counts.asked) asked, \(counts.remaining) remaining")
            if counts.remaining == 0 { bar?.finish() }
        }
    }
}
