import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval

/// The best sum of many systems: which of them to use, and with what weights, is chosen on dev step by step.
///
/// Begins with the best single system. Each step gives one system more or less weight, the one change that helps dev most, and ends when
/// no change helps by ``minimumGain`` (forward selection with replacement, as in Caruana et al. 2004, "Ensemble Selection from
/// Libraries of Models"). Systems that bring nothing beside the others stay out.
///
/// So many choices fit a few development queries better than others of their kind. The weights are therefore the mean of those that each four fifths of
/// the queries choose (bagging, Breiman 1996, with folds for bootstrap samples): what one fifth more or less does not change is kept. And the value on
/// dev, by which systems are compared, is cross-validated: weights chosen on four fifths, measured on the rest.
public struct Composition: Rival {
    /// Its name in tables and JSON.
    public let name: String
    /// What may be used, by name.
    public let parts: [(name: String, system: any RankingSystem)]
    /// Normalisations that are tried.
    public var normalizations: [ScoreNormalization] = ScoreNormalization.allCases
    /// What a step must gain on dev: less is taken for chance.
    public var minimumGain = 0.0005
    /// Steps at most.
    public var maximumSteps = 30
    /// Of each part only so many of a query's best documents are looked at while choosing; the chosen sum ranks all.
    public var depth = 500

    /// Changes of a weight that each step tries, as shares of the sum of all weights.
    static let changes: [Double] = [-0.2, -0.1, -0.05, 0.05, 0.1, 0.2, 0.4, 0.8]

    /// A composition of any of the given systems.
    public init(_ parts: [(name: String, system: any RankingSystem)], name: String = "composition") {
        precondition(!parts.isEmpty, "a composition of nothing")
        self.parts = parts
        self.name = name
    }

    /// Parts that the development queries are cut into.
    static let folds = 5

    /// See ``Rival/fit(to:seed:isCancelled:)``; nothing is drawn. ``FittedRival/development`` is the cross-validated value.
    /// - Complexity: O(folds · steps · parts · development queries · candidates), candidates being at most parts × depth a query.
    public func fit(to data: RivalData, seed: UInt64, isCancelled: () -> Bool) throws -> FittedRival {
        var best: (value: Double, weights: [Double], normalization: ScoreNormalization)?
        for normalization in normalizations {
            let lists = try CandidateLists(parts.map(\.system), data: data, normalization: normalization, depth: depth)
            let (value, weights) = try crossValidated(lists, isCancelled: isCancelled)
            if value > best?.value ?? -1 { best = (value, weights, normalization) }
        }
        guard let best else { preconditionFailure("no normalisation to try") }
        let used = zip(parts, best.weights).filter { $0.1 > 0 }.map {
            WeightedFusion.Part($0.name, $0.system, weight: $1)
        }
        return FittedRival(
            name: name, system: WeightedFusion(used, normalization: best.normalization), development: best.value,
            choices: [
                "weights": .record(
                    Dictionary(used.map { ($0.name, .number($0.weight)) }, uniquingKeysWith: { first, _ in first })),
                "normalization": .text(best.normalization.rawValue),
            ])
    }

    /// The mean metric of weights on queries that did not choose them, and the mean of the weights, which add up to 1. A single query has to
    /// do both.
    private func crossValidated(
        _ lists: CandidateLists, isCancelled: () -> Bool
    ) throws -> (value: Double, weights: [Double]) {
        let folds = min(Self.folds, lists.count)
        var sum = 0.0
        var mean = [Double](repeating: 0, count: parts.count)
        for fold in 0..<folds {
            let held = (0..<lists.count).filter { $0 % folds == fold }
            let rows = folds == 1 ? held : (0..<lists.count).filter { $0 % folds != fold }
            let weights = try choose(lists, rows: rows, isCancelled: isCancelled)
            sum += lists.value(at: weights, rows: held) * Double(held.count)
            let total = weights.reduce(0, +)
            for (part, weight) in weights.enumerated() { mean[part] += weight / total / Double(folds) }
        }
        return (sum / Double(lists.count), mean)
    }

    /// Weights chosen on the given rows.
    private func choose(_ lists: CandidateLists, rows: [Int], isCancelled: () -> Bool) throws -> [Double] {
        var best: (value: Double, weights: [Double]) = (-1, [])
        for part in parts.indices {
            var weights = [Double](repeating: 0, count: parts.count)
            weights[part] = 1
            let value = lists.value(at: weights, rows: rows)
            if value > best.value { best = (value, weights) }
        }
        for _ in 0..<maximumSteps {
            if isCancelled() { throw CancellationError() }
            let total = best.weights.reduce(0, +)
            var next = best
            for part in parts.indices {
                for change in Self.changes {
                    var weights = best.weights
                    weights[part] = max(0, weights[part] + change * total)
                    guard weights[part] != best.weights[part], weights.contains(where: { $0 > 0 }) else { continue }
                    let value = lists.value(at: weights, rows: rows)
                    if value > next.value { next = (value, weights) }
                }
            }
            guard next.value >= best.value + minimumGain else { break }
            best = next
        }
        return best.weights
    }
}

/// For each development query the normalised scores of all parts, of those documents alone that some part ranks high or that are relevant.
private struct CandidateLists {
    /// One development query.
    private struct List {
        /// `(parts, candidates)`.
        var scores: Matrix
        /// The relevant documents by their positions among the candidates.
        var judged: [(document: Int, grade: Int)]
    }

    private var lists: [List] = []
    private let ranker: RelevantRanks

    init(
        _ systems: [any RankingSystem], data: RivalData, normalization: ScoreNormalization, depth: Int
    ) throws {
        let index = data.index
        // Candidates stand in the order of ties, so that a position is its own place among equal scores.
        ranker = RelevantRanks(tieOrder: (0..<Int32(index.documentCount)).map { $0 }, metric: data.metric)
        // Blocks of this many queries keep all parts' scores of them bounded.
        let rows = max(1, (256 << 20) / (MemoryLayout<Float>.stride * max(1, index.documentCount) * systems.count))
        for start in stride(from: 0, to: index.devQueries.count, by: rows) {
            let queries = Array(index.devQueries[start..<min(start + rows, index.devQueries.count)])
            let scores = try systems.map {
                WeightedFusion.normalized(try $0.scores(queries: queries), normalization)
            }
            let best = scores.map { rank(scores: $0, count: depth) }
            for (row, query) in queries.enumerated() {
                var candidates = Set(index.labels[query].map(\.column))
                for ranking in best { candidates.formUnion(ranking[row].map(\.index)) }
                let columns = candidates.sorted { index.tieOrder[$0] < index.tieOrder[$1] }
                var block = Matrix(rows: systems.count, columns: columns.count)
                for (part, matrix) in scores.enumerated() {
                    for (position, column) in columns.enumerated() { block[part, position] = matrix[row, column] }
                }
                let place = Dictionary(uniqueKeysWithValues: columns.enumerated().map { ($1, $0) })
                lists.append(
                    List(
                        scores: block,
                        judged: index.labels[query].map(\.graded).compactMap { document, grade in
                            place[document].map { ($0, grade) }
                        }))
            }
        }
    }

    /// Development queries.
    var count: Int { lists.count }

    /// The mean metric of the weighted sum over some of the queries.
    func value(at weights: [Double], rows: [Int]) -> Double {
        var values = [Double](repeating: 0, count: rows.count)
        let factors = weights.map(Float.init)
        values.withUnsafeMutableBufferPointer { values in
            let output = UnsafeTransfer(values)
            parallelFor(rows.count) { position in
                let list = lists[rows[position]]
                let count = list.scores.columns
                withUnsafeTemporaryAllocation(of: Float.self, capacity: count) { sum in
                    sum.initialize(repeating: 0)
                    list.scores.values.withUnsafeBufferPointer { scores in
                        for (part, factor) in factors.enumerated() where factor != 0 {
                            for index in 0..<count { sum[index] += factor * scores[part * count + index] }
                        }
                    }
                    output.value[position] = ranker.value(of: UnsafeBufferPointer(sum), judged: list.judged)
                }
            }
        }
        return values.reduce(0, +) / Double(rows.count)
    }
}
