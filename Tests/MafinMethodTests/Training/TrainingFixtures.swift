import Foundation
import MafinMethod
import MafinNumerics

/// Data that tests train on.
enum TrainingFixture {
    /// Random vectors that are not normalised.
    static func vectors(_ rows: Int, _ columns: Int, seed: UInt64) -> Matrix {
        var generator = RandomGenerator(seed: seed)
        return Matrix(rows: rows, columns: columns, values: (0..<rows * columns).map { _ in generator.normal() })
    }

    static let vocabulary = 40

    /// Random texts, labels and vectors: 14 documents (11 and 12 share a text), 17 queries (3 and 4 share one), the last five for dev.
    static func random(seed: UInt64 = 1) throws -> TrainingData<ToyInputs> {
        var generator = RandomGenerator(seed: seed)
        func texts(_ count: Int) -> [[Int]] {
            (0..<count).map { _ in
                (0..<(1 + generator.index(below: 5))).map { _ in generator.index(below: vocabulary) }
            }
        }
        var documents = texts(14)
        documents[12] = documents[11]
        var queries = texts(17)
        queries[4] = queries[3]
        var labels: [[Judgement]] = (0..<17).map { query in
            (0..<14).shuffled(using: &generator).prefix(1 + query % 3).map {
                Judgement(column: $0, grade: Float(1 + generator.index(below: 2)))
            }
        }
        labels[0] = [Judgement(column: 11)]
        var documentVectors = vectors(14, 8, seed: seed + 1)
        for column in 0..<8 { documentVectors[12, column] = documentVectors[11, column] }
        return try TrainingData(
            queries: ToyInputs(rows: queries), documents: ToyInputs(rows: documents), labels: labels,
            trainQueries: Array(0..<12), devQueries: Array(12..<17), blackBoxQueries: vectors(17, 8, seed: seed + 2),
            blackBoxDocuments: documentVectors, queryIdentities: TextIdentity.classes(of: queries),
            documentIdentities: TextIdentity.classes(of: documents))
    }

    /// A domain that the black box understands only in part. There are four documents per topic, and the black box's
    /// vectors depend only on the topic. Each document has a word for its kind, and queries have a different word
    /// (house jargon) for the same kind. The mapping between both words is the same for all topics. Training and dev
    /// have different topics.
    static func jargon(topics: Int = 24) throws -> TrainingData<ToyInputs> {
        let kinds = 4
        var generator = RandomGenerator(seed: 3)
        let topicVectors = vectors(topics, 16, seed: 4)
        var (documents, queries): ([[Int]], [[Int]]) = ([], [])
        var labels: [[Judgement]] = []
        var (documentVectors, queryVectors): ([Float], [Float]) = ([], [])
        func noisy(_ topic: Int) -> [Float] { topicVectors.row(topic).map { $0 + 0.2 * generator.normal() } }
        for topic in 0..<topics {
            for kind in 0..<kinds {
                documents.append([kind, kinds * 2 + topic])
                queries.append([kinds + kind, kinds * 2 + topics + generator.index(below: 8)])
                labels.append([Judgement(column: topic * kinds + kind)])
                documentVectors += noisy(topic)
                queryVectors += noisy(topic)
            }
        }
        let held = (topics - 6) * kinds
        return try TrainingData(
            queries: ToyInputs(rows: queries), documents: ToyInputs(rows: documents), labels: labels,
            trainQueries: Array(0..<held), devQueries: Array(held..<topics * kinds),
            blackBoxQueries: Matrix(rows: queries.count, columns: 16, values: queryVectors),
            blackBoxDocuments: Matrix(rows: documents.count, columns: 16, values: documentVectors))
    }

    static let jargonVocabulary = 8 + 24 + 8
}

/// A folder that is removed when the object is released.
final class ScratchFolder {
    let url: URL

    init() throws {
        url = FileManager.default.temporaryDirectory.appendingPathComponent("mafin-training-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: url) }
}
