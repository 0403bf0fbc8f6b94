import MafinRetrieval

/// What changed from one run to another, query by query. The runs may come from any tool.
public struct RunDifference: Sendable, Equatable, Codable {
    /// A relevant document that entered the first ranks or left them.
    public struct Move: Sendable, Equatable, Codable {
        /// The document.
        public var document: String
        /// Its grade.
        public var grade: Int
        /// Its rank in the first run, from 1; `nil`: not ranked.
        public var firstRank: Int?
        /// Its rank in the second run, from 1; `nil`: not ranked.
        public var secondRank: Int?
    }

    /// One query's change.
    public struct QueryChange: Sendable, Equatable, Codable {
        /// The query.
        public var queryId: String
        /// The metric with the first run; `nil` without labels.
        public var first: Double?
        /// The metric with the second run; `nil` without labels.
        public var second: Double?
        /// The first document of the first run; `nil` where it has no result list.
        public var firstTop: String?
        /// The first document of the second run; `nil` where it has no result list.
        public var secondTop: String?
        /// Number of documents that are in the first ranks of both.
        public var overlap: Int
        /// Relevant documents that entered the first ranks.
        public var gained: [Move]
        /// Relevant documents that left the first ranks.
        public var lost: [Move]

        /// Second minus first; 0 without labels.
        public var change: Double { (second ?? 0) - (first ?? 0) }
        /// Whether the first document changed.
        public var isTopChanged: Bool { firstTop != secondTop }
    }

    /// The difference in a metric, by labels.
    public struct Measured: Sendable, Equatable, Codable {
        /// The metric.
        public var metric: Metric
        /// Its mean with the first run.
        public var first: Double
        /// Its mean with the second run.
        public var second: Double
        /// Second minus first, with interval and p.
        public var difference: MetricDifference
        /// Queries worse, equal and better with the second run.
        public var balance: Balance
        /// Judged queries left out because nothing is relevant for them.
        public var queriesWithoutRelevantDocument: Int
    }

    /// Name of the first run.
    public var first: String
    /// Name of the second run.
    public var second: String
    /// How many ranks count as the first ranks.
    public var depth: Int
    /// Queries that only the first run answers. With labels they count 0 for the second.
    public var onlyInFirst: [String]
    /// Queries that only the second run answers. With labels they count 0 for the first.
    public var onlyInSecond: [String]
    /// Queries that both runs answer.
    public var commonQueries: Int
    /// The queries that are compared: with labels all judged queries with a relevant document, without labels those that both runs answer.
    public var queries: [QueryChange]
    /// The difference in a metric; `nil` without labels.
    public var measured: Measured?

    /// Compares two runs.
    /// - Parameter qrels: labels; `nil`: only ranks are compared.
    /// - Throws: ``ReportError/incomparable(first:second:reason:)`` if the runs have no query in common, or the labels have a relevant document for
    ///   none of their queries.
    public init(
        first: (name: String, run: Run), second: (name: String, run: Run), qrels: Qrels? = nil,
        metric: Metric = .nDCG(cutoff: 10), depth: Int = 10, bootstrap: PairedBootstrap = PairedBootstrap(),
        test: PairedRandomizationTest = PairedRandomizationTest()
    ) throws {
        precondition(depth > 0, "the first \(depth) ranks")
        func refuse(_ reason: String) -> ReportError {
            .incomparable(first: first.name, second: second.name, reason: reason)
        }
        let common = first.run.queryIds.filter { second.run[$0] != nil }
        guard !common.isEmpty else {
            let examples = (first.run.queryIds.first ?? "none", second.run.queryIds.first ?? "none")
            throw refuse("no query is in both (\(examples.0) in one, \(examples.1) in the other)")
        }
        self.first = first.name
        self.second = second.name
        self.depth = depth
        commonQueries = common.count
        onlyInFirst = first.run.queryIds.filter { second.run[$0] == nil }
        onlyInSecond = second.run.queryIds.filter { first.run[$0] == nil }

        var compared = common
        var values: (first: [Double], second: [Double])?
        if let qrels {
            let mine = evaluate(first.run, against: qrels, metrics: [metric])
            let theirs = evaluate(second.run, against: qrels, metrics: [metric])
            guard mine.queryIds.contains(where: { first.run[$0] != nil || second.run[$0] != nil }) else {
                throw refuse("the labels have no relevant document for any of their queries")
            }
            let differences = theirs.differences(from: mine, in: metric)
            let interval = bootstrap.interval(of: differences)
            let p = test.pValue(of: differences)
            compared = mine.queryIds
            values = (mine.values[metric] ?? [], theirs.values[metric] ?? [])
            measured = Measured(
                metric: metric, first: mine.means[metric] ?? 0, second: theirs.means[metric] ?? 0,
                difference: MetricDifference(
                    mean: interval.mean, low: interval.low, high: interval.high, p: p, pHolm: p),
                balance: Balance(differences: differences),
                queriesWithoutRelevantDocument: mine.queriesWithoutRelevantDocument)
        }
        queries = compared.enumerated().map { index, query in
            Self.change(
                of: query, first.run[query] ?? [], second.run[query] ?? [], judgments: qrels?[query] ?? [:],
                values: values.map { ($0.first[index], $0.second[index]) }, depth: depth)
        }
    }

    private static func change(
        of query: String, _ first: [ScoredDocument], _ second: [ScoredDocument], judgments: [String: Int],
        values: (Double, Double)?, depth: Int
    ) -> QueryChange {
        let (before, after) = (first.ranks, second.ranks)
        func stands(_ document: String, in ranks: [String: Int]) -> Bool {
            ranks[document].map { $0 <= depth } ?? false
        }
        let moves = judgments.filter { $0.value > 0 }.sorted { $0.key < $1.key }.map {
            Move(document: $0, grade: $1, firstRank: before[$0], secondRank: after[$0])
        }
        func standing(in ranks: [String: Int], notIn others: [String: Int]) -> [Move] {
            moves.filter { stands($0.document, in: ranks) && !stands($0.document, in: others) }
        }
        return QueryChange(
            queryId: query, first: values?.0, second: values?.1, firstTop: first.first?.id, secondTop: second.first?.id,
            overlap: first.prefix(depth).count { stands($0.id, in: after) }, gained: standing(in: after, notIn: before),
            lost: standing(in: before, notIn: after))
    }

    /// Number of queries whose first document changed.
    public var changedTops: Int { queries.count(where: \.isTopChanged) }

    /// Mean number of documents that are in the first ranks of both.
    public var meanOverlap: Double {
        queries.isEmpty ? 0 : Double(queries.reduce(0) { $0 + $1.overlap }) / Double(queries.count)
    }
}
