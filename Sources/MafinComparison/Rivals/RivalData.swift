import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval

/// The data that rivals learn from and choose on: labels by row, the queries and documents of these rows, and a metric.
public struct RivalData: Sendable {
    /// The labels, and the split into training and development queries.
    public let index: TrainingIndex
    /// The metric by which choices are made.
    public let metric: Metric
    /// All queries of the table, with what sources read of them.
    public private(set) var queries: SourceQueries
    /// All documents, with what sources read of them.
    public private(set) var documents: SourceDocuments
    /// ρ: the share of queries that are expected to be about documents that no label has named.
    public let newDocuments: Double
    /// The share of the answers of such a query that no label has named. At least one of its answers is new.
    public var newAnswers = standardNewAnswers

    /// ``newAnswers`` where nothing is known about it, and the least that is estimated.
    public static let standardNewAnswers = 0.5
    /// It is estimated from at least so many development queries.
    static let leastQueriesWithNewAnswers = 10

    /// ρ where nothing is known about it.
    public static let standardNewDocuments = 0.25

    /// ρ is at least this if it is estimated.
    public static let leastNewDocuments = 0.1

    /// ρ if the user gives none.
    ///
    /// If the labelled queries have dates, it is the mean over the last fifth of them of the share of their answers that no
    /// label of the earlier ones names. If not, it is the mean over development queries of the share that no training label names,
    /// but at least ``leastNewDocuments``: collections are often split at random, so that dev asks for known documents more
    /// often than users will.
    /// - Parameter dates: of each query of the table; empty: none has one.
    package static func newDocuments(expectedFrom index: TrainingIndex, dates: [String?] = []) -> Double {
        if let share = newDocuments(index, datedBy: dates) { return share }
        let shares = newAnswersOfDevelopment(index)
        return max(leastNewDocuments, shares.reduce(0, +) / Double(max(1, shares.count)))
    }

    /// The share of the answers of a query about new documents that no label has named: the mean over those development queries that have such
    /// answers, but at least ``standardNewAnswers``, and that if there are few such queries.
    ///
    /// If all documents of a class are relevant for each of its queries, and dev has classes of its own, this is 1. If half of them counted as
    /// known, a memory would put the other half first, and look good for classes that it has never seen.
    package static func newAnswers(expectedFrom index: TrainingIndex) -> Double {
        let shares = newAnswersOfDevelopment(index).filter { $0 > 0 }
        guard shares.count >= leastQueriesWithNewAnswers else { return standardNewAnswers }
        return max(standardNewAnswers, shares.reduce(0, +) / Double(shares.count))
    }

    /// For each development query the share of its answers that no training label names.
    private static func newAnswersOfDevelopment(_ index: TrainingIndex) -> [Double] {
        let isNamed = index.queriesOfDocument.map { !$0.isEmpty }
        return index.devQueries.map { query in
            let answers = index.labels[query].filter { $0.grade > 0 }
            return Double(answers.count { !isNamed[$0.column] }) / Double(max(1, answers.count))
        }
    }

    /// From dates; `nil` unless every labelled query has one, and some are later than four fifths of all.
    package static func newDocuments(_ index: TrainingIndex, datedBy dates: [String?]) -> Double? {
        guard !dates.isEmpty else { return nil }
        let dated = (index.trainQueries + index.devQueries).compactMap { query in
            dates[query].map { (query: query, date: $0) }
        }
        guard dated.count == index.trainQueries.count + index.devQueries.count else { return nil }
        let cut = dated.map(\.date).sorted()[dated.count * 4 / 5]
        let later = dated.filter { $0.date >= cut }
        let named = Set(
            dated.filter { $0.date < cut }.flatMap { index.labels[$0.query].filter { $0.grade > 0 }.map(\.column) })
        guard !named.isEmpty else { return nil }
        let shares = later.map { query, _ in
            let answers = index.labels[query].filter { $0.grade > 0 }
            return Double(answers.count { !named.contains($0.column) }) / Double(max(1, answers.count))
        }
        return shares.reduce(0, +) / Double(shares.count)
    }

    /// - Parameters:
    ///   - index: the index of the encoder's training, or one made only from labels.
    ///   - queries: `nil`: queries without texts and vectors.
    ///   - documents: `nil`: documents without texts and vectors, whose row numbers are their identifiers.
    /// - Throws: ``TrainingError/noQueries(list:reason:)`` if there are no development queries.
    public init(
        index: TrainingIndex, metric: Metric = .nDCG(cutoff: 10), queries: SourceQueries? = nil,
        documents: SourceDocuments? = nil, newDocuments: Double = standardNewDocuments
    ) throws {
        guard !index.devQueries.isEmpty else {
            throw TrainingError.noQueries(
                list: "development queries", reason: "without them a rival cannot choose its settings")
        }
        precondition((0...1).contains(newDocuments), "ρ = \(newDocuments)")
        let documents = documents ?? SourceDocuments(ids: (0..<index.documentCount).map(String.init))
        precondition(
            documents.count == index.documentCount && documents.ids.count == documents.count,
            "\(documents.count) documents with \(documents.ids.count) identifiers, and labels of \(index.documentCount)"
        )
        (self.index, self.metric, self.newDocuments) = (index, metric, newDocuments)
        (self.queries, self.documents) = (queries ?? SourceQueries(), documents)
    }

    /// The data of a collection's training.
    /// - Parameter newDocuments: ρ; `nil`: estimated from the development queries.
    /// - Throws: ``TrainingError/noQueries(list:reason:)`` if there are no development queries.
    public init(
        _ training: CollectionTraining, metric: Metric, newDocuments: Double? = nil
    ) throws {
        try self.init(
            index: training.data.index, metric: metric,
            queries: SourceQueries(
                ids: training.queries.map(\.id), texts: training.queries.map(\.text),
                blackBox: training.data.blackBoxQueries),
            documents: SourceDocuments(
                ids: training.collection.documentIds, texts: training.collection.documents.map(\.textForEncoding),
                blackBox: training.data.blackBoxDocuments),
            newDocuments: newDocuments ?? Self.newDocuments(of: training))
        newAnswers = Self.newAnswers(expectedFrom: index)
    }

    /// ρ of a collection's training if the user gives none.
    package static func newDocuments(of training: CollectionTraining) -> Double {
        newDocuments(expectedFrom: training.data.index, dates: training.queries.map(\.date))
    }

    /// Data from labels by row. All texts are assumed to differ.
    /// - Parameters:
    ///   - labels: for each query its judged documents. Grades of 0 and below are not relevant. Labels of queries that
    ///     are neither for training nor for development are not used.
    ///   - vectors: the black box's unit rows of the same queries and documents.
    /// - Throws: ``TrainingError`` with the query or document that does not fit.
    public init(
        labels: [[Judgement]], documentCount: Int, trainQueries: [Int], devQueries: [Int],
        metric: Metric = .nDCG(cutoff: 10), vectors: VectorSystem? = nil,
        newDocuments: Double = standardNewDocuments
    ) throws {
        try self.init(
            index: TrainingIndex(
                labels: labels, trainQueries: trainQueries, devQueries: devQueries,
                queryLengths: [Int](repeating: 1, count: labels.count),
                documentLengths: [Int](repeating: 1, count: documentCount)), metric: metric,
            queries: vectors.map { SourceQueries(blackBox: $0.queries) },
            documents: vectors.map {
                SourceDocuments(ids: (0..<documentCount).map(String.init), blackBox: $0.documents)
            }, newDocuments: newDocuments)
    }

    /// The same with a local encoder's vectors.
    /// - Throws: `CombinationError` for vectors that cannot be used.
    func adding(local: VectorSystem) throws -> RivalData {
        var data = self
        data.queries = SourceQueries(
            ids: queries.ids, texts: queries.texts, blackBox: queries.blackBox,
            local: try LocalForm.unit.prepare(checking: local.queries, ids: queries.ids))
        data.documents = SourceDocuments(
            ids: documents.ids, texts: documents.texts, blackBox: documents.blackBox,
            local: try LocalForm.unit.prepare(checking: local.documents, ids: documents.ids))
        return data
    }

    /// The same where the black box was not asked for queries.
    /// - Parameters:
    ///   - standIn: what estimates their vectors.
    ///   - local: the local encoder's vectors; `nil`: none. Its query vectors are replaced by those of the stand-in, if that
    ///     has any.
    /// - Throws: `CombinationError` for vectors that cannot be used.
    public func offline(_ standIn: TrainedStandIn, local: VectorSystem?) throws -> RivalData {
        var data = self
        let prepare = { (rows: Matrix, ids: [String]) in try LocalForm.unit.prepare(checking: rows, ids: ids) }
        data.queries = SourceQueries(
            ids: queries.ids, texts: queries.texts, blackBox: standIn.blackBoxQueries,
            local: try local.map { try prepare(standIn.localQueries ?? $0.queries, queries.ids) }, isEstimated: true)
        data.documents = SourceDocuments(
            ids: documents.ids, texts: documents.texts, blackBox: documents.blackBox,
            local: try local.map { try prepare($0.documents, documents.ids) })
        return data
    }

    /// The black box's vectors.
    /// - Precondition: they were given.
    var blackBox: VectorSystem {
        guard let queries = queries.blackBox, let documents = documents.blackBox else {
            preconditionFailure("the black box's vectors are missing")
        }
        return VectorSystem(queries: queries, documents: documents)
    }

    /// The training and development queries, ascending.
    var labelledQueries: [Int] { (index.trainQueries + index.devQueries).sorted() }

    /// The answers that are new in the second version of a query, ``newAnswers`` of all. Which ones depends on the query
    /// and the documents alone.
    func newAnswers(of query: Int) -> [Judgement] {
        let answers = index.labels[query]
        let keyed = answers.map { answer in
            let key = UInt64(truncatingIfNeeded: query) << 32 ^ UInt64(truncatingIfNeeded: answer.column)
            return (key: RandomGenerator.mix(key), answer: answer)
        }
        let count = max(1, Int((newAnswers * Double(answers.count)).rounded(.up)))
        return keyed.sorted { $0.key < $1.key }.prefix(count).map(\.answer)
    }

    // MARK: Development

    /// The mean of the metric over the development queries.
    /// - Throws: whatever the system throws.
    public func development(of system: any RankingSystem) throws -> Double {
        try developments(of: system, variants: 1) { _, scores, measure in measure(0, scores) }[0]
    }

    /// The metric on each development query.
    /// - Throws: whatever the system throws.
    package func developmentValues(of system: any RankingSystem) throws -> [Double] {
        let ranker = RelevantRanks(tieOrder: index.tieOrder, metric: metric)
        var values: [Double] = []
        try system.forEachBlock(of: index.devQueries) { range, scores in
            values += ranker.values(of: scores, judged: index.judged(Array(index.devQueries[range])))
        }
        return values
    }

    /// The same by what did not learn from the query.
    package func developmentValues(of fitted: FittedRival) throws -> [Double] {
        try fitted.developmentQueries ?? developmentValues(of: fitted.system)
    }

    /// The means of a metric over the development queries, one for each variant of a system.
    /// - Parameters:
    ///   - metric: the metric to compute; `nil`: ``metric``.
    ///   - body: receives a block of queries with the system's scores, and passes the scores of each variant to
    ///     `measure`.
    func developments(
        of system: any RankingSystem, variants count: Int, metric: Metric? = nil,
        _ body: (_ queries: [Int], _ scores: Matrix, _ measure: (_ variant: Int, Matrix) -> Void) throws -> Void
    ) throws -> [Double] {
        let ranker = RelevantRanks(tieOrder: index.tieOrder, metric: metric ?? self.metric)
        var sums = [Double](repeating: 0, count: count)
        try system.forEachBlock(of: index.devQueries) { range, scores in
            let queries = Array(index.devQueries[range])
            let judged = index.judged(queries)
            try body(queries, scores) { sums[$0] += ranker.values(of: $1, judged: judged).reduce(0, +) }
        }
        return sums.map { $0 / Double(index.devQueries.count) }
    }

    /// The mean of the metric over the development queries for a system that remembers documents.
    /// - Parameter other: what the system would score a document that it does not remember.
    func development(of system: any RankingSystem, forgettingTo other: any RankingSystem) throws -> DevelopmentValues {
        let values = try developments(of: system, variants: 2) { queries, scores, measure in
            measure(0, scores)
            let unknown = try other.scores(queries: queries)
            var forgotten = scores
            for (row, query) in queries.enumerated() {
                for answer in newAnswers(of: query) { forgotten[row, answer.column] = unknown[row, answer.column] }
            }
            measure(1, forgotten)
        }
        return DevelopmentValues(known: values[0], new: values[1], newDocuments: newDocuments)
    }
}
