import Foundation
import MafinPipeline
import MafinReport

/// The comparison of a report's folder, as far as artefacts are made of it.
package struct FinishedComparison: ShippableComparison {
    /// The systems that a comparison has kept.
    package struct Kept {
        /// The names of the systems of which an artefact can be made, the best on dev first.
        package var names: [String]
        /// Writes the artefact of one of them.
        package var ship: (_ system: String, _ folder: URL) throws -> Artefact

        package init(names: [String], ship: @escaping (_ system: String, _ folder: URL) throws -> Artefact) {
            (self.names, self.ship) = (names, ship)
        }
    }

    private let facts: ComparisonFacts
    private let kept: Kept?

    /// - Parameters:
    ///   - facts: of the report.
    ///   - kept: nil if the comparison kept no systems, as in earlier versions.
    package init(_ facts: ComparisonFacts, kept: Kept?) { (self.facts, self.kept) = (facts, kept) }

    package var candidate: String? { facts.verdict?.system }
    package var measured: [String] { facts.systems.map(\.name) }
    package var shippable: [String] { kept?.names ?? [] }

    package func refusal(of system: String) -> String {
        guard kept != nil else {
            return "the report is of an earlier version, which kept no systems; 'mafin compare' has to measure it again"
        }
        if system.hasSuffix("-rrf") { return "it adds ranks, which depend on all documents of a query, and not scores" }
        if system.hasSuffix("-convex") {
            return "it scales scores by the range of each query's scores, which depends on all documents"
        }
        return "it is no weighted sum of sources that the comparison kept"
    }

    package func ship(_ system: String, to folder: URL) throws -> Artefact {
        guard let kept else { preconditionFailure("no system was kept") }
        return try kept.ship(system, folder)
    }
}

extension FinishedComparison {
    /// Reads a report's folder; nil if it holds no finished comparison.
    /// - Parameter kept: the systems that the comparison of a folder has kept.
    /// - Throws: `ReportError` for a damaged report; what `kept` throws.
    package static func open(_ folder: URL, kept: (URL) throws -> Kept?) throws -> FinishedComparison? {
        // The report is written at the end of a comparison.
        let file = folder.appendingPathComponent("report.json")
        guard let data = FileManager.default.contents(atPath: file.path) else { return nil }
        return FinishedComparison(try ComparisonFacts(json: data, path: file.path), kept: try kept(folder))
    }
}
