import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval

/// A weighted sum of sources, `s(q, d) = Σ_k w_k s_k(q, d)`, whose weights make labels most likely (``WeightFit``).
///
/// Sources that remember labels are fitted and measured on queries whose labels they have not seen, once as these queries
/// are and once as if no label had named some of their answers (``HeldOutScores``). The two versions count `1 − ρ` and ρ, with ρ =
/// ``RivalData/newDocuments``, in the fit and in ``FittedRival/development``.
///
/// No sum may be worse for new documents than the sum without the sources that remember. If the metric of the second
/// versions is lower by more than ``margin``, and by a paired randomization test at ``level``, ρ is raised in the fit, which lowers the weights of these
/// sources. Then the weights go part of the way to those of the sum without them, and at last all of it.
///
/// A trained encoder takes part beside sources that remember as the last step. Its scores of the training queries are better than those of
/// others, so weights beside it can be fitted to the development queries alone, which are few. So the sum without it is fitted to
/// all queries first. Its weights keep their proportions, and only that of the encoder to all of them is fitted to the development queries
/// (``fit(beside:of:seed:isCancelled:)``).
///
/// The value on dev is cross-fitted: each query is measured with weights that were fitted to other folds. Only which
/// sources have a weight at all, and the few factors that adjust weights to the metric, are chosen with all queries. The final sources remember all labels of train and dev.
public struct SourceFit: Rival {
    /// Its name in tables and JSON.
    public let name: String
    /// Sources that do not remember labels, such as the black box and BM25. At least one.
    public let sources: [any ScoreSource]
    /// Sources that do.
    public let remembering: [any RememberingSource]
    /// The local encoder's unit rows, if one of ``sources`` reads them.
    public let local: VectorSystem?
    /// Those of ``sources`` that were trained on the training queries, such as a local encoder. Their scores of these
    /// queries are better than those of others, so weights beside them are fitted to the development queries alone.
    public let learned: Set<SourceName>
    /// The weights of the sum without ``learned``, if they are known, so that it is not fitted again.
    public var proportions: SourceWeights?
    /// Whether ``FittedRival/sureness`` is measured.
    var measuresSureness = false
    /// How many standard errors of the loss a smaller sum may cost; see ``WeightFit``.
    public var standardErrors = standardErrors
    /// Whether weights are adjusted to the metric after the fit; see
    /// ``SourceProblem/factors(of:newDocuments:metric:isCancelled:)``.
    public var adjustsToMetric = adjustsToMetric
    /// How far the metric of new documents may fall before it counts as worse.
    public var margin = margin
    /// The level of the test that new documents are not worse off. At 0 nothing is tested, and ρ in the fit alone weighs
    /// what known documents gain against what new ones lose.
    public var level = level

    /// The standard errors of all sums.
    package static let standardErrors = 0.5
    /// Whether all sums are adjusted to the metric.
    package static let adjustsToMetric = true
    /// The level of all sums.
    package static let level = 0.05
    /// The margin of all sums. The second versions make the loss look larger than it is: the answer is forgotten, but the
    /// queries beside which it was found are still known, and they speak for its competitors. A query about a document that
    /// is really new is seldom so close to known ones.
    package static let margin = 0.01
    /// ρ in further fits, where new documents would be worse off.
    static let higherShares = [0.5, 0.75, 0.9]

    /// Parts of the way from the weights without the sources that remember to those with them, where new documents would be worse off at the
    /// end of it.
    static let parts = [0.75, 0.5, 0.25]

    /// A sum of the given sources.
    public init(
        _ sources: [any ScoreSource], remembering: [any RememberingSource] = [], local: VectorSystem? = nil,
        learned: Set<SourceName> = [], name: String
    ) {
        precondition(!sources.isEmpty, "a sum without a source that scores all documents")
        (self.sources, self.remembering, self.local) = (sources, remembering, local)
        (self.learned, self.name) = (learned, name)
    }

    /// See ``Rival/fit(to:seed:isCancelled:)``. The seed draws queries, if the scores of all would take too much memory.
    /// - Complexity: about 100 passes over at most 128 MiB of scores, and the scores of the development queries by all
    ///   sources.
    public func fit(to data: RivalData, seed: UInt64, isCancelled: () -> Bool) throws -> FittedRival {
        let data = try local.map(data.adding) ?? data
        if let others = sumWithoutLearned {
            let known = proportions
            let other = known == nil ? try others.fit(to: data, seed: seed, isCancelled: isCancelled) : nil
            guard let proportions = known ?? other?.sum?.weights else {
                preconditionFailure("a fit of sources gives a sum of sources")
            }
            return try fit(
                beside: proportions, choices: other?.choices ?? [:], of: data, seed: seed, isCancelled: isCancelled)
        }
        let capacity = SourceProblem.capacity(
            sources: sources.count + remembering.count, versions: remembering.isEmpty ? 1 : 2,
            documents: data.index.documentCount)
        let fitted = sample(data, capacity: capacity, seed: seed)
        let held = try HeldOutScores(
            sources, remembering: remembering, data: data, queries: fitted.union(data.index.devQueries).sorted(),
            isCancelled: isCancelled)
        let problem = try SourceProblem(
            held, queries: held.folds.map { $0.filter(fitted.contains) }, isCancelled: isCancelled)

        var sum = try Candidate(self, held, problem, among: Array(held.fixed), isCancelled)
        var choices: [String: ManifestValue] = ["fittedQueries": .integer(Int64(problem.queryCount))]
        if !remembering.isEmpty {
            choices["newDocuments"] = .number(data.newDocuments)
            let guarded = try remembered(beside: sum, held, problem, isCancelled)
            if let guarded {
                sum = guarded
                if guarded.share != data.newDocuments { choices["newDocumentsInFit"] = .number(guarded.share) }
                if let part = guarded.part { choices["partOfRemembering"] = .number(part) }
            } else {
                choices["remembering"] = .text("left out: worse for new documents")
            }
        }

        return try measured(
            held, weights: sum.weights(problem), fold: sum.weights, sum.values, choices: choices, isCancelled)
    }

    /// The sum with the final weights, measured by those of the folds.
    /// - Parameters:
    ///   - weights: one per source of `held`.
    ///   - fold: for each fold one weight per source, fitted to other folds.
    ///   - values: the metric with these.
    func measured(
        _ held: HeldOutScores, weights: [Double], fold: [[Double]], _ values: HeldOutScores.Values,
        choices: [String: ManifestValue], _ isCancelled: () -> Bool
    ) throws -> FittedRival {
        let data = held.data
        let weights = weights.map { Float($0) }
        let used = weights.indices.filter { weights[$0] > 0 }
        let labelled = data.labelledQueries
        let chosen = try used.map { position in
            held.fixed.contains(position)
                ? sources[position]
                : try remembering[position - sources.count].source(rememberingLabelsOf: labelled, in: data)
        }
        var choices = choices
        choices["weights"] = .record(
            Dictionary(uniqueKeysWithValues: used.map { (held.names[$0].rawValue, .number(Double(weights[$0]))) }))
        return FittedRival(
            name: name,
            sum: try SourceSystem(
                chosen, weights: SourceWeights(used.map { (held.names[$0], weights[$0]) }), queries: data.queries,
                documents: data.documents), development: held.development(values),
            queries: held.developmentQueries(values),
            sureness: measuresSureness ? try held.developmentSureness(weights: fold, isCancelled) : nil,
            choices: choices)
    }

    /// The scores of the fitted sum for all labelled queries, to train an encoder beside them. Sources that remember are
    /// made without the labels of the query that is scored.
    ///
    /// The weights are divided by the sum of those of the black box and the local encoder, so the scores are in the unit of
    /// a cosine.
    /// - Throws: see ``fit(to:seed:isCancelled:)``.
    /// - Complexity: memory O(labelled queries × documents).
    public func base(to data: RivalData, seed: UInt64 = 1) throws -> TrainingBase {
        let fitted = try fit(to: data, seed: seed)
        let data = try local.map(data.adding) ?? data
        let labelled = data.labelledQueries
        let held = try HeldOutScores(
            sources, remembering: remembering, data: data, queries: labelled, isCancelled: { false })
        guard let weights = fitted.sum?.weights.scaled(toUnitSumOf: [.blackBox, .local]) else {
            preconditionFailure("a sum of sources has weights")
        }
        let used = held.names.indices.filter { weights[held.names[$0]] > 0 }
        var scores = Matrix(rows: labelled.count, columns: data.index.documentCount)
        let rowOfQuery = Dictionary(uniqueKeysWithValues: labelled.enumerated().map { ($1, $0) })
        try held.forEachBlock(of: held.folds, isCancelled: { false }) { queries, fold in
            let parts = try held.scores(of: queries, fold: fold, by: used)
            for (place, query) in queries.enumerated() {
                guard let row = rowOfQuery[query] else { continue }
                for (source, part) in zip(used, parts) {
                    let weight = weights[held.names[source]]
                    for (column, score) in part.row(place).enumerated() { scores[row, column] += weight * score }
                }
            }
        }
        return TrainingBase(name: name, queries: labelled, scores: scores)
    }

    /// The sum with the sources that remember, with the least ρ at which it is not worse for new documents; `nil` if it
    /// always is.
    private func remembered(
        beside plain: Candidate, _ held: HeldOutScores, _ problem: SourceProblem, _ isCancelled: () -> Bool
    ) throws -> Candidate? {
        let own = held.data.newDocuments
        var sum = try Candidate(self, held, problem, among: Array(held.names.indices), isCancelled)
        for share in [own] + Self.higherShares.filter({ $0 > own }) {
            if share != own { sum = try Candidate(self, held, problem, sum.sources, share, isCancelled) }
            if !isWorse(sum, plain) { return sum }
        }
        for part in Self.parts {
            let between = try Candidate(between: plain, and: sum, part: part, held, isCancelled)
            if !isWorse(between, plain) { return between }
        }
        return nil
    }

    /// Whether a sum is worse for new documents than the sum without the sources that remember.
    private func isWorse(_ sum: Candidate, _ plain: Candidate) -> Bool { isWorse(sum.values, plain.values) }

    func isWorse(_ sum: HeldOutScores.Values, _ plain: HeldOutScores.Values) -> Bool {
        let differences = zip(sum.new, plain.new).map { $0 - $1 }
        return differences.reduce(0, +) < -margin * Double(differences.count)
            && PairedRandomizationTest().pValue(of: differences) < level
    }

    /// The queries that weights are fitted to: all, or a sample that has as many of dev as of train, if possible.
    func sample(_ data: RivalData, capacity: Int, seed: UInt64) -> Set<Int> {
        let (dev, train) = (data.index.devQueries, learned.isEmpty ? data.index.trainQueries : [])
        guard dev.count + train.count > capacity else { return Set(dev + train) }
        var generator = RandomGenerator(seed: RandomGenerator.mix(seed))
        let fromDev = min(dev.count, max(capacity / 2, capacity - train.count))
        return Set(
            dev.shuffled(using: &generator).prefix(fromDev)
                + train.shuffled(using: &generator).prefix(capacity - fromDev))
    }

    /// Some sources, and what their sum is worth on queries that did not fit its weights.
    private struct Candidate {
        let sources: [Int]
        /// ρ in the fit.
        let share: Double
        /// Two other sums that this one lies between, and its part of the way to the second; empty and `nil`: it was fitted itself.
        let ends: [Candidate]
        let part: Double?
        /// One factor per source of all, for the metric.
        let factors: [Double]
        /// For each fold one weight per source, fitted to other folds.
        let weights: [[Double]]
        let values: HeldOutScores.Values

        /// The sources that are selected among `candidates`.
        init(
            _ fit: SourceFit, _ held: HeldOutScores, _ problem: SourceProblem, among candidates: [Int],
            _ isCancelled: () -> Bool
        ) throws {
            let share = held.data.newDocuments
            let selected = try problem.select(
                among: candidates, newDocuments: share, standardErrors: fit.standardErrors)
            try self.init(fit, held, problem, selected, share, isCancelled)
        }

        init(
            _ fit: SourceFit, _ held: HeldOutScores, _ problem: SourceProblem, _ sources: [Int], _ share: Double,
            _ isCancelled: () -> Bool
        ) throws {
            (self.sources, self.share, self.ends, self.part) = (sources, share, [], nil)
            let weights = try held.folds.indices.map {
                try problem.weights(of: sources, newDocuments: share, without: $0)
            }
            let factors =
                fit.adjustsToMetric
                ? try problem.factors(
                    of: weights, newDocuments: share, metric: held.data.metric, isCancelled: isCancelled)
                : [Double](repeating: 1, count: held.names.count)
            self.factors = factors
            self.weights = weights.map { zip($0, factors).map { $0 * $1 } }
            values = try held.values(weights: self.weights, isCancelled: isCancelled)
        }

        /// The sum whose weights lie between those of two others.
        init(
            between first: Candidate, and second: Candidate, part: Double, _ held: HeldOutScores,
            _ isCancelled: () -> Bool
        ) throws {
            sources = Set(first.sources + second.sources).sorted()
            (share, factors, ends, self.part) = (second.share, [], [first, second], part)
            weights = zip(first.weights, second.weights).map { Self.between($0, $1, part) }
            values = try held.values(weights: weights, isCancelled: isCancelled)
        }

        private static func between(_ first: [Double], _ second: [Double], _ part: Double) -> [Double] {
            zip(first, second).map { (1 - part) * $0 + part * $1 }
        }

        /// The weights that are fitted to all queries, with the factors for the metric.
        func weights(_ problem: SourceProblem) throws -> [Double] {
            if let part {
                return Self.between(try ends[0].weights(problem), try ends[1].weights(problem), part)
            }
            return zip(try problem.weights(of: sources, newDocuments: share), factors).map { $0 * $1 }
        }
    }
}
