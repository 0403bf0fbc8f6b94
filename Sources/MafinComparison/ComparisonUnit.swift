import MafinMethod
import MafinPipeline
import MafinRetrieval

/// One system's result under one seed.
public struct ComparisonRow: Sendable, Codable {
    /// The name in tables and JSON.
    public var name: String
    /// What it drew from.
    public var seed: UInt64
    /// Mean of the deciding metric on dev, on which its choices were made.
    public var development: Double
    /// What was chosen there, by name.
    public var choices: [String: ManifestValue]
    /// Every measured query's values.
    public var evaluation: RunEvaluation
}

/// How one encoder's training went: what the page shows of it, and how its half is mixed.
public struct TrainingRecord: Sendable, Codable {
    /// The method.
    public var contender: Contender
    /// The seed.
    public var seed: UInt64
    /// All evaluations on dev, the untrained start first.
    public var history: [EvaluationRecord]
    /// Updates of the state that was kept.
    public var keptStep: Int
    /// Updates made.
    public var steps: Int
    /// Why it ended.
    public var reason: StopReason
    /// Seconds of training.
    public var seconds: Double
    /// How the halves are mixed.
    public var mixing: ArtefactManifest.Mixing
    /// The deciding metric on dev by λ; `nil` where each text has a weight of its own.
    public var sweep: LambdaSweep?

    /// Name of the row of its joined vectors.
    public var name: String { contender.joinedName }
}

/// What is done as a whole and then lies on disk: an interrupted comparison goes on behind the last of them.
struct ComparisonUnit: Codable {
    /// Seconds that it took.
    var seconds: Double
    /// The rows that it gave.
    var rows: [ComparisonRow] = []
    /// Seconds that an earlier run had spent on it when it was interrupted.
    var secondsEarlier: Double?
    /// Seconds that each training of a seed may take.
    var trainingSeconds: Double?
    /// Of a trained encoder.
    var training: TrainingRecord?
    /// Of a point of the learning curve: for each measured query the difference to the black box.
    var differences: [Double]?
    /// Why there is no row.
    var failure: String?
}

/// What a comparison found out.
public struct ComparisonOutcome: Sendable {
    /// A row that was asked for and could not be made, or a part of the report.
    public typealias Omission = (name: String, reason: String)

    /// All rows of all seeds, in the order of tables, seeds of one system side by side.
    public var rows: [ComparisonRow] = []
    /// Seconds of each system, the mean over its seeds.
    public var seconds: [String: Double] = [:]
    /// The trained encoders.
    public var trainings: [TrainingRecord] = []
    /// The method that is best on dev among those trained beside the black box, in the seed whose artefact is kept.
    public var chosen: TrainingRecord?
    /// The chosen method's gain by the number of labelled queries.
    public var learningCurve: LearningCurve?
    /// What was left out.
    public var omissions: [Omission] = []
    /// Seconds of everything, earlier parts of an interrupted comparison included.
    public var spent = 0.0

    /// Each system's values, the mean over its seeds query by query, and the spread of its means; in the order of tables.
    public var systems: [(name: String, evaluation: RunEvaluation, spread: [Metric: SeedSummary], development: Double)]
    {
        names.map { name in
            let seeds = rows.filter { $0.name == name }
            let (evaluation, spread) = RunEvaluation.averaged(seeds.map(\.evaluation))
            return (name, evaluation, spread, seeds.reduce(0) { $0 + $1.development } / Double(seeds.count))
        }
    }

    /// The systems that have a row, in the order of tables.
    public var names: [String] {
        var names: [String] = []
        for row in rows where names.last != row.name { names.append(row.name) }
        return names
    }
}
