import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval

extension SourceFit {
    /// The same sum without ``learned``, whose weights are fitted first; `nil` if nothing is learned or remembered, or if no vectors are
    /// left.
    var sumWithoutLearned: SourceFit? {
        let others = sources.filter { !learned.contains($0.name) }
        guard !learned.isEmpty, !remembering.isEmpty, others.contains(where: { $0 is any DenseSource }) else {
            return nil
        }
        var sum = SourceFit(others, remembering: remembering, name: name)
        (sum.standardErrors, sum.adjustsToMetric, sum.margin, sum.level) = (
            standardErrors, adjustsToMetric, margin, level
        )
        return sum
    }

    /// Fits `a · Σ_k p_k s_k + Σ_l w_l s_l` to the development queries, with the proportions p of all other sources and one weight w for
    /// each source of ``learned``. If that is worse for new documents, the sum without these sources stays.
    /// - Parameters:
    ///   - proportions: the weights of the sum without ``learned``.
    ///   - choices: what was chosen in the fit of that sum, such as that it leaves out what remembers.
    ///   - data: with the local encoder's vectors.
    func fit(
        beside proportions: SourceWeights, choices: [String: ManifestValue], of data: RivalData, seed: UInt64,
        isCancelled: () -> Bool
    ) throws -> FittedRival {
        let dev = data.index.devQueries
        let remembered = remembering.filter { proportions[$0.name] > 0 }
        let capacity = SourceProblem.capacity(
            sources: sources.count + remembered.count, versions: remembered.isEmpty ? 1 : 2,
            documents: data.index.documentCount)
        let fitted = sample(data, capacity: capacity, seed: seed)
        var fit = SourceFit(sources, remembering: remembered, local: local, learned: learned, name: name)
        fit.measuresSureness = measuresSureness
        let held = try HeldOutScores(
            sources, remembering: remembered, data: data, queries: dev, isCancelled: isCancelled)
        let problem = try SourceProblem(
            held, queries: held.folds.map { $0.filter(fitted.contains) }, isCancelled: isCancelled)
        let base = held.names.map { learned.contains($0) ? 0 : Double(proportions[$0]) }
        let own = held.names.indices.filter { learned.contains(held.names[$0]) }
        /// One weight per source, from that of the sum and those of the learned ones.
        func spread(_ weights: [Double]) -> [Double] {
            var spread = base.map { $0 * weights[0] }
            for (source, weight) in zip(own, weights.dropFirst()) { spread[source] = weight }
            return spread
        }

        let share = data.newDocuments
        let added = problem.adding(base, to: own)
        let selected = Set(
            try added.select(among: Array(0...own.count), newDocuments: share, standardErrors: standardErrors) + [0]
        ).sorted()
        var weights = try held.folds.indices.map {
            try added.weights(of: selected, newDocuments: share, without: $0)
        }
        var all = try added.weights(of: selected, newDocuments: share)
        if adjustsToMetric {
            let factors = try added.factors(
                of: weights, newDocuments: share, metric: data.metric, isCancelled: isCancelled)
            func adjusted(_ weights: [Double]) -> [Double] { zip(weights, factors).map { $0 * $1 } }
            (weights, all) = (weights.map(adjusted), adjusted(all))
        }
        var choices = choices
        choices["fittedQueries"] = .integer(Int64(problem.queryCount))
        choices["newDocuments"] = .number(share)
        var fold = weights.map(spread)
        var values = try held.values(weights: fold, isCancelled: isCancelled)
        let alone = held.folds.map { _ in base }
        let plain = try held.values(weights: alone, isCancelled: isCancelled)
        if isWorse(values, plain) {
            (fold, values, all) = (alone, plain, [1] + own.map { _ in 0 })
            choices["learned"] = .text("left out: worse for new documents")
        }
        return try fit.measured(
            held, weights: spread(all), fold: fold, values, choices: choices, isCancelled)
    }
}
