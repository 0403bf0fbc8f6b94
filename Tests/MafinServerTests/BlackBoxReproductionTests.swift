import Foundation
import MafinBlackBox
import MafinEncoder
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval
import MafinTestSupport
import Testing

@testable import MafinServer

/// With λ = 0 every command gives the black box's own ranking, each score with the same bits.
@Suite struct BlackBoxReproductionTests {
    private let toy: ToyArtefact
    private let queries = (0..<12).map { Query(id: "q\($0)", text: "w\($0) f\($0) w\($0 + 20)") }
    private let collection: RetrievalCollection

    init() throws {
        toy = try ToyArtefact(lambda: 0)
        let part = { (range: Range<Int>) in Qrels(range.map { ("q\($0)", "d\($0)", 1) }) }
        collection = RetrievalCollection(
            documents: ToyArtefact.documents, queries: queries,
            qrels: ["train": part(0..<6), "dev": part(6..<9), "test": part(9..<12)])
    }

    private func vectors() async throws -> BlackBoxVectors {
        try await BlackBoxVectors(asking: toy.blackBox, documents: collection.documents, queries: queries)
    }

    /// The black box's own ranking of all documents, by exact search over only its vectors.
    private func expected(_ vectors: BlackBoxVectors) throws -> Run {
        let rankings = try VectorIndex(VectorRows(vectors.documentVectors))
            .search(queries: vectors.queryVectors, count: collection.documents.count)
        return Run(rankings, queryIds: queries.map(\.id), documentIds: collection.documentIds)
    }

    @Test func evaluateSearchAndServeGiveTheSameBits() async throws {
        let vectors = try await vectors()
        let expected = try expected(vectors)
        let model = try toy.model()
        let cache = LocalVectorCache(folder: nil)

        for part in ["train", "dev", "test"] {
            let split = try MeasuredSplit(part, of: collection, for: model.artefact)
            let evaluation = try ArtefactEvaluation(
                of: model, on: split, vectors: vectors, cache: cache, released: { _ in throw CancellationError() })
            for name in ["black-box", "artefact"] {
                let run = try #require(evaluation.systems.first { $0.name == name }?.run)
                for query in split.queries { #expect(run[query.id] == expected[query.id], "evaluate, \(name)") }
            }
        }

        let search = try ArtefactSearch(
            model, documents: collection.documents, blackBox: vectors.documentVectors, cache: cache)
        try await toy.writeIndex()
        let queries = queries
        let toy = toy
        var found = Run()
        for (row, query) in queries.enumerated() {
            let hits = try search.hits(
                query.text, blackBoxVector: ToyBlackBox.vector(query.text, .query), count: collection.documents.count)
            found.setRanking(hits.map { ScoredDocument(id: $0.id, score: $0.score) }, for: query.id)
            #expect(hits.map(\.blackBoxRank) == (1...hits.count).map { $0 })
            #expect(vectors.queries[row] == query)
        }
        #expect(found == expected, "search")
        try await toy.service(withIndex: true).serving { client in
            var served = Run()
            for query in queries {
                let answer = try await client.post(
                    "/search", ["query": query.text, "top": ToyArtefact.documents.count])
                let hits = try #require(answer.json["results"] as? [[String: Any]])
                served.setRanking(
                    try hits.map {
                        ScoredDocument(
                            id: try #require($0["id"] as? String),
                            score: try #require($0["score"] as? NSNumber).floatValue)
                    }, for: query.id)
            }
            #expect(served == expected, "serve")
        }
    }

    @Test func embedKeepsTheBlackBoxsBits() async throws {
        let vectors = try await vectors()
        let model = try toy.model()
        let asked = try await model.embed(
            queries.map { EmbeddingItem(id: $0.id, text: $0.text) }, as: .query, asking: toy.blackBox)
        let stored = try await model.embed(
            collection.documents.map { EmbeddingItem(id: $0.id, text: $0.textForEncoding) }, as: .document,
            asking: toy.blackBox)
        for row in queries.indices {
            #expect(asked.row(row).prefix(ToyBlackBox.dimension) == vectors.queryVectors.row(row))
            #expect(asked.row(row).dropFirst(ToyBlackBox.dimension).allSatisfy { $0 == 0 })
        }
        for row in collection.documents.indices {
            #expect(stored.row(row).prefix(ToyBlackBox.dimension) == vectors.documentVectors.row(row))
        }
        let parts = [
            try VectorRows(stored).selecting(columns: 0..<ToyBlackBox.dimension),
            try VectorRows(stored).selecting(columns: ToyBlackBox.dimension..<stored.columns),
        ]
        let rankings = try VectorIndex(parts: parts).search(queries: asked, count: collection.documents.count)
        #expect(
            Run(rankings, queryIds: queries.map(\.id), documentIds: collection.documentIds) == (try expected(vectors)))
    }

    /// The report of a training has the same dev metrics as an evaluation of its artefact.
    @Test func trainReportsWhatEvaluateDoes() async throws {
        let released = toy.folder.url.appendingPathComponent("released")
        let source = toy.folder.url.appendingPathComponent("source")
        try FileManager.default.createDirectory(at: released, withIntermediateDirectories: true)
        try TransformerEncoder(architecture: Architecture.read(modelFolder: source), pooling: .mean, seed: 3)
            .save(to: released, tokenizerFrom: source)
        let vectors = try await vectors()
        var settings = CollectionTraining.Settings()
        settings.mode = .query
        settings.options.steps = 3
        settings.options.evaluations = 1
        let cache = LocalVectorCache(folder: nil)
        let splits = JudgedSplits(collection, measured: "test")
        let training = try CollectionTraining(
            collection: collection, splits: splits, vectors: vectors,
            released: ReleasedEncoder(name: "toy", folder: released), settings: settings, cache: cache)
        let trained = try training.train(.mafin, checkpointFolder: nil)
        let folder = toy.folder.url.appendingPathComponent("trained")
        try trained.write(to: folder)
        let model = try ArtefactModel(artefact: folder, released: { _ in released })
        let report = try ArtefactEvaluation(
            of: model, on: MeasuredSplit("dev", of: collection, for: model.artefact), vectors: vectors, cache: cache,
            released: { _ in released }
        ).report()
        for (name, own) in [("black-box", "black-box"), ("mafin", "artefact")] {
            let told = try #require(trained.development.systems.first { $0.name == name }?.metrics)
            #expect(told == report.systems.first { $0.name == own }?.metrics, "\(name)")
        }
        let own = try evaluate(expected(vectors), against: splits.qrels(.dev), metrics: Metric.standard).means
        #expect(trained.development.systems.first { $0.name == "black-box" }?.metrics == own)
    }
}
