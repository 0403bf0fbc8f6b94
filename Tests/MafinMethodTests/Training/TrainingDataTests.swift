import Foundation
import MafinNumerics
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

    @Test func queriesWithoutUseAreLeftOut() throws {
        let index = try Self.index(
            labels: [
                [Judgement(column: 1)], [Judgement(column: 0, grade: 0)], [Judgement(column: 2)], [],
                [Judgement(column: 2)],
            ],
            train: [0, 1, 2], dev: [3, 4], queryIdentities: [0, 1, 2, 3, 2])
        // 1 has no positive; 2 has the text of dev query 4.
        #expect(index.trainQueries == [0])
        #expect(index.devQueries == [4])
        #expect(index.leftOut.unlabelledTrain == 1)
        #expect(index.leftOut.trainWithTextOfDev == 1)
        #expect(index.leftOut.unlabelledDev == 1)
        #expect(index.queriesKnowing == [[], [0], []])
    }

    /// What a training query judges as wrong is among what it is compared with; what only dev judges is not.
    @Test func judgedDocumentsAreCandidates() throws {
        let index = try Self.index(
            labels: [
                [Judgement(column: 3), Judgement(column: 1, grade: 0)], [Judgement(column: 2)],
                [Judgement(column: 0, grade: 0)],
            ],
            train: [0, 2], dev: [1], documents: 4)
        #expect(index.judgedDocuments == [1, 3] && index.queriesKnowing == [[], [], [], [0]])
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

    @Test func heldOutQueriesKeepTheirTextsTogether() throws {
        let identities = (0..<40).map { $0 / 2 }
        let (train, dev) = TrainingIndex.holdOut(Array(0..<40), identities: identities, fraction: 0.2, seed: 1)
        #expect(dev.count == 8 && train.count == 32)
        #expect(Set(train.map { identities[$0] }).isDisjoint(with: dev.map { identities[$0] }))
        #expect(TrainingIndex.holdOut(Array(0..<40), identities: identities, fraction: 0.2, seed: 1).dev == dev)
        #expect(TrainingIndex.holdOut(Array(0..<40), identities: identities, fraction: 0.2, seed: 2).dev != dev)
        let two = TrainingIndex.holdOut([0, 2], identities: identities, fraction: 0.01, seed: 1)
        #expect(two.train.count == 1 && two.dev.count == 1)
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

    @Test func fingerprintSeesEveryPart() throws {
        let data = try TrainingFixture.random()
        #expect(DataHash(data).value == DataHash(try TrainingFixture.random()).value)
        #expect(DataHash(data).value != DataHash(try TrainingFixture.random(seed: 2)).value)
        var vectors = data.blackBoxDocuments
        vectors[3, 2] = -vectors[3, 2]
        let changed = try TrainingData(
            queries: data.queries, documents: data.documents, labels: data.index.labels,
            trainQueries: data.index.trainQueries, devQueries: data.index.devQueries,
            blackBoxQueries: data.blackBoxQueries, blackBoxDocuments: vectors,
            queryIdentities: data.index.queryIdentities, documentIdentities: data.index.documentIdentities)
        #expect(DataHash(changed).value != DataHash(data).value)
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
