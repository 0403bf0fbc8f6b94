import Foundation
import MafinMethod
import MafinPipeline

/// A finished comparison, as far as artefacts are made of it.
package protocol ShippableComparison {
    /// The system that the verdict is about; nil if there is no verdict.
    var candidate: String? { get }
    /// All measured systems, in the order of the table.
    var measured: [String] { get }
    /// Those of which an artefact can be made, the best on dev first.
    var shippable: [String] { get }
    /// Why no artefact can be made of a measured system, such as a fusion of ranks, which is no sum of scores.
    func refusal(of system: String) -> String
    /// Writes the artefact of one of ``shippable``, whole or not at all.
    func ship(_ system: String, to folder: URL) throws -> Artefact
}

/// One `mafin ship`: makes an artefact of a system that a finished comparison has measured.
package struct ShippingWorkflow {
    /// The folder of the report.
    package var report: String
    /// The folder of the artefact.
    package var output: String
    /// The system; nil for the one that the verdict is about.
    package var system: String?

    /// What was written.
    package struct Result: Sendable, Encodable {
        package var artefact: String
        package var system: String
        package var weights: SourceWeights
        /// The weights where the black box is not asked; nil if the artefact has no stand-in.
        package var offlineWeights: SourceWeights?
        /// What joined vectors of the artefact leave out.
        package var leftOutOfVectors: [SourceName]
        package var verdict: Verdict
    }

    private let open: (URL) throws -> (any ShippableComparison)?

    /// - Parameter open: reads the report of a folder; nil if it holds no finished comparison.
    package init(report: String, output: String, open: @escaping (URL) throws -> (any ShippableComparison)?) {
        (self.report, self.output, self.open) = (report, output, open)
    }

    /// Writes the artefact.
    /// - Throws: ``WorkflowError/notAReport(path:)``, ``NameError`` for an unknown system,
    ///   ``WorkflowError/notShippable(system:reason:shippable:)``, `ArtefactError.occupied`; what the report throws.
    package func run() throws -> Result {
        let folder = URL(fileURLWithPath: output)
        try Artefact.requireReplaceable(folder)
        guard let comparison = try open(URL(fileURLWithPath: report)) else {
            throw WorkflowError.notAReport(path: report)
        }
        let shippable = comparison.shippable
        guard let name = system ?? comparison.candidate ?? shippable.first else {
            throw WorkflowError.notShippable(
                system: "this report", reason: "it measured no sum of sources", shippable: [])
        }
        if !shippable.contains(name) {
            guard comparison.measured.contains(name) else { throw NameError("system", name, known: shippable) }
            throw WorkflowError.notShippable(
                system: name, reason: comparison.refusal(of: name), shippable: shippable)
        }
        let artefact = try comparison.ship(name, to: folder)
        func used(_ mixture: Mixture) -> SourceWeights {
            let weights = mixture.rankingWeights
            return SourceWeights(weights.sources.filter { weights[$0] > 0 }.map { ($0, weights[$0]) })
        }
        let weights = used(artefact.manifest.mixing)
        let sources = try artefact.sources().filter { weights[$0.name] > 0 }
        return Result(
            artefact: folder.path, system: name, weights: weights,
            offlineWeights: artefact.manifest.offline.map { used($0.mixing) },
            leftOutOfVectors: NamedVectors.leftOut(of: sources, kept: [.dense]),
            verdict: artefact.manifest.verdict)
    }
}
