import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval

/// The fit of weights to held-out scores of some labelled queries. If there are sources that remember, each query has two
/// versions (``HeldOutScores``), and the second counts as much as new documents are expected.
struct SourceProblem {
    private let names: [SourceName]
    private let candidates: [Int]
    /// For each source the scores of all rows.
    private let scores: [[Float]]
    private let labels: BlockLabels
    /// For each row the identity of its text, its fold, and whether it is a second version.
    private let groups: [Int]
    private let folds: [Int]
    private let isNew: [Bool]

    /// Up to so many documents, all are candidates of every query.
    static let fullCandidates = 20_000
    /// With more, the best of each source are.
    static let depth = 1_000
    /// Bytes of all scores. They bound the time too: about 100 passes are made over them.
    static let scoreBytes = 128 << 20

    /// How many queries fit into ``scoreBytes``.
    static func capacity(sources: Int, versions: Int, documents: Int) -> Int {
        let candidates = documents <= fullCandidates ? documents : min(documents, depth * sources)
        return max(2 * HeldOutScores.foldCount, scoreBytes / (4 * max(1, candidates) * sources * versions))
    }

    /// - Parameter queries: for each fold those of its queries that the weights are fitted to.
    init(
        _ held: HeldOutScores, queries: [[Int]], fullCandidates: Int = fullCandidates, depth: Int = depth,
        isCancelled: () -> Bool
    ) throws {
        let (index, all) = (held.data.index, held.names.indices)
        let hasVersions = all.count > held.fixed.count
        var candidates: [Int] = []
        var relevant: [[Judgement]] = []
        var (groups, folds) = ([Int](), [Int]())
        var known = all.map { _ in [Float]() }
        var new = known
        try held.forEachBlock(of: queries, isCancelled: isCancelled) { queries, fold in
            let scores = try held.scores(of: queries, fold: fold, by: all)
            let best =
                index.documentCount > fullCandidates ? scores.map { rank(scores: $0, count: depth) } : []
            for (row, query) in queries.enumerated() {
                let answers = index.labels[query]
                var columns: [Int]?
                if !best.isEmpty {
                    columns = Set(answers.map(\.column) + best.flatMap { $0[row].map(\.index) }).sorted()
                }
                let places = columns.map { Dictionary(uniqueKeysWithValues: $0.enumerated().map { ($1, $0) }) }
                let placed = answers.map { Judgement(column: places?[$0.column] ?? $0.column, grade: $0.grade) }
                let count = columns?.count ?? index.documentCount
                candidates.append(count)
                relevant.append(placed)
                groups.append(index.queryIdentities[query])
                folds.append(fold)
                for source in all {
                    let values = scores[source].row(row)
                    if let columns {
                        known[source] += columns.map { values[values.startIndex + $0] }
                    } else {
                        known[source] += values
                    }
                    guard hasVersions else { continue }
                    new[source] += known[source].suffix(count)
                    guard !held.fixed.contains(source) else { continue }
                    for answer in held.data.newAnswers(of: query) {
                        new[source][new[source].count - count + (places?[answer.column] ?? answer.column)] =
                            held.unremembered(source, query: query, document: answer.column)
                    }
                }
            }
        }
        names = held.names
        let versions = hasVersions ? 2 : 1
        func twice<Element>(_ values: [Element]) -> [Element] { versions == 2 ? values + values : values }
        isNew = (0..<versions * candidates.count).map { $0 >= candidates.count }
        self.candidates = twice(candidates)
        labels = BlockLabels(relevant: twice(relevant))
        self.groups = twice(groups)
        self.folds = twice(folds)
        for source in all {
            known[source] += new[source]
            new[source] = []
        }
        scores = known
    }

    private init(_ other: SourceProblem, names: [SourceName], scores: [[Float]]) {
        (self.names, self.scores) = (names, scores)
        (candidates, labels, groups) = (other.candidates, other.labels, other.groups)
        (folds, isNew) = (other.folds, other.isNew)
    }

    /// The same queries with a weighted sum as the first source, and some sources behind it.
    /// - Parameter weights: one per source.
    func adding(_ weights: [Double], to sources: [Int]) -> SourceProblem {
        var sum = [Float](repeating: 0, count: scores.first?.count ?? 0)
        for (weight, scores) in zip(weights, scores) where weight != 0 {
            for index in sum.indices { sum[index] += Float(weight) * scores[index] }
        }
        return SourceProblem(
            self, names: [Self.sumName] + sources.map { names[$0] }, scores: [sum] + sources.map { scores[$0] })
    }

    private static let sumName = SourceName(rawValue: "sum")

    /// Number of queries.
    var queryCount: Int { isNew.count { !$0 } }

    /// The sources among `candidates` that help with queries that the fit has not seen (``WeightFit``); the first of all
    /// if none does.
    /// - Parameter share: of the second versions.
    func select(among candidates: [Int], newDocuments share: Double, standardErrors: Double) throws -> [Int] {
        guard candidates.count > 1 else { return candidates }
        let fit = try WeightFit.select(
            blocks(of: candidates), labels: labels, rowWeights: rowWeights(share, without: nil), groups: groups,
            standardErrors: standardErrors)
        let selected = candidates.indices.filter { fit.weights[$0] > 0 }.map { candidates[$0] }
        return selected.isEmpty ? [candidates[0]] : selected
    }

    /// One weight per source.
    /// - Parameters:
    ///   - selected: the sources that may have a weight. If none helps, the first has the weight 1.
    ///   - fold: queries to leave out.
    func weights(of selected: [Int], newDocuments share: Double, without fold: Int? = nil) throws -> [Double] {
        let fit = try WeightFit.fit(
            blocks(of: selected), labels: labels, rowWeights: rowWeights(share, without: fold))
        var weights = [Double](repeating: 0, count: names.count)
        for (source, weight) in zip(selected, fit.weights) { weights[source] = weight }
        if !weights.contains(where: { $0 > 0 }) { weights[selected[0]] = 1 }
        return weights
    }

    // MARK: The metric

    /// The factors of a weight that ``factors(of:newDocuments:metric:isCancelled:)`` tries.
    static let factors: [Double] = [0, 0.5, 0.7, 1.4, 2]

    /// Factors of the sources' weights that raise the metric on held-out queries.
    ///
    /// Likelihood counts the whole list, a metric such as nDCG@10 its beginning. So each weight in turn is multiplied by a
    /// few factors, twice around. A factor is kept if the mean over queries rises by more than one standard error of its
    /// paired difference; smaller gains are regarded as chance.
    /// - Parameters:
    ///   - weights: for each fold the weights that were fitted without it.
    ///   - share: of the second versions.
    /// - Returns: one factor per source.
    func factors(
        of weights: [[Double]], newDocuments share: Double, metric: Metric, isCancelled: () -> Bool
    ) throws -> [Double] {
        var factors = [Double](repeating: 1, count: names.count)
        let used = names.indices.filter { source in weights.contains { $0[source] > 0 } }
        guard used.count > 1 else { return factors }
        let ranker = RelevantRanks(tieOrder: (0..<Int32(candidates.max() ?? 0)).map { $0 }, metric: metric)
        let starts = candidates.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1) }
        func values(_ factors: [Double]) -> [Double] {
            let rows = parallelMap(candidates.count) { row in
                let count = candidates[row]
                return withUnsafeTemporaryAllocation(of: Float.self, capacity: count) { sum in
                    sum.initialize(repeating: 0)
                    for source in used {
                        let weight = Float(weights[folds[row]][source] * factors[source])
                        guard weight != 0 else { continue }
                        scores[source].withUnsafeBufferPointer { scores in
                            for index in 0..<count { sum[index] += weight * scores[starts[row] + index] }
                        }
                    }
                    return ranker.value(
                        of: UnsafeBufferPointer(sum), judged: labels.relevant[row].map(\.graded))
                }
            }
            guard let second = isNew.firstIndex(of: true) else { return rows }
            return (0..<second).map { (1 - share) * rows[$0] + share * rows[second + $0] }
        }
        var best = values(factors)
        for _ in 0..<2 {
            for source in used {
                if isCancelled() { throw CancellationError() }
                var gain = 0.0
                var next: (factors: [Double], values: [Double])?
                for factor in Self.factors {
                    var changed = factors
                    changed[source] *= factor
                    guard used.contains(where: { changed[$0] > 0 }) else { continue }
                    let found = values(changed)
                    let differences = zip(found, best).map { $0 - $1 }
                    let mean = differences.reduce(0, +) / Double(differences.count)
                    let squares = differences.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
                    let error = (squares / Double(max(1, differences.count - 1)) / Double(differences.count))
                        .squareRoot()
                    if mean > error, mean > gain { (gain, next) = (mean, (changed, found)) }
                }
                if let next { (factors, best) = (next.factors, next.values) }
            }
        }
        return factors
    }

    private func blocks(of sources: [Int]) -> ScoreBlocks {
        ScoreBlocks(
            sources: sources.map { names[$0] }, ScoreBlock(candidates: candidates, scores: sources.map { scores[$0] }))
    }

    private func rowWeights(_ share: Double, without fold: Int?) -> [Double] {
        let hasVersions = isNew.contains(true)
        // All queries may be one fold. Then they have to fit the weights and measure them.
        let isCut = fold != nil && folds.contains { $0 != fold }
        return zip(isNew, folds).map { isNew, own in
            isCut && own == fold ? 0 : !hasVersions ? 1 : isNew ? share : 1 - share
        }
    }
}
