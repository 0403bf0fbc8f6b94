import Foundation
import MafinComparison
import MafinPipeline
import MafinReport

/// The comparison of a report's folder, as far as artefacts are made of it.
package struct FinishedComparison: ShippableComparison {
    private let facts: ComparisonFacts
    private let store: ComparisonStore
    package let shippable: [String]

    package var candidate: String? { facts.verdict?.system }
    package var measured: [String] { facts.systems.map(\.name) }

    /// Reads a report's folder; nil if it holds no finished comparison.
    /// - Throws: `ReportError` for a damaged report, `ComparisonError` for a damaged state.
    package static func open(_ folder: URL) throws -> FinishedComparison? {
        // The report is written at the end of a comparison.
        let file = folder.appendingPathComponent("report.json")
        guard let data = FileManager.default.contents(atPath: file.path) else { return nil }
        let store = ComparisonStore(folder: folder)
        return FinishedComparison(
            facts: try ComparisonFacts(json: data, path: file.path), store: store, shippable: try store.shippable())
    }

    package func refusal(of system: String) -> String {
        if shippable.isEmpty {
            return "the report keeps no systems, because it is of an earlier version or measured no sum of sources"
        }
        if system.hasSuffix("-rrf") { return "it adds ranks, which depend on all documents of a query, and not scores" }
        if system.hasSuffix("-convex") {
            return "it scales scores by the range of each query's scores, which depends on all documents"
        }
        if ComparedSystem.isOffline(system) {
            return "it asks the black box for nothing, and the best such system is in the artefact of every other one"
        }
        return "it is no weighted sum of sources that the comparison kept"
    }

    package func ship(_ system: String, to folder: URL) throws -> Artefact { try store.ship(system, to: folder) }
}
