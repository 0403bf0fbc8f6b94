import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval

/// The scores of labelled queries by sources that have not seen the labels of these queries.
///
/// The queries are divided into folds. For each fold the sources that remember are made from the labels of all other
/// queries (cross-fitting). Queries of the same text stay in one fold, because each would give away the answers of the
/// other. Queries with the same answers may be in different folds: what a memory is worth for documents that it knows is
/// seen only there. What it is worth for others is seen on a second version of each query. There some answers of the query
/// have the scores of documents that no label has named (``RivalData/newAnswers``).
struct HeldOutScores {
    /// The names of all sources, those that remember last.
    let names: [SourceName]
    /// The sources that do not remember, as positions in ``names``.
    let fixed: Range<Int>
    /// The queries of each fold.
    let folds: [[Int]]
    let data: RivalData
    private let index: SourceIndex
    private let prepared: SourceIndex.Queries
    private let recipes: [any RememberingSource]
    /// For each fold the sources that remember.
    private let memories: [[BatchScorer]]

    static let foldCount = 5

    init(
        _ sources: [any ScoreSource], remembering recipes: [any RememberingSource], data: RivalData, queries: [Int],
        isCancelled: () -> Bool
    ) throws {
        names = sources.map(\.name) + recipes.map(\.name)
        fixed = 0..<sources.count
        self.data = data
        self.recipes = recipes
        index = try SourceIndex(sources, documents: data.documents)
        prepared = try index.queries(data.queries)
        let identities = data.index.queryIdentities
        folds = WeightFit.parts(queries, groups: identities, count: Self.foldCount)
        let rows =
            recipes.isEmpty
            ? [:]
            : Dictionary(data.documents.ids.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
        let labelled = data.labelledQueries
        memories = try folds.map { fold in
            if isCancelled() { throw CancellationError() }
            let held = Set(fold.map { identities[$0] })
            let others = labelled.filter { !held.contains(identities[$0]) }
            return try recipes.map {
                try BatchScorer($0.source(rememberingLabelsOf: others, in: data), documents: data.documents, rows: rows)
            }
        }
    }

    /// The queries in the order of all results: fold by fold.
    var queries: [Int] { folds.flatMap { $0 } }

    /// The scores of queries of one fold, `(queries.count, documents)` for each of `sources`.
    func scores(of queries: [Int], fold: Int, by sources: some Sequence<Int>) throws -> [Matrix] {
        let rows = prepared.selecting(rows: queries)
        return try sources.map { source in
            fixed.contains(source)
                ? index.scores(of: rows, weights: SourceWeights([(names[source], 1)]))
                : try memories[fold][source - fixed.count].scores(rows.inputs)
        }
    }

    /// The score of a document that a remembering source does not remember.
    /// - Parameter source: a position in ``names`` behind ``fixed``.
    func unremembered(_ source: Int, query: Int, document: Int) -> Float {
        guard recipes[source - fixed.count].keepsBlackBoxScore else { return 0 }
        let vectors = data.blackBox
        return zip(vectors.queries.row(query), vectors.documents.row(document)).reduce(0) { $0 + $1.0 * $1.1 }
    }

    /// Calls `body` with the queries of each fold, in blocks whose scores fit into memory.
    func forEachBlock(
        of folds: [[Int]], isCancelled: () -> Bool, _ body: (_ queries: [Int], _ fold: Int) throws -> Void
    ) throws {
        let bytes = MemoryLayout<Float>.stride * max(1, data.index.documentCount) * (names.count + 2)
        let size = max(1, SourceSystem.scoreBytes / bytes)
        for (fold, queries) in folds.enumerated() {
            for start in stride(from: 0, to: queries.count, by: size) {
                if isCancelled() { throw CancellationError() }
                try body(Array(queries[start..<min(start + size, queries.count)]), fold)
            }
        }
    }

    /// The metric of every query, in the order of ``queries``.
    struct Values {
        /// The queries as they are.
        var known: [Double] = []
        /// As if no label had named some of the answers.
        var new: [Double] = []
    }

    /// The places of the development queries among all.
    private var developmentRows: [Int] {
        let places = Dictionary(uniqueKeysWithValues: queries.enumerated().map { ($1, $0) })
        return data.index.devQueries.compactMap { places[$0] }
    }

    /// The metric of each development query, of both versions.
    func developmentQueries(_ values: Values) -> [Double] {
        let share = data.newDocuments
        return developmentRows.map { (1 - share) * values.known[$0] + share * values.new[$0] }
    }

    /// The metric on the development queries.
    func development(_ values: Values) -> DevelopmentValues {
        let rows = developmentRows
        func mean(_ values: [Double]) -> Double { rows.reduce(0) { $0 + values[$1] } / Double(rows.count) }
        return DevelopmentValues(known: mean(values.known), new: mean(values.new), newDocuments: data.newDocuments)
    }

    /// The metric of weighted sums.
    /// - Parameter weights: for each fold one weight per source.
    func values(weights: [[Double]], isCancelled: () -> Bool) throws -> Values {
        let ranker = RelevantRanks(tieOrder: data.index.tieOrder, metric: data.metric)
        var values = Values()
        try forEachBlock(of: folds, isCancelled: isCancelled) { queries, fold in
            let weights = weights[fold].map(Float.init)
            let used = weights.indices.filter { weights[$0] > 0 }
            let scores = try scores(of: queries, fold: fold, by: used)
            var sum = Matrix(rows: queries.count, columns: data.index.documentCount)
            sum.forEachRow { row, sum in
                for (source, scores) in zip(used, scores) {
                    scores.row(row).withUnsafeBufferPointer { scores in
                        for column in sum.indices { sum[column] += weights[source] * scores[column] }
                    }
                }
            }
            let judged = data.index.judged(queries)
            let known = ranker.values(of: sum, judged: judged)
            values.known += known
            guard used.contains(where: { !fixed.contains($0) }) else {
                values.new += known
                return
            }
            for (row, query) in queries.enumerated() {
                for answer in data.newAnswers(of: query) {
                    sum[row, answer.column] = zip(used, scores).reduce(0) { total, part in
                        let score =
                            fixed.contains(part.0)
                            ? part.1[row, answer.column]
                            : unremembered(part.0, query: query, document: answer.column)
                        return total + weights[part.0] * score
                    }
                }
            }
            values.new += ranker.values(of: sum, judged: judged)
        }
        return values
    }
}
