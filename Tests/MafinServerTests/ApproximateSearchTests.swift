import Foundation
import MafinBlackBox
import MafinImages
import MafinMethod
import MafinNumerics
import MafinRetrieval
import MafinTestSupport
import Testing

@testable import MafinPipeline
@testable import MafinServer

/// An index with a graph, searched approximately, beside the same index searched exactly.
@Suite struct ApproximateSearchTests {
    private static let documents: [Document] = (0..<4_200).map { number in
        var random = RandomGenerator(seed: UInt64(number))
        let words = ToyArtefact.words
        let text = (0..<(3 + number % 20)).map { _ in words[Int.random(in: 0..<59, using: &random)] }
        return Document(id: "d\(number)", title: "", text: text.joined(separator: " "))
    }

    private static func write(_ toy: ToyArtefact, _ wanted: SearchIndex.Approximation = .always) async throws {
        let model = try toy.model()
        try await SearchIndex.write(
            model, documents: documents, collection: "toy", asking: toy.blackBox, to: toy.index,
            options: .init(approximation: wanted))
    }

    private static func body(_ more: [String: Any] = [:]) -> [String: Any] {
        ["query": "w3 w4", "top": 10].merging(more) { $1 }
    }

    private static func ids(_ answer: Answer, _ field: String = "results") -> [String] {
        (answer.json[field] as? [[String: Any]])?.compactMap { $0["id"] as? String } ?? []
    }

    private static func refusal<E: Error>(_ type: E.Type, _ toy: ToyArtefact) throws -> String {
        let error = #expect(throws: type) { try SearchIndex(readingFrom: toy.index, readsGraph: true) }
        return error.map { "\($0)" } ?? ""
    }

    /// `index.json` says what the graph finds, with the artefact's weights and with the black box's alone, and small collections get none unless it is asked for.
    @Test func theManifestSaysWhatIsFound() async throws {
        let toy = try ToyArtefact()
        try await Self.write(toy, .automatic)
        #expect(try SearchIndex(readingFrom: toy.index, verification: .content).manifest.approximation == nil)
        try await Self.write(toy)
        let manifest = try SearchIndex(readingFrom: toy.index, verification: .content, readsGraph: true).manifest
        let record = try #require(manifest.approximation)
        #expect(manifest.files.contains { $0.path == "graph.hnsw" } && record.sample == 200)
        #expect(abs(record.weights[0] - 0.7) < 1e-6 && abs(record.weights[1] - 0.3) < 1e-6)
        let main = try #require(record.recall(with: [1.4, 0.6]))
        #expect(main.at10 >= 0.95 && main.at100 >= 0.9 && main.at10 <= 1)
        #expect(record.recall(with: [0.5, 0.5]) == nil && record.recall(with: [0, 0]) == nil)
        #expect(record.text.contains("\(ApproximationRecord.percent(main.at10)) of the best 10"))
        #expect(ApproximationRecord.percent(0.98765) == "98.7 %" && ApproximationRecord.percent(1) == "100.0 %")
        let decoded = try JSONDecoder().decode(IndexManifest.self, from: JSONEncoder().encode(manifest))
        #expect(decoded == manifest)
    }

    /// Each document that is found has the score of exact search to the last bit, and nearly all of the best are found; with BM25's part, too, whose best are candidates.
    @Test(arguments: [false, true]) func scoresAreThoseOfExactSearch(hasBM25: Bool) async throws {
        let toy =
            try hasBM25
            ? ToyArtefact([
                (ScoredKind.blackBox().source, 0.5), (LocalVectorSource(dimension: ToyArtefact.localDimension), 0.3),
                (ScoredKind.bm25().source, 0.2),
            ]) : ToyArtefact()
        try await Self.write(toy)
        let model = try toy.model()
        let opened = try SearchIndex(readingFrom: toy.index, readsGraph: true)
        let index = try opened.prepared(for: model.sources)
        let weights = model.manifest.rankingWeights(offline: false)
        #expect(index.canApproximate(weights))
        var found = 0
        for number in 0..<40 {
            let text = "w\(number) w\(number + 7) f\(number % 9)"
            let inputs = try model.queries(
                [Item(text)],
                blackBox: Matrix(rows: 1, columns: ToyBlackBox.dimension, values: ToyBlackBox.vector(text, .query)),
                weights: weights)
            let queries = try index.queries(inputs)
            let exact = try index.best(of: queries, weights: weights, count: 10, exactly: true)
            let near = try index.best(of: queries, weights: weights, count: 10)
            #expect(near.isApproximate && !exact.isApproximate && near.ranking.count == 10)
            #expect(exact.ranking == Array(try index.rankings(of: queries, weights: weights, count: 10)[0]))
            let all = try index.rankings(of: queries, weights: weights, count: Self.documents.count)[0]
            let scores = Dictionary(uniqueKeysWithValues: all.map { ($0.index, $0.score.bitPattern) })
            #expect(near.ranking.allSatisfy { scores[$0.index] == $0.score.bitPattern })
            found += Set(near.ranking.map(\.index)).intersection(exact.ranking.map(\.index)).count
            // Other weights, of which nothing is known, and rankings of many documents.
            let others = weights.replacing([.local: 3 * weights[.local]])
            #expect(try !index.best(of: queries, weights: #require(others), count: 10).isApproximate)
            #expect(try !index.best(of: queries, weights: weights, count: 600).isApproximate)
        }
        #expect(found >= 380)
        // Without the graph every search is exact.
        let plain = try SearchIndex(readingFrom: toy.index).prepared(for: model.sources)
        #expect(!plain.canApproximate(weights))
    }

    /// The service says whether an answer is approximate, and a request or an option makes it exact.
    @Test func theServiceSaysSo() async throws {
        let toy = try ToyArtefact()
        try await Self.write(toy)
        let exact = try await toy.service(withIndex: true).serving { client in
            let near = try await client.post("/search", Self.body())
            #expect(near.status == 200 && near.json["approximate"] as? Bool == true, "\(near.text)")
            let exact = try await client.post("/search", Self.body(["exact": true]))
            #expect(exact.json["approximate"] as? Bool == false)
            #expect(Set(Self.ids(near)).intersection(Self.ids(exact)).count >= 9)
            let own = Set(Self.ids(near, "black_box_ranking")).intersection(Self.ids(exact, "black_box_ranking"))
            #expect(own.count >= 9)
            // A place that is given is the place in the list.
            let places = Self.ids(near, "black_box_ranking")
            for hit in near.json["results"] as? [[String: Any]] ?? [] {
                guard let place = places.firstIndex(of: hit["id"] as? String ?? "") else { continue }
                #expect(hit["black_box_rank"] as? Int == place + 1)
            }
            let other = try await client.post("/search", Self.body(["lambda": 0.6]))
            #expect(other.json["approximate"] as? Bool == false)
            let context = try await client.post("/v1/context", ["query": "w3 w4"])
            #expect(context.json["approximate"] as? Bool == true, "\(context.text)")
            let wrong = try await client.post("/search", Self.body(["exact": 3]))
            #expect(wrong.status == 400)
            return Self.ids(exact)
        }
        var options = ServiceOptions()
        options.isExact = true
        try await toy.service(options, withIndex: true).serving { client in
            let answer = try await client.post("/search", Self.body())
            #expect(answer.json["approximate"] as? Bool == false && Self.ids(answer) == exact)
        }
    }

    /// A graph of other vectors or weights, a damaged one, and one that `index.json` does not fit are refused with their names.
    @Test func unfitGraphsAreRefused() async throws {
        let toy = try ToyArtefact()
        try await Self.write(toy)
        let graph = toy.index.appendingPathComponent(ApproximationRecord.file)
        let good = try Data(contentsOf: graph)
        var data = good
        data[60] ^= 1
        try data.write(to: graph)
        let bound = try Self.refusal(NumericsError.self, toy)
        #expect(bound.contains("graph.hnsw") && bound.contains("other vectors or of other weights"))
        // Without the graph the index is still good.
        #expect(try SearchIndex(readingFrom: toy.index).count == 4_200)
        try good.dropLast().write(to: graph)
        #expect(try Self.refusal(IndexError.self, toy).contains("graph.hnsw"))
        try good.write(to: graph)

        let file = toy.index.appendingPathComponent(IndexManifest.fileName)
        let manifest = try SearchIndex(readingFrom: toy.index).manifest
        func refusal<E: Error>(_ type: E.Type, _ change: (inout IndexManifest) -> Void) throws -> String {
            var changed = manifest
            change(&changed)
            try JSONEncoder().encode(changed).write(to: file)
            return try Self.refusal(type, toy)
        }
        #expect(try refusal(NumericsError.self) { $0.approximation?.weights = [0.5, 0.5] }.contains("other weights"))
        #expect(try refusal(IndexError.self) { $0.approximation?.weights = [1] }.contains("2 weights"))
        #expect(try refusal(IndexError.self) { $0.approximation?.measured[0].breadth = 0 }.contains("breadth"))
        #expect(try refusal(IndexError.self) { $0.approximation?.measured[0].at10 = 2 }.contains("shares"))
        #expect(
            try refusal(IndexError.self) { $0.files.removeAll { $0.path == "graph.hnsw" } }.contains("graph.hnsw"))
    }
}
