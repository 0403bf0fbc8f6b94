import MafinNumerics
import MafinRetrieval

/// The weighted sum of several systems' scores, each normalised for each query over all documents.
public struct WeightedFusion: RankingSystem {
    /// A system with its weight in the sum.
    public struct Part: Sendable {
        /// Its name in records.
        public var name: String
        /// What scores.
        public var system: any RankingSystem
        /// Its weight; 0 leaves it out.
        public var weight: Double

        /// A system with its weight.
        public init(_ name: String, _ system: any RankingSystem, weight: Double) {
            self.name = name
            self.system = system
            self.weight = weight
        }
    }

    /// What is added.
    public let parts: [Part]
    /// How scores are made comparable.
    public let normalization: ScoreNormalization

    /// - Precondition: at least one part, all over the same documents.
    public init(_ parts: [Part], normalization: ScoreNormalization) {
        precondition(!parts.isEmpty, "a fusion of nothing")
        precondition(
            parts.allSatisfy { $0.system.documentCount == parts[0].system.documentCount },
            "the parts of a fusion rank different documents")
        self.parts = parts
        self.normalization = normalization
    }

    /// Number of documents.
    public var documentCount: Int { parts[0].system.documentCount }

    /// See ``RankingSystem/scores(queries:)``.
    public func scores(queries: [Int]) throws -> Matrix {
        var sum = Matrix(rows: queries.count, columns: documentCount)
        for part in parts where part.weight != 0 {
            let scores = Self.normalized(try part.system.scores(queries: queries), normalization)
            Self.add(scores, times: Float(part.weight), to: &sum)
        }
        return sum
    }

    /// Every row normalised by itself.
    static func normalized(_ scores: Matrix, _ normalization: ScoreNormalization) -> Matrix {
        var result = scores
        let columns = scores.columns
        result.values.withUnsafeMutableBufferPointer { values in
            let values = UnsafeTransfer(values)
            parallelFor(scores.rows) { row in
                normalization.normalize(
                    UnsafeMutableBufferPointer(rebasing: values.value[row * columns..<(row + 1) * columns]))
            }
        }
        return result
    }

    /// `sum += factor · scores`.
    static func add(_ scores: Matrix, times factor: Float, to sum: inout Matrix) {
        sum.values.withUnsafeMutableBufferPointer { sum in
            scores.values.withUnsafeBufferPointer { scores in
                let pointers = UnsafeTransfer((sum: sum, scores: scores))
                parallelRanges(scores.count, grain: 4_096) { range in
                    let (sum, scores) = pointers.value
                    for index in range { sum[index] += factor * scores[index] }
                }
            }
        }
    }
}

/// Convex fusion of two systems, `(1 − w) · first + w · second`: weight and normalisation are chosen on dev.
///
/// (Bruch, Gai and Ingber 2023, "An Analysis of Fusion Functions for Hybrid Retrieval", ACM TOIS: better than reciprocal ranks with few labels to
/// choose on, and indifferent to the normalisation as long as it is sane.)
public struct ConvexFusion: Rival {
    /// Its name in tables and JSON.
    public let name: String
    /// Both systems by name; the second has the weight w.
    public let systems: [(name: String, system: any RankingSystem)]
    /// Normalisations that are tried.
    public let normalizations: [ScoreNormalization]
    /// Values of w that are tried, ascending; of equal ones the smallest wins.
    public let weights: [Double]

    /// 0, 0.025, …, 1.
    public static let standardWeights: [Double] = (0...40).map { Double($0) / 40 }

    /// A fusion of two systems.
    public init(
        _ first: (name: String, system: any RankingSystem), _ second: (name: String, system: any RankingSystem),
        name: String, normalizations: [ScoreNormalization] = ScoreNormalization.allCases,
        weights: [Double] = standardWeights
    ) {
        precondition(!weights.isEmpty && !normalizations.isEmpty, "nothing to choose from")
        self.name = name
        systems = [first, second]
        self.normalizations = normalizations
        self.weights = weights
    }

    /// See ``Rival/fit(to:seed:isCancelled:)``; nothing is drawn.
    /// - Complexity: one ranking of the development queries for each weight and normalisation.
    public func fit(to data: RivalData, seed: UInt64, isCancelled: () -> Bool) throws -> FittedRival {
        var best: (value: Double, weight: Double, normalization: ScoreNormalization)?
        for normalization in normalizations {
            if isCancelled() { throw CancellationError() }
            let values = try developmentValues(data, normalization)
            for (weight, value) in zip(weights, values) where value > best?.value ?? -1 {
                best = (value, weight, normalization)
            }
        }
        guard let best else { preconditionFailure("nothing was tried") }
        let parts = zip(systems, [1 - best.weight, best.weight]).map {
            WeightedFusion.Part($0.name, $0.system, weight: $1)
        }
        return FittedRival(
            name: name, system: WeightedFusion(parts, normalization: best.normalization), development: best.value,
            choices: [
                "weight": .number(best.weight), "of": .text(systems[1].name),
                "normalization": .text(best.normalization.rawValue),
            ])
    }

    /// The mean metric on dev at each weight.
    private func developmentValues(_ data: RivalData, _ normalization: ScoreNormalization) throws -> [Double] {
        let ranker = RelevantRanks(documentCount: data.index.documentCount, metric: data.metric)
        var sums = [Double](repeating: 0, count: weights.count)
        try systems[0].system.forEachBlock(of: data.index.devQueries) { range, scores in
            let queries = Array(data.index.devQueries[range])
            let first = WeightedFusion.normalized(scores, normalization)
            let second = WeightedFusion.normalized(try systems[1].system.scores(queries: queries), normalization)
            let labels = queries.map { data.index.labels[$0] }
            for (index, weight) in weights.enumerated() {
                let mixed = MixedScores.mix(blackBox: first, local: second, lambda: Float(weight))
                sums[index] += RivalData.values(of: mixed, labels: labels, ranker).reduce(0, +)
            }
        }
        return sums.map { $0 / Double(data.index.devQueries.count) }
    }
}

/// Reciprocal rank fusion of several systems over all documents. Those that a system gives its least score, as BM25 does where no term is shared, are not in its list. See ``MafinRetrieval/Run/init(reciprocalRankFusion:rankOffset:count:)``.
public struct ReciprocalRankFusion: RankingSystem {
    /// What is fused.
    public let systems: [any RankingSystem]
    /// k.
    public let rankOffset: Double
    /// Ranks of each system that count; a document behind them adds nothing.
    public let depth: Int

    /// - Precondition: at least one system, all over the same documents.
    public init(_ systems: [any RankingSystem], rankOffset: Double = Run.standardRankOffset, depth: Int = 1_000) {
        precondition(!systems.isEmpty, "a fusion of nothing")
        self.systems = systems
        self.rankOffset = rankOffset
        self.depth = depth
    }

    /// Number of documents.
    public var documentCount: Int { systems[0].documentCount }

    /// See ``RankingSystem/scores(queries:)``.
    public func scores(queries: [Int]) throws -> Matrix {
        var sum = Matrix(rows: queries.count, columns: documentCount)
        for system in systems {
            let scores = try system.scores(queries: queries)
            let ranked = rank(scores: scores, count: depth)
            for row in 0..<ranked.count {
                let least = scores.row(row).min() ?? 0
                for (position, entry) in ranked[row].enumerated() where entry.score > least {
                    sum[row, entry.index] += Float(1 / (rankOffset + Double(position + 1)))
                }
            }
        }
        return sum
    }
}
