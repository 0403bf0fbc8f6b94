import MafinComparison
import MafinPipeline

/// Whether to ship the artefact, in words, with the costs and the command that ships it.
public struct VerdictFacts: Sendable, Equatable, Codable {
    /// The answer.
    public var decision: ComparisonVerdict.Decision
    /// Name of the system that the answer is about.
    public var system: String
    /// Why, in one or two sentences with the figures.
    public var reason: String
    /// Further facts that qualify the answer, one sentence each.
    public var notes: [String]?
    /// The first test, with its uncorrected p; `nil` in reports of schema version 1.
    public var againstBlackBox: ComparisonVerdict.Test?
    /// The second test, with its uncorrected p; `nil` if no system without an encoder was better on dev than the black box.
    public var againstBestWithoutEncoder: ComparisonVerdict.Test?
    /// What it costs to use.
    public var costs: CostFacts?
    /// The command line that puts it to use.
    public var command: String?

    /// The answer in a few words. `system` is the system's name for people.
    static func answer(_ decision: ComparisonVerdict.Decision, _ system: String) -> String {
        switch decision {
        case .ship: "Ship \(system)"
        case .doNotShip: "Do not ship \(system)"
        case .cannotTell: "Cannot tell whether to ship \(system)"
        }
    }
}
