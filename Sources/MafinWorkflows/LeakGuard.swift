import MafinPipeline
import MafinRetrieval

/// Handles queries that are both in training and in the measured split.
package enum LeakGuard {
    /// Tells which queries of train and dev are left out or kept because a measured query has the same text.
    /// - Throws: `RetrievalError` for labels that cannot be read.
    static func announce(_ splits: JudgedSplits, _ context: WorkflowContext) throws {
        let leaks = try splits.leaks()
        guard let first = leaks.first else { return }
        let which =
            "\(leaks.count) \(leaks.count == 1 ? "query" : "queries") of train and dev with the same text as a query of \(splits.measured), "
            + "for instance \"\(first.id)\" (\(short(first.text)))"
        if splits.allowsLeaks {
            context.warn("learning from \(which): figures on \(splits.measured) count what was memorised")
        } else {
            context.note("left out: \(which); --allow-leak keeps them")
        }
    }

    /// A split to measure an artefact on. If leaks are allowed, warns about queries that the artefact was trained or chosen on.
    /// - Throws: ``WorkflowError/knownQueries(reason:)`` if there are such queries and leaks are not allowed; `RetrievalError`,
    ///   `ArtefactError`.
    static func measured(
        _ name: String, of collection: RetrievalCollection, for artefact: Artefact, allowsLeaks: Bool,
        _ context: WorkflowContext
    ) throws -> MeasuredSplit {
        do {
            let split = try MeasuredSplit(name, of: collection, for: artefact, allowsLeaks: allowsLeaks)
            if !split.known.isEmpty {
                context.warn(
                    "training used \(split.known.count) of the \(split.queries.count) queries of \(name): "
                        + "the figures count what was memorised")
            }
            return split
        } catch let error as RetrievalError {
            guard case .knownQueries = error else { throw error }
            throw WorkflowError.knownQueries(reason: "\(error)")
        }
    }

    /// The beginning of a query, for messages.
    static func short(_ text: String) -> String { text.count > 60 ? text.prefix(59) + "…" : text }
}
