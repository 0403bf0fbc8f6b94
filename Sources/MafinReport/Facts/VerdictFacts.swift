import MafinComparison
import MafinPipeline

/// Whether to ship the chosen system, in words, with its gains, its costs and the commands that put it to use.
public struct VerdictFacts: Sendable, Equatable, Codable {
    /// The answer.
    public var decision: ComparisonVerdict.Decision
    /// Name of the system that the answer is about.
    public var system: String
    /// Why, in a few sentences with the figures.
    public var reason: String
    /// Further facts that qualify the answer, one sentence each.
    public var notes: [String]?
    /// The test that decides, with its uncorrected p; `nil` in reports of schema version 1.
    public var againstBlackBox: ComparisonVerdict.Test?
    /// The gain over the black box on queries about known documents; `nil` if there are too few.
    public var known: ComparisonVerdict.Gain?
    /// The gain over the black box on queries about new documents; `nil` if there are too few.
    public var new: ComparisonVerdict.Gain?
    /// What the trained encoder adds; see `ComparisonVerdict.secondary`.
    public var encoder: ComparisonVerdict.Test?
    /// What it costs to use.
    public var costs: CostFacts?
    /// The commands that put the artefact to use.
    public var command: String?
    /// The command that makes an artefact of another system.
    public var commandForOthers: String?
    /// The systems that can be shipped, the best on dev first.
    public var shippable: [String]?

    /// The answer in a few words. `system` is the system's name for people.
    static func answer(_ decision: ComparisonVerdict.Decision, _ system: String) -> String {
        switch decision {
        case .ship: "Ship \(system)"
        case .doNotShip: "Do not ship \(system)"
        case .cannotTell: "Cannot tell whether to ship \(system)"
        }
    }
}

extension ComparisonVerdict.QueryCost {
    /// What a query needs, such as "the API, the local encoder and BM25".
    var needs: String {
        let all: [(isNeeded: Bool, name: String)] = [
            (asksBlackBox, "the API"), (encodesLocally, "the local encoder"), (searchesWords, "BM25"),
            (searchesMemory, "the memory of queries"),
        ]
        let names = all.filter(\.isNeeded).map(\.name)
        guard let last = names.last, names.count > 1 else { return names.first ?? "nothing" }
        return names.dropLast().joined(separator: ", ") + " and " + last
    }
}

extension CostFacts {
    /// The milliseconds of a query, without the call to the API; `nil` if they were not measured.
    var queryMilliseconds: Double? {
        searchMilliseconds.map { $0.after + (encoderMilliseconds ?? 0) }
    }
}
