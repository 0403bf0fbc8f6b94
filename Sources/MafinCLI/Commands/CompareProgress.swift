import Foundation
import MafinCommandLine
import MafinComparison
import MafinRetrieval

/// The progress of a comparison on standard error: a line for each system, and the bar of the current training.
final class CompareProgress {
    /// How an interrupted comparison is resumed.
    static let resuming = "the same command continues from here"

    private let shared: SharedOptions
    private let training: TrainingProgress

    init(_ shared: SharedOptions) {
        self.shared = shared
        training = TrainingProgress(shared, resuming: Self.resuming)
    }

    func report(_ event: Comparison.Event) {
        switch event {
        case .began(let name, let seed):
            finish()
            shared.note("\(name)\(seed.map { ", seed \($0)" } ?? "") …")
        case .training(let contender, _, let event):
            training.report(contender, event)
        case .trainingStandIn(_, let event):
            training.report("stand-in", event)
        case .made(let rows, let seconds, let isKept):
            finish()
            // Only figures on dev are shown, because nobody should choose by figures of the measured split.
            for row in rows {
                shared.note(
                    String(format: "  %@: dev %.4f", row.name, row.development) + Self.documents(row)
                        + (isKept ? ", from an earlier run" : String(format: " (%.1f s)", seconds)))
            }
        case .trained:
            break
        case .leftOut((let name, let reason)):
            shared.note("left out: \(name). \(reason)")
        case .chosen(let record, let development):
            shared.note(String(format: "best on dev of the trained methods: %@ (%.4f)", record.name, development))
        }
    }

    /// The figures for known and for new documents, where they differ.
    private static func documents(_ row: ComparisonRow) -> String {
        guard let known = row.developmentKnown, let new = row.developmentNew, known != new else { return "" }
        return String(format: ", known documents %.4f, new %.4f", known, new)
    }

    func finish() { training.finish() }
}
