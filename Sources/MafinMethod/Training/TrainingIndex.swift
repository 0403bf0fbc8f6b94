import MafinNumerics
import MafinRetrieval

/// The labels of a training run, and what the modes need to plan steps: lengths, identities, and which queries judge
/// which documents. It does not hold inputs.
public struct TrainingIndex: Sendable {
    /// For each query its documents of grade above zero, ascending; `column` is the document.
    public let labels: [[Judgement]]
    /// Queries to learn from, ascending. Each has a positive.
    public let trainQueries: [Int]
    /// Queries on which states are chosen, in the given order. Each has a positive.
    public let devQueries: [Int]
    /// Cost of each query, in tokens.
    public let queryLengths: [Int]
    /// Cost of each document, in tokens.
    public let documentLengths: [Int]
    /// Equal numbers for queries of equal text.
    public let queryIdentities: [Int]
    /// Equal numbers for documents of equal text.
    public let documentIdentities: [Int]
    /// For each document the training queries of which it is a positive, ascending.
    public let queriesOfDocument: [[Int]]
    /// Documents that some training query judges (as relevant or not), ascending.
    public let judgedDocuments: [Int]
    /// Documents that share their text with another document, by identity. Texts that occur once are left out.
    public let repeatedDocuments: [Int: [Int]]
    /// For each training query that shares its text with others, the positives of the others that are not its own. They
    /// are never negatives, because the text does not tell which of the queries was meant.
    public let positivesOfSameText: [Int: [Int]]
    /// How many of the given queries are left out, and why, for a message to the user.
    public let excluded: ExcludedQueries
    /// Place of each document among equal scores when a ranking is measured. If ids are known, the order is trec_eval's
    /// (by id, descending), otherwise by row number, ascending.
    package private(set) var tieOrder: [Int32]
    /// The labels as given, including grades of zero and below.
    private let judgements: [[Judgement]]

    /// Counts of queries that were given but are left out.
    public struct ExcludedQueries: Sendable, Equatable {
        /// Training queries without a positive label.
        public var unlabelledTrain = 0
        /// Training queries with the text of a development query. To learn from them would reveal the answers of that
        /// query.
        public var trainWithTextOfDev = 0
        /// Development queries without a positive label.
        public var unlabelledDev = 0
    }

    /// Checks and indexes the labels. ``TrainingData`` describes the parameters.
    /// - Throws: ``TrainingError`` with the part, query or document that does not fit.
    public init(
        labels: [[Judgement]], trainQueries: [Int], devQueries: [Int], queryLengths: [Int], documentLengths: [Int],
        queryIdentities: [Int]? = nil, documentIdentities: [Int]? = nil, documentIds: [String]? = nil
    ) throws {
        let queryCount = queryLengths.count
        let documentCount = documentLengths.count
        let check = TrainingError.requireSize
        try check("labels (one list a query)", labels.count, queryCount)
        let queryIdentities = queryIdentities ?? Array(0..<queryCount)
        let documentIdentities = documentIdentities ?? Array(0..<documentCount)
        try check("query identities", queryIdentities.count, queryCount)
        try check("document identities", documentIdentities.count, documentCount)
        try check("document ids", documentIds?.count ?? documentCount, documentCount)

        let positives = try Self.positives(of: labels, documentCount: documentCount)
        try Self.checkDistinct(trainQueries, list: "train", count: queryCount)
        try Self.checkDistinct(devQueries, list: "dev", count: queryCount)

        var excluded = ExcludedQueries()
        let dev = devQueries.filter { !positives[$0].isEmpty }
        excluded.unlabelledDev = devQueries.count - dev.count
        let devTexts = Set(devQueries.map { queryIdentities[$0] })
        let labelled = trainQueries.filter { !positives[$0].isEmpty }
        excluded.unlabelledTrain = trainQueries.count - labelled.count
        let train = labelled.filter { !devTexts.contains(queryIdentities[$0]) }.sorted()
        excluded.trainWithTextOfDev = labelled.count - train.count
        guard !train.isEmpty else {
            throw TrainingError.noQueries(
                list: "training queries",
                reason:
                    "\(trainQueries.count) were given, \(excluded.unlabelledTrain) of them without a positive label and "
                    + "\(excluded.trainWithTextOfDev) with the text of a development query")
        }

        var knowing = [[Int]](repeating: [], count: documentCount)
        for query in train {
            for judgement in positives[query] { knowing[judgement.column].append(query) }
        }
        let judged = Set(train.flatMap { labels[$0].map(\.column) })
        var byIdentity: [Int: [Int]] = [:]
        for (document, identity) in documentIdentities.enumerated() {
            byIdentity[identity, default: []].append(document)
        }

        self.labels = positives
        judgements = labels
        positivesOfSameText = Self.positivesOfSameText(train, identities: queryIdentities, labels: positives)
        self.trainQueries = train
        self.devQueries = dev
        self.queryLengths = queryLengths
        self.documentLengths = documentLengths
        self.queryIdentities = queryIdentities
        self.documentIdentities = documentIdentities
        self.queriesOfDocument = knowing
        judgedDocuments = judged.sorted()
        self.repeatedDocuments = byIdentity.filter { $0.value.count > 1 }
        self.excluded = excluded
        tieOrder = documentIds.map(RelevantRanks.tieOrder) ?? (0..<Int32(documentCount)).map { $0 }
    }

    /// The same labels with only some of the training queries. The development queries stay the same.
    /// - Parameter rows: queries among ``trainQueries``. Others are ignored.
    /// - Throws: ``TrainingError`` if no query is left.
    public func limited(toTrainQueries rows: [Int]) throws -> TrainingIndex {
        let known = Set(trainQueries)
        var limited = try TrainingIndex(
            labels: judgements, trainQueries: rows.filter(known.contains), devQueries: devQueries,
            queryLengths: queryLengths, documentLengths: documentLengths, queryIdentities: queryIdentities,
            documentIdentities: documentIdentities)
        limited.tieOrder = tieOrder
        return limited
    }

    /// Number of documents.
    public var documentCount: Int { documentLengths.count }

    /// Number of (training query, positive document) pairs.
    public var pairCount: Int { trainQueries.reduce(0) { $0 + labels[$1].count } }

    /// Sum of the tokens of the given queries and documents.
    func tokens(queries: [Int], documents: [Int]) -> Int {
        queries.reduce(0) { $0 + queryLengths[$1] } + documents.reduce(0) { $0 + documentLengths[$1] }
    }

    /// The relevant documents of each query with their grades, as metrics count them.
    package func judged(_ queries: some Sequence<Int>) -> [[(document: Int, grade: Int)]] {
        queries.map { labels[$0].map(\.graded) }
    }

    /// Documents with the text of a positive of the query, or of another training query with the same text. They are
    /// never negatives of the query.
    func documentsWithTextOfPositive(of query: Int) -> [Int] {
        let positives = labels[query].map(\.column) + (positivesOfSameText[query] ?? [])
        return positives.flatMap { repeatedDocuments[documentIdentities[$0]] ?? [$0] }
    }

    private static func positives(of labels: [[Judgement]], documentCount: Int) throws -> [[Judgement]] {
        try labels.enumerated().map { query, judgements in
            for judgement in judgements where !(0..<documentCount).contains(judgement.column) {
                throw TrainingError.unknownDocument(
                    query: query, document: judgement.column, documents: documentCount)
            }
            let positives = judgements.filter { $0.grade > 0 }.sorted { $0.column < $1.column }
            for (judgement, next) in zip(positives, positives.dropFirst()) where judgement.column == next.column {
                throw TrainingError.badQuery(
                    list: "labels", query: query, reason: "judges document \(judgement.column) twice")
            }
            return positives
        }
    }

    private static func positivesOfSameText(
        _ queries: [Int], identities: [Int], labels: [[Judgement]]
    ) -> [Int: [Int]] {
        let groups = Dictionary(grouping: queries) { identities[$0] }
        var result: [Int: [Int]] = [:]
        for group in groups.values where group.count > 1 {
            let all = Set(group.flatMap { labels[$0].map(\.column) })
            for query in group {
                let others = all.subtracting(labels[query].map(\.column))
                if !others.isEmpty { result[query] = others.sorted() }
            }
        }
        return result
    }

    private static func checkDistinct(_ queries: [Int], list: String, count: Int) throws {
        var seen = Set<Int>()
        for query in queries {
            guard (0..<count).contains(query) else {
                throw TrainingError.badQuery(list: list, query: query, reason: "is not among the \(count) queries")
            }
            guard seen.insert(query).inserted else {
                throw TrainingError.badQuery(list: list, query: query, reason: "is named twice")
            }
        }
    }
}
