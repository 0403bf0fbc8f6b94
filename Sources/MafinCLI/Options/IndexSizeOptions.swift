import ArgumentParser
import MafinCommandLine
import MafinPipeline
import MafinWorkflows

/// The size of a vector in an index, for commands that write an artefact.
struct IndexSizeOptions: ParsableArguments {
    @Option(
        help: .expert(
            "Reduce the artefact's vectors to n numbers for its index, as 'mafin reduce' does.", "n"))
    var indexDimensions: Int?

    @Option(
        help: .expert(
            "Reduce the artefact's vectors to what an index takes, if they have more numbers: \(IndexSizeOptions.targets).",
            "target"))
    var indexTarget: String?

    /// The targets with their limits.
    static let targets = IndexLimit.known.map { "\($0.target) (\($0.dimension))" }.joined(separator: ", ")

    /// The size; nil if no flag is given.
    func size() throws -> IndexSize? { try IndexSize(dimensions: indexDimensions, target: indexTarget) }
}
