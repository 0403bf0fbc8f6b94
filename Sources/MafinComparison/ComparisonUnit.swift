import Foundation
import MafinMethod
import MafinPipeline
import MafinRetrieval

/// One system's result under one seed.
public struct ComparisonRow: Sendable, Codable {
    /// The name in tables and JSON.
    public var name: String
    /// The seed.
    public var seed: UInt64
    /// Mean of the deciding metric on dev, where its choices were made. ``developmentKnown`` and ``developmentNew``
    /// count in it as much as the user expects queries about known and new documents.
    public var development: Double
    /// What was chosen on dev, by name.
    public var choices: [String: ManifestValue]
    /// The metrics of every measured query.
    public var evaluation: RunEvaluation
    /// The same for the dev queries as they are; `nil` in records of earlier versions.
    public var developmentKnown: Double?
    /// The same if no label had named the answers of these queries; `nil` in records of earlier versions.
    public var developmentNew: Double?
    /// The kinds of the sources whose weighted sum it is; `nil` if it cannot be shipped.
    public var sources: [SourceRecord.Kind]?
    /// The method whose trained encoder is one of its sources.
    public var encoder: Contender?
    /// How sure its ranking of each query is; `nil` unless it asks the black box for nothing.
    public var sureness: QuerySureness?

    /// The weights of a fitted sum; `nil` for another system.
    var weights: SourceWeights? {
        guard case .record(let weights)? = choices["weights"] else { return nil }
        return SourceWeights(
            weights.compactMap { name, value in
                value.number.map { (SourceName(rawValue: name), Float($0)) }
            }.sorted { $0.0.rawValue < $1.0.rawValue })
    }
}

/// How sure a ranking is of each query (`Sureness`).
public struct QuerySureness: Sendable, Codable, Equatable {
    /// Of the development queries, in their order.
    public var development: [Float]
    /// Of the measured queries, in the order of the row's evaluation.
    public var measured: [Float]
}

/// A system's figures on the development queries, for choices between systems.
struct DevelopmentFigures: Sendable, Equatable {
    /// ``ComparisonRow/development``, the mean over seeds.
    var mean: Double
    /// One value per development query, the mean over seeds; empty if they were not recorded. Only their differences
    /// from their mean are used, since ``mean`` also counts how the system would do without memory of the answers.
    var values: [Double] = []

    /// A difference of two systems on dev.
    struct Difference {
        var mean: Double
        /// `nil` if the values of single queries are not known.
        var p: Double?

        /// Differences below it are regarded as chance if there is no p.
        static let margin = 0.002
        var isBetter: Bool { mean > 0 && isShown }
        var isWorse: Bool { mean < 0 && isShown }
        private var isShown: Bool { p.map { $0 < ComparisonVerdict.level } ?? (abs(mean) > Self.margin) }
        /// `+.012, p .03`.
        var text: String {
            let mean = String(format: "%+.4f", mean)
            return p.map { mean + String(format: ", p %.3f", $0) } ?? mean
        }
    }

    func minus(_ other: DevelopmentFigures) -> Difference {
        guard !values.isEmpty, values.count == other.values.count else { return Difference(mean: mean - other.mean) }
        // The differences are moved to the difference of the means, by which systems are chosen.
        var differences = zip(values, other.values).map { $0 - $1 }
        let shift = mean - other.mean - differences.reduce(0, +) / Double(differences.count)
        for index in differences.indices { differences[index] += shift }
        return Difference(mean: mean - other.mean, p: PairedRandomizationTest().pValue(of: differences))
    }
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

    /// Seconds of one pass over the labels, evaluations included; `nil` if nothing was trained.
    /// - Parameter tokens: tokens of a pass.
    func secondsPerPass(of tokens: Double) -> Double? {
        guard let trained = history.last?.tokens, trained > 0 else { return nil }
        return seconds * tokens / Double(trained)
    }
}

/// A part of a comparison as it is recorded on disk. An interrupted comparison resumes after the last recorded part.
struct ComparisonUnit: Codable {
    var seconds = 0.0
    var rows: [ComparisonRow] = []
    /// Seconds that an interrupted run had spent on it.
    var secondsEarlier: Double?
    /// Seconds that a training may take, or that a pass was estimated to take. Nothing is made with such a record.
    var trainingSeconds: Double?
    /// For each row that can be shipped, the deciding metric of each development query.
    var developmentValues: [String: [Float]]?
    var training: TrainingRecord?
    /// For a point of the learning curve, the difference to the black box on each measured query.
    var differences: [Double]?
    /// Why there is no row.
    var failure: String?
    /// The same for single systems of a part that makes several, by name.
    var failures: [String: String]?
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
    /// The trained method that is best on dev, with the seed whose artefact is kept.
    public var chosen: TrainingRecord?
    /// The chosen method's gain by the number of labelled queries.
    public var learningCurve: LearningCurve?
    /// What is missing, and why.
    public var omissions: [Omission] = []
    /// Seconds of all parts, including those of interrupted runs.
    public var spent = 0.0

    /// The measured queries by whether train or dev named all their relevant documents.
    public var partition: QueryPartition?
    /// For each system that can be shipped, the values of the development queries, seed by seed.
    var developmentValues: [String: [[Double]]] = [:]

    /// A system with the evaluations of its seeds and its mean on dev.
    public typealias System = (name: String, evaluation: SeededEvaluation, development: Double)

    /// Each system, in the order of tables.
    public var systems: [System] {
        names.map { name in
            let seeds = rows.filter { $0.name == name }
            return (
                name, SeededEvaluation(seeds.map(\.evaluation)),
                seeds.reduce(0) { $0 + $1.development } / Double(seeds.count)
            )
        }
    }

    /// Each system, evaluated only on the measured queries with known documents, or with new ones. Empty if there are
    /// no such queries.
    public func systems(on part: QueryPartition.Part) -> [System] {
        guard let queries = partition?.queries(part), !queries.isEmpty else { return [] }
        let wanted = Set(queries)
        return systems.map { ($0.name, $0.evaluation.filter { wanted.contains($0) }, $0.development) }
    }

    /// The systems that have a row, in the order of tables.
    public var names: [String] {
        var names: [String] = []
        for row in rows where names.last != row.name { names.append(row.name) }
        return names
    }

    /// A system's figures on dev; `nil` if it has no row.
    func development(of name: String) -> DevelopmentFigures? {
        let seeds = rows.filter { $0.name == name }
        guard !seeds.isEmpty else { return nil }
        return DevelopmentFigures(
            mean: seeds.reduce(0) { $0 + $1.development } / Double(seeds.count),
            values: Self.mean(developmentValues[name] ?? []))
    }

    /// The development queries' values of one row; `nil` if they were not recorded.
    func developmentValues(of row: ComparisonRow) -> [Double]? {
        let seeds = rows.filter { $0.name == row.name }.map(\.seed)
        guard let place = seeds.firstIndex(of: row.seed), let values = developmentValues[row.name],
            values.count == seeds.count
        else { return nil }
        return values[place]
    }

    private static func mean(_ seeds: [[Double]]) -> [Double] {
        guard let first = seeds.first, seeds.allSatisfy({ $0.count == first.count }) else { return [] }
        return first.indices.map { query in seeds.reduce(0) { $0 + $1[query] } / Double(seeds.count) }
    }
}
