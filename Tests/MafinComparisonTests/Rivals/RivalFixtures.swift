import Foundation
import MafinComparison
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval

/// Data that rivals are tested on.
enum RivalFixture {
    /// Unit rows around topics. The queries of a topic have a different centre than its documents, so that there is
    /// something to learn from labels.
    struct World {
        var system: VectorSystem
        var data: RivalData
        /// Held out.
        var testQueries: [Int]
        var labels: [[Judgement]]
    }

    static func world(
        documents: Int = 60, queries: Int = 120, width: Int = 12, topics: Int = 8, seed: UInt64 = 1
    ) throws -> World {
        var generator = RandomGenerator(seed: seed)
        func vector(_ center: [Float]?, _ spread: Float) -> [Float] {
            (0..<width).map { (center?[$0] ?? 0) + spread * generator.normal() }
        }
        let centers = (0..<topics).map { _ in vector(nil, 1) }
        let shifted = centers.map { vector($0, 0.9) }
        let topicOfDocument = (0..<documents).map { $0 % topics }
        let topicOfQuery = (0..<queries).map { _ in generator.index(below: topics) }
        let documentRows = topicOfDocument.flatMap { vector(centers[$0], 0.6) }
        let queryRows = topicOfQuery.flatMap { vector(shifted[$0], 0.6) }
        let labels = topicOfQuery.map { topic in
            topicOfDocument.indices.filter { topicOfDocument[$0] == topic }.shuffled(using: &generator)
                .prefix(1 + generator.index(below: 4)).sorted()
                .map { Judgement(column: $0, grade: Float(1 + generator.index(below: 2))) }
        }
        let system = VectorSystem(
            queries: Matrix(rows: queries, columns: width, values: queryRows).normalizedRows().matrix,
            documents: Matrix(rows: documents, columns: width, values: documentRows).normalizedRows().matrix)
        let (train, dev) = (queries / 2, queries * 3 / 4)
        // The words tell two topics apart from the others, but not from each other.
        let documentTexts = topicOfDocument.enumerated().map { "pair\($1 / 2) item\($0 % 7)" }
        let queryTexts = topicOfQuery.enumerated().map { "pair\($1 / 2) item\($0 % 5)" }
        return World(
            system: system,
            data: try RivalData(
                index: TrainingIndex(
                    labels: labels, trainQueries: Array(0..<train), devQueries: Array(train..<dev),
                    queryLengths: labels.map { _ in 1 }, documentLengths: documentTexts.map { _ in 1 }),
                queries: SourceQueries(texts: queryTexts, blackBox: system.queries),
                documents: SourceDocuments(
                    ids: (0..<documents).map { "d\($0)" }, texts: documentTexts, blackBox: system.documents)),
            testQueries: Array(dev..<queries), labels: labels)
    }

    /// The nDCG@10 of a query, computed from sorted scores and not by the code under test.
    static func figure(_ scores: [Float], _ labels: [Judgement]) -> Double {
        let order = scores.indices.sorted { (scores[$1], $0) < (scores[$0], $1) }
        let grades = Dictionary(uniqueKeysWithValues: labels.map { ($0.column, Int($0.grade)) })
        return JudgedRanking(
            grades: order.prefix(10).map { grades[$0] ?? 0 }, judgedGrades: Array(grades.values)
        ).nDCG(cutoff: 10)
    }

    /// The mean nDCG@10 of a system, computed from whole sorted rankings and not by the code under test.
    static func figure(_ system: any RankingSystem, queries: [Int], labels: [[Judgement]]) throws -> Double {
        let rankings = try system.rankings(queries: queries, count: 10)
        var sum = 0.0
        for (row, query) in queries.enumerated() {
            let grades = Dictionary(uniqueKeysWithValues: labels[query].map { ($0.column, Int($0.grade)) })
            sum += JudgedRanking(
                grades: rankings[row].map { grades[$0.index] ?? 0 }, judgedGrades: Array(grades.values)
            ).nDCG(cutoff: 10)
        }
        return sum / Double(queries.count)
    }
}

/// Results of PyTorch and nudge-ft, written by Tools/write_rival_goldens.py.
struct RivalGoldens: Decodable {
    struct Nudge: Decodable {
        let width: Int
        let documents: [Float]
        let queries: [Float]
        let answers: [[Int]]
        let trainQueries: Int
        let nudgeN: [Float]
        let nudgeM: [Float]
    }
    struct Adapters: Decodable {
        struct Case: Decodable {
            let shape: String
            let sides: AdapterRival.Sides
            let loss: Float
            let weights: [Float]
            let gradient: [Float]
        }
        let rows: Int
        let columns: Int
        let width: Int
        let hidden: Int
        let strength: Float
        let temperature: Float
        let queries: [Float]
        let documents: [Float]
        let relevant: [[[Float]]]
        let cases: [Case]
    }
    let nudge: [Nudge]
    let adapters: Adapters
}
