import Foundation
import MafinBlackBox
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval
import MafinTestSupport
import Testing

@testable import MafinWorkflows

@Suite struct DistillationWorkflowTests {
    /// Each text is a number, and its vector the point of the circle at that many degrees.
    private struct Circle: BlackBox {
        var identity: BlackBoxIdentity { BlackBoxIdentity(provider: "toy", model: "circle", dimension: 2) }

        func embed(_ items: [EmbeddingItem], as role: TextRole) async throws -> Matrix {
            Matrix(rows: items.count, columns: 2, values: items.flatMap { Self.point(Double($0.text) ?? 0) })
        }

        static func point(_ degrees: Double) -> [Float] {
            let angle = degrees * .pi / 180
            return [Float(cos(angle)), Float(sin(angle))]
        }
    }

    private static func collection(_ folder: TemporaryFolder, test: Bool) throws -> RetrievalCollection {
        let documents = (0..<30).map { #"{"_id": "d\#($0)", "title": "", "text": "\#($0 * 7)"}"# }
        try folder.write(documents.joined(separator: "\n"), to: "corpus.jsonl")
        // The last query has the text of the first, which is judged in test.
        let queries = (0..<16).map { #"{"_id": "q\#($0)", "text": "\#($0 == 15 ? 0 : $0 * 11).3"}"# }
        try folder.write(queries.joined(separator: "\n"), to: "queries.jsonl")
        if test { try folder.write("query-id\tcorpus-id\tscore\nq0\td0\t1", to: "qrels/test.tsv") }
        return try RetrievalCollection(contentsOf: folder.url)
    }

    @Test func queriesOfTestAreNotLearned() async throws {
        try await TemporaryFolder.with { folder in
            let all = try DistillationWorkflow.learned(of: Self.collection(folder, test: false))
            #expect(all.map(\.id) == (0..<16).map { "q\($0)" })
            let learned = try DistillationWorkflow.learned(of: Self.collection(folder, test: true))
            #expect(learned.map(\.id) == (1..<15).map { "q\($0)" })
        }
    }

    /// The answers of a query are the first documents of its fused rankings; with one ranking, its first ten.
    @Test func fusedRankingsAreTheLabels() async throws {
        try await TemporaryFolder.with { folder in
            let collection = try Self.collection(folder, test: true)
            let queries = try DistillationWorkflow.learned(of: collection)
            let vectors = try await BlackBoxVectors(
                asking: Circle(), documents: collection.documents, queries: queries)
            let nearest = try VectorSystem(queries: vectors.queryVectors, documents: vectors.documentVectors)
                .rankings(queries: Array(queries.indices), count: 30)
            var backwards = Rankings()
            for row in queries.indices { backwards.append(nearest[row].reversed()) }
            let splits = DistillationWorkflow.splits(of: collection, queries, fusing: [nearest])
            let (train, dev) = (try splits.qrels(.train), try splits.qrels(.dev))
            #expect(Set(dev.queryIds) == ["q7", "q14"])
            #expect(Set(train.queryIds + dev.queryIds) == Set(queries.map(\.id)))
            func answers(of query: Query, _ splits: JudgedSplits) throws -> Set<String> {
                let labels = try splits.qrels(.train)[query.id] ?? splits.qrels(.dev)[query.id] ?? [:]
                return Set(labels.filter { $0.value > 0 }.keys)
            }
            // The sum of 1 / (60 + rank) over a ranking and its reverse is largest at both ends.
            let fused = DistillationWorkflow.splits(of: collection, queries, fusing: [nearest, backwards])
            for query in queries {
                let angle = try #require(Double(query.text))
                let order = (0..<30).sorted { abs(Double($0 * 7) - angle) < abs(Double($1 * 7) - angle) }
                #expect(try answers(of: query, splits) == Set(order.prefix(10).map { "d\($0)" }), "\(query.id)")
                let ends = order.prefix(5) + order.suffix(5)
                #expect(try answers(of: query, fused) == Set(ends.map { "d\($0)" }), "\(query.id)")
            }
        }
    }
}
