import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval

/// The best weighted sum of many systems. The systems and their weights are chosen on dev, step by step.
///
/// The search begins with the best single system. Each step makes the change of one weight that helps most on dev. The
/// search ends when no change gains ``minimumGain`` (forward selection with replacement, as in Caruana et al. 2004,
/// "Ensemble Selection from Libraries of Models"). A system that does not improve the sum gets no weight.
///
/// So many choices would overfit the few development queries. The queries are therefore cut into five folds, and
/// weights are chosen five times, each time without one fold. The final weights are the mean of these (bagging, Breiman
/// 1996, with folds instead of bootstrap samples). The value on dev, by which systems are compared, is cross-validated:
/// each choice of weights is measured on the fold that it did not see.
public struct Composition: Rival {
    /// Its name in tables and JSON.
    public let name: String
    /// The systems that may be used, by name.
    public let parts: [(name: String, system: any RankingSystem)]
    /// Normalisations that are tried.
    public var normalizations: [ScoreNormalization] = ScoreNormalization.allCases
    /// The least gain of a step on dev. Smaller gains are regarded as chance.
    public var minimumGain = 0.0005
    /// Largest number of steps.
    public var maximumSteps = 30
    /// Number of best documents per query and part that are considered while choosing. The final sum ranks all
    /// documents.
    public var depth = 500

    /// The changes of a weight that each step tries, as shares of the sum of all weights.
    static let changes: [Double] = [-0.2, -0.1, -0.05, 0.05, 0.1, 0.2, 0.4, 0.8]

    /// A composition of any of the given systems.
    public init(_ parts: [(name: String, system: any RankingSystem)], name: String = "composition") {
        precondition(!parts.isEmpty, "a composition of nothing")
        self.parts = parts
        self.name = name
    }

    static let folds = 5

    /// See ``Rival/fit(to:seed:isCancelled:)``. Nothing is random. ``FittedRival/development`` is the cross-validated
    /// value.
    /// - Complexity: O(folds · steps · parts² · development queries · candidates), with at most parts × depth
    ///   candidates per query.
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

    /// The mean metric on queries that did not choose the weights, and the mean of the weights, which add up to 1. A
    /// single query has to choose the weights and measure them.
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

/// For each development query, the normalised scores of all parts for documents that are relevant or that some part
/// ranks high.
private struct CandidateLists {
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
        // Candidates are sorted in the order of ties, so that their position is their place among equal scores.
        ranker = RelevantRanks(tieOrder: (0..<Int32(index.documentCount)).map { $0 }, metric: data.metric)
        // The scores of all parts for a block of queries take at most 256 MiB.
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

/// The best weighted sum (``Composition``) of the black box, of its documents moved by NUDGE-N, of query memories, and of
/// other systems.
public struct BestComposition: Rival {
    /// Its name in tables and JSON.
    public let name: String
    /// The black box's vectors.
    public let blackBox: VectorSystem
    /// Systems without vectors, such as BM25, by name.
    public let others: [(name: String, system: any RankingSystem)]
    /// The query memories. Several of them may get weight. They use near or also far queries, and divide the weight of a
    /// query among its answers or not.
    public var memories: [RememberedQueries] =
        RememberedQueries.standard + [
            RememberedQueries(width: 0.45, sharing: 0, name: "query-memory-medium, ν = 0"),
            RememberedQueries(width: 0.9, sharing: 0, name: "query-memory-wide, ν = 0"),
        ]

    /// A composition of a black box and other systems.
    public init(
        _ blackBox: VectorSystem, others: [(name: String, system: any RankingSystem)] = [],
        name: String = "composition-stepwise"
    ) {
        (self.blackBox, self.others, self.name) = (blackBox, others, name)
    }

    /// See ``Rival/fit(to:seed:isCancelled:)``; nothing is drawn. The sources remember the training queries.
    public func fit(to data: RivalData, seed: UInt64, isCancelled: () -> Bool) throws -> FittedRival {
        let moved = try NudgeN(blackBox, steps: Self.steps, criterion: nil).fit(
            to: data, seed: seed, isCancelled: isCancelled)
        var parts = others + [("black-box", blackBox), ("nudge-n", moved.system)]
        let rows = Dictionary(uniqueKeysWithValues: data.documents.ids.enumerated().map { ($1, $0) })
        let queries = data.queries
        for memory in memories {
            let scorer = try BatchScorer(
                memory.source(rememberingLabelsOf: data.index.trainQueries, in: data), documents: data.documents,
                rows: rows)
            let system = ScoreFunction(documentCount: data.index.documentCount) {
                try scorer.scores(queries.selecting(rows: $0))
            }
            parts.append((memory.name.rawValue, system))
        }
        return try Composition(parts, name: name).fit(to: data, seed: seed, isCancelled: isCancelled)
    }

    /// Fewer and larger steps of NUDGE than published, because in a sum with other systems the exact step matters
    /// little.
    static let steps: [Double] = (0...15).map { 0.06 * Double($0) }
}
