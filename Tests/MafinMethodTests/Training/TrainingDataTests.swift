import Foundation
import MafinNumerics
import MafinRetrieval
import Testing

@testable import MafinMethod

@Suite struct TrainingDataTests {
    static func index(
        labels: [[Judgement]], train: [Int], dev: [Int] = [], documents: Int = 3, queryIdentities: [Int]? = nil
    ) throws -> TrainingIndex {
        try TrainingIndex(
            labels: labels, trainQueries: train, devQueries: dev, queryLengths: labels.map { _ in 1 },
            documentLengths: [Int](repeating: 1, count: documents), queryIdentities: queryIdentities)
    }

    @Test func queriesWithoutUseAreExcludedQueries() throws {
        let index = try Self.index(
            labels: [
                [Judgement(column: 1)], [Judgement(column: 0, grade: 0)], [Judgement(column: 2)], [],
                [Judgement(column: 2)],
            ],
            train: [0, 1, 2], dev: [3, 4], queryIdentities: [0, 1, 2, 3, 2])
        // 1 has no positive; 2 has the text of dev query 4.
        #expect(index.trainQueries == [0])
        #expect(index.devQueries == [4])
        #expect(index.excluded.unlabelledTrain == 1)
        #expect(index.excluded.trainWithTextOfDev == 1)
        #expect(index.excluded.unlabelledDev == 1)
        #expect(index.queriesOfDocument == [[], [0], []])
    }

    /// Documents that a training query judges as not relevant are candidates. Documents that only dev queries judge are
    /// not.
    @Test func judgedDocumentsAreCandidates() throws {
        let index = try Self.index(
            labels: [
                [Judgement(column: 3), Judgement(column: 1, grade: 0)], [Judgement(column: 2)],
                [Judgement(column: 0, grade: 0)],
            ],
            train: [0, 2], dev: [1], documents: 4)
        #expect(index.judgedDocuments == [1, 3] && index.queriesOfDocument == [[], [], [], [0]])
        #expect(try index.limited(toTrainQueries: [0]).judgedDocuments == [1, 3])
    }

    @Test func faultsAreNamed() throws {
        #expect(throws: TrainingError.unknownDocument(query: 1, document: 7, documents: 3)) {
            try Self.index(labels: [[Judgement(column: 1)], [Judgement(column: 7)]], train: [0])
        }
        #expect(throws: TrainingError.badQuery(list: "labels", query: 0, reason: "judges document 1 twice")) {
            try Self.index(labels: [[Judgement(column: 1), Judgement(column: 1, grade: 2)]], train: [0])
        }
        #expect(throws: TrainingError.badQuery(list: "train", query: 4, reason: "is not among the 1 queries")) {
            try Self.index(labels: [[Judgement(column: 1)]], train: [4])
        }
        #expect(throws: TrainingError.badQuery(list: "dev", query: 0, reason: "is named twice")) {
            try Self.index(labels: [[Judgement(column: 1)]], train: [0], dev: [0, 0])
        }
        do {
            _ = try Self.index(labels: [[]], train: [0])
            Issue.record("a run without a label was accepted")
        } catch let error as TrainingError {
            #expect(error.description.contains("1 were given, 1 of them without a positive label"))
        }
        #expect(throws: TrainingError.size(part: "black-box document vectors", expected: 1, found: 2)) {
            try TrainingData(
                queries: ToyInputs(rows: [[0]]), documents: ToyInputs(rows: [[0]]), labels: [[Judgement(column: 0)]],
                trainQueries: [0], devQueries: [], blackBoxQueries: Matrix(rows: 1, columns: 2),
                blackBoxDocuments: Matrix(rows: 2, columns: 2))
        }
    }

    @Test func vectorsAreNormalizedRowByRow() throws {
        let data = try TrainingFixture.random()
        for row in 0..<data.blackBoxDocuments.rows {
            #expect(abs(data.blackBoxDocuments.row(row).reduce(0) { $0 + $1 * $1 } - 1) < 1e-5)
        }
    }

    @Test func textsAreClassedByFirstAppearance() {
        #expect(TextIdentity.classes(of: ["a", "b", "a", "", "b"]) == [0, 1, 0, 3, 1])
    }

    @Test func theHashSeesEveryPart() throws {
        let data = try TrainingFixture.random()
        let hash = data.contentHash
        #expect(hash == (try TrainingFixture.random().contentHash))
        #expect(hash != (try TrainingFixture.random(seed: 2).contentHash))
        func changed(
            queries: ToyInputs? = nil, documents: ToyInputs? = nil, vectors: Matrix? = nil
        ) throws -> String {
            try TrainingData(
                queries: queries ?? data.queries, documents: documents ?? data.documents,
                labels: data.index.labels, trainQueries: data.index.trainQueries,
                devQueries: data.index.devQueries, blackBoxQueries: data.blackBoxQueries,
                blackBoxDocuments: vectors ?? data.blackBoxDocuments, queryIdentities: data.index.queryIdentities,
                documentIdentities: data.index.documentIdentities
            ).contentHash
        }
        #expect(try changed() == hash)
        var vectors = data.blackBoxDocuments
        vectors[3, 2] = -vectors[3, 2]
        #expect(try changed(vectors: vectors) != hash)
        // Another token, the same lengths.
        var texts = data.documents
        texts.rows[5][0] += 1
        #expect(try changed(documents: texts) != hash)
        texts = data.queries
        texts.rows[2][0] += 1
        #expect(try changed(queries: texts) != hash)
    }

    @Test func equalScoresRankAsInTrecEval() throws {
        let ids = ["d10", "d9", "é", "d1"]
        // By id descending bytewise: é, d9, d10, d1.
        #expect(RelevantRanks.tieOrder(documentIds: ids) == [2, 1, 0, 3])
        func ranks(_ ids: [String]?) throws -> [Double] {
            let index = try TrainingIndex(
                labels: [[Judgement(column: 1, grade: 0.3)], [Judgement(column: 0)]], trainQueries: [1],
                devQueries: [0], queryLengths: [1, 1], documentLengths: [1, 1, 1, 1], documentIds: ids)
            // A grade between 0 and ½ counts as relevant.
            return try [index, index.limited(toTrainQueries: [1])].flatMap {
                RelevantRanks(tieOrder: $0.tieOrder, metric: .reciprocalRank(cutoff: nil))
                    .values(of: Matrix(rows: 1, columns: 4), judged: $0.judged([0]))
            }
        }
        #expect(try ranks(ids) == [0.5, 0.5] && ranks(nil) == [0.5, 0.5])
        #expect(try ranks(["a", "b", "c", "d"]) == [1.0 / 3, 1.0 / 3])
        let run = Run(
            rank(scores: Matrix(rows: 1, columns: 4), count: 4), queryIds: ["q"], documentIds: ["a", "b", "c", "d"])
        #expect(run["q"]?.map(\.id) == ["d", "c", "b", "a"])
    }

    /// Scores on dev are full of ties, and grades are between the whole numbers.
    @Test(arguments: [Metric.nDCG(cutoff: 10), .nDCG(cutoff: 3), .reciprocalRank(cutoff: nil)])
    func theEvaluatorMeasuresAsAReportDoes(metric: Metric) throws {
        let ids = ["d10", "d9", "é", "d1", "d2", "a"]
        let vectors = Matrix(rows: 6, columns: 2, values: [1, 0, 1, 0, 1, 0, 1, 0, 0, 1, 0, 1])
        let queries = Matrix(rows: 3, columns: 2, values: [1, 0, 1, 0, 0, 1])
        let data = try TrainingData(
            queries: ToyInputs(rows: [[0], [1], [2]]), documents: ToyInputs(rows: (0..<6).map { [$0] }),
            labels: [
                [Judgement(column: 4)], [Judgement(column: 0, grade: 1.2), Judgement(column: 3, grade: 2)],
                [Judgement(column: 5, grade: 1.2), Judgement(column: 1, grade: 0.3)],
            ], trainQueries: [0], devQueries: [1, 2], blackBoxQueries: queries, blackBoxDocuments: vectors,
            documentIds: ids)
        let found = try DevelopmentEvaluator(data: data, byteBudget: 1 << 20, metric: metric, fitsScale: false)
            .evaluate(
                DevelopmentState(
                    step: 0, queries: LocalRows(vectors: Matrix(rows: 2, columns: 1, repeating: 1), weights: []),
                    documents: LocalRows(vectors: Matrix(rows: 6, columns: 1, repeating: 1), weights: []),
                    scale: .paper, form: .fixed))
        // Both sources' scores are 0 or 1, so the black box's decide.
        let run = Run(
            rank(scores: Matrix.multiply(queries.selecting(rows: 1...2), transposed: vectors), count: 6),
            queryIds: ["q1", "q2"], documentIds: ids)
        let report = evaluate(
            run, against: Qrels([("q1", "d10", 1), ("q1", "d1", 2), ("q2", "a", 1), ("q2", "d9", 1)]),
            metrics: [metric])
        #expect(abs(found.metric - (report.means[metric] ?? -1)) < 1e-12)
        #expect(found.queries?.metric == report.values[metric]?.map { Float($0) })
    }

    @Test func fewerLabels() throws {
        let data = try TrainingFixture.random()
        let kept = Array(data.index.trainQueries.prefix(3))
        let limited = try data.limited(toTrainQueries: kept + data.index.devQueries)
        #expect(limited.index.trainQueries == kept)
        #expect(limited.index.devQueries == data.index.devQueries)
        #expect(limited.index.pairCount == kept.reduce(0) { $0 + data.index.labels[$1].count })
        #expect(limited.blackBoxQueries == data.blackBoxQueries)
        #expect(throws: TrainingError.self) { try data.limited(toTrainQueries: []) }
    }
}
