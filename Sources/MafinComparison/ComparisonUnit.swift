import MafinMethod
import MafinPipeline
import MafinRetrieval

/// One system's result under one seed.
public struct ComparisonRow: Sendable, Codable {
    /// The name in tables and JSON.
    public var name: String
    /// The seed.
    public var seed: UInt64
    /// Mean of the deciding metric on dev, where its choices were made.
    public var development: Double
    /// What was chosen on dev, by name.
    public var choices: [String: ManifestValue]
    /// The metrics of every measured query.
    public var evaluation: RunEvaluation
}

/// The record of one encoder's training.
public struct TrainingRecord: Sendable, Codable {
    /// The method.
    public var contender: Contender
    /// The seed.
    public var seed: UInt64
    /// All evaluations on dev, the untrained start first.
    public var history: [EvaluationRecord]
    /// Number of updates before the state that was kept.
    public var keptStep: Int
    /// Number of updates in all.
    public var steps: Int
    /// Why it ended.
    public var reason: StopReason
    /// Seconds of training.
    public var seconds: Double
    /// How its scores are mixed with the black box's.
    public var mixing: Mixture
    /// The deciding metric on dev as a function of λ; `nil` if there is no common λ because each text has its own
    /// weight.
    public var sweep: LambdaSweep?

    /// The row of its joined vectors.
    public var name: String { contender.joinedName }
}

/// A part of a comparison as it is recorded on disk. An interrupted comparison resumes after the last recorded part.
struct ComparisonUnit: Codable {
    var seconds = 0.0
    var rows: [ComparisonRow] = []
    /// Seconds that an interrupted run had spent on it.
    var secondsEarlier: Double?
    /// Seconds that each training of a seed may take.
    var trainingSeconds: Double?
    var training: TrainingRecord?
    /// For a point of the learning curve, the difference to the black box on each measured query.
    var differences: [Double]?
    /// Why there is no row.
    var failure: String?
}

/// The results of a comparison.
public struct ComparisonOutcome: Sendable {
    /// A requested row or part of the report that is missing, and the reason.
    public typealias Omission = (name: String, reason: String)

    /// All rows of all seeds, in the order of tables. The seeds of a system are adjacent.
    public var rows: [ComparisonRow] = []
    /// Seconds of each system, the mean over its seeds.
    public var seconds: [String: Double] = [:]
    /// The trained encoders.
    public var trainings: [TrainingRecord] = []
    /// The method that is best on dev, with the seed whose artefact is kept.
    public var chosen: TrainingRecord?
    /// The chosen method's gain by the number of labelled queries.
    public var learningCurve: LearningCurve?
    /// What is missing, and why.
    public var omissions: [Omission] = []
    /// Seconds of all parts, including those of interrupted runs.
    public var spent = 0.0

    /// Each system with the evaluations of its seeds and its mean on dev, in the order of tables.
    public var systems: [(name: String, evaluation: SeededEvaluation, development: Double)] {
        names.map { name in
            let seeds = rows.filter { $0.name == name }
            return (
                name, SeededEvaluation(seeds.map(\.evaluation)),
                seeds.reduce(0) { $0 + $1.development } / Double(seeds.count)
            )
        }
    }

    /// The systems that have a row, in the order of tables.
    public var names: [String] {
        var names: [String] = []
        for row in rows where names.last != row.name { names.append(row.name) }
        return names
    }
}
