import Foundation
import MafinBlackBox
import MafinEncoder
import MafinNumerics
import MafinRetrieval
import MafinTestSupport
import Testing

@testable import MafinMethod
@testable import MafinPipeline

/// The whole path on the bundled sample: train, write, load, evaluate, search. Needs the released encoder.
@Suite("Pipeline", .enabled(if: TestModel.isAvailable, "\(TestModel.skipMessage)"), .serialized)
struct PipelineTests {
    private static let sample = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../../Samples/handbook").standardizedFileURL

    /// Shared by the tests: a short training and its artefact on disk.
    private struct Trained {
        var collection: RetrievalCollection
        var blackBox: StoredVectors
        var vectors: BlackBoxVectors
        var folder: URL
        var manifest: ArtefactManifest
        var released: URL
    }

    /// The cache of vectors that the tests of this run share, in a new folder.
    private static let cacheFolder = FileManager.default.temporaryDirectory
        .appendingPathComponent("mafin-pipeline-\(UUID().uuidString)")
    private static let cache = LocalVectorCache(folder: cacheFolder)

    private static func train(_ contender: Contender, mode: ModeChoice.Mode, steps: Int) async throws -> Trained {
        let released = try #require(TestModel.folder())
        let collection = try RetrievalCollection(contentsOf: sample)
        let blackBox = try StoredVectors(contentsOf: sample.appendingPathComponent("black-box"))
        let vectors = try await BlackBoxVectors(
            asking: blackBox, documents: collection.documents, queries: collection.queries)
        var settings = CollectionTraining.Settings()
        settings.mode = mode
        settings.options.steps = steps
        settings.options.evaluations = 2
        let training = try CollectionTraining(
            collection: collection, splits: JudgedSplits(collection, seed: 1), vectors: vectors,
            released: ReleasedEncoder(name: "all-MiniLM-L6-v2", folder: released), settings: settings, cache: cache)
        let trained = try training.train(contender, checkpointFolder: nil)
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("mafin-\(UUID().uuidString)")
        let artefact = try trained.write(to: folder)
        return Trained(
            collection: collection, blackBox: blackBox, vectors: vectors, folder: folder, manifest: artefact.manifest,
            released: released)
    }

    @Test("Train, write, load, evaluate, search")
    func wholeWay() async throws {
        let trained = try await Self.train(.mafin, mode: .query, steps: 16)
        defer { try? FileManager.default.removeItem(at: trained.folder) }
        #expect(trained.manifest.documentEncoder?.folder == nil, "the query tower leaves the documents as released")
        #expect(trained.manifest.queryEncoder?.folder == EncoderRecord.queryFolder)
        #expect(trained.manifest.blackBoxDimension == 768)

        let model = try ArtefactModel(artefact: trained.folder) { _ in trained.released }
        #expect(model.joinedDimension == 768 + 384)
        let evaluation = try ArtefactEvaluation(
            of: model, on: MeasuredSplit("test", of: trained.collection, for: model.artefact), vectors: trained.vectors,
            cache: Self.cache,
            released: { _ in trained.released })
        let report = try evaluation.report()
        let ndcg = Dictionary(
            uniqueKeysWithValues: report.systems.map { ($0.name, $0.metrics[.nDCG(cutoff: 10)] ?? 0) })
        // Measured in Python, by pytrec_eval over numpy products of the same vectors (Samples/handbook/README.md).
        #expect(abs((ndcg["black-box"] ?? 0) - 0.497) < 0.001)
        #expect(abs((ndcg["local"] ?? 0) - 0.420) < 0.001)
        #expect(abs((ndcg["concatenation"] ?? 0) - 0.517) < 0.001)
        #expect((ndcg["artefact"] ?? 0) > (ndcg["black-box"] ?? 0) + 0.02)
        #expect(ndcg["mafin"] == ndcg["artefact"] && ndcg["artefact-dense"] == nil)
        #expect(Set(evaluation.omitted.map(\.name)) == ["tuned-alone", "paper-mafin", "lambda-mafin"])

        try searches(model, trained)
        try joins(model, trained)
    }

    /// Four steps of the query tower on the sample.
    private static func shortTraining() async throws -> (training: CollectionTraining, vectors: BlackBoxVectors) {
        let collection = try RetrievalCollection(contentsOf: sample)
        let vectors = try await BlackBoxVectors(
            asking: StoredVectors(contentsOf: sample.appendingPathComponent("black-box")),
            documents: collection.documents, queries: collection.queries)
        var settings = CollectionTraining.Settings()
        settings.mode = .query
        settings.options.steps = 4
        settings.options.evaluations = 1
        let released = try ReleasedEncoder(name: "all-MiniLM-L6-v2", folder: #require(TestModel.folder()))
        return (
            try CollectionTraining(
                collection: collection, splits: JudgedSplits(collection, seed: 1), vectors: vectors,
                released: released, settings: settings, cache: cache), vectors
        )
    }

    /// The systems on which rivals are built rank like the artefact. A learning curve over two sizes has its points.
    @Test("Systems of a trained encoder")
    func systems() async throws {
        let (training, _) = try await Self.shortTraining()
        let splits = JudgedSplits(training.collection, seed: 1)
        let (blackBoxQueries, blackBoxDocuments) = (training.data.blackBoxQueries, training.data.blackBoxDocuments)
        let base = TrainingBase(name: "black box again", identity: "1") {
            Matrix.multiply(blackBoxQueries.selecting(rows: $0), transposed: blackBoxDocuments)
        }
        let trained = try training.train(.hybridMafin, base: base, checkpointFolder: nil)
        let hyperparameters = try #require(trained.manifest.training).hyperparameters
        #expect(hyperparameters["base"] == .text("black box again") && hyperparameters["stepSeconds"] != nil)
        let systems = try training.systems(of: trained)
        #expect(systems.name == "hybrid-mafin")
        let dev = try splits.qrels(.dev)
        let metric = Metric.nDCG(cutoff: 10)
        for (name, system) in [("black-box", training.blackBoxSystem), ("hybrid-mafin", systems.vectors)] {
            let expected = trained.development.systems.first { $0.name == name }?.metrics[metric]
            let found = try training.evaluate(system, on: dev).means[metric]
            #expect(abs((found ?? 0) - (expected ?? 1)) < 1e-3, "\(name)")
        }
    }

    /// A stand-in is trained, shipped and read. Nothing is asked, and the ranking is the one that was fitted.
    @Test("A stand-in")
    func standIn() async throws {
        let (training, vectors) = try await Self.shortTraining()
        let (collection, released) = (training.collection, try #require(TestModel.folder()))
        var own = StandInTraining.Settings()
        own.distillationSteps = 3
        let made = try StandInTraining(training, settings: own).run()
        #expect(made.training.steps >= 3 && made.localQueries?.columns == 384)
        let cosines = (0..<made.blackBoxQueries.rows).map { row in
            zip(made.blackBoxQueries.row(row), training.data.blackBoxQueries.row(row)).reduce(Float(0)) {
                $0 + $1.0 * $1.1
            }
        }
        #expect(cosines.reduce(0, +) / Float(cosines.count) > 0.5, "estimates are near the black box's vectors")

        let trained = try training.train(.mafin, checkpointFolder: nil)
        let base = FileManager.default.temporaryDirectory.appendingPathComponent("mafin-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: base) }
        let artefact = try trained.write(to: base.appendingPathComponent("trained"))
        let sources: [any ScoreSource] = [made.source, LocalVectorSource(dimension: 384)]
        let shipped = try Artefact.ship(
            ShippedSources(try artefact.sources(), mixture: trained.mixing),
            Artefact.Shipment(
                system: "mafin", blackBox: vectors.identity, blackBoxSource: nil, blackBoxDimension: 768, data: [],
                verdict: trained.verdict, knownQueries: training.knownQueries),
            standIn: Artefact.ShippedStandIn(
                sources: ShippedSources(sources, mixture: Mixture(SourceWeights([(.standIn, 2), (.local, 1)]))),
                encoder: made.record, save: made.save),
            encoderFrom: artefact, to: base.appendingPathComponent("shipped"))
        #expect(shipped.manifest.mixing.weights[.standIn] == 0)
        let model = try ArtefactModel(artefact: shipped.folder) { _ in released }
        let split = try MeasuredSplit("test", of: collection, for: model.artefact)
        let evaluation = try ArtefactEvaluation(
            of: model, on: split, vectors: vectors, cache: Self.cache, released: { _ in released })
        let search = try ArtefactSearch(
            model, documents: collection.documents, blackBox: vectors.documentVectors, cache: Self.cache)
        // Inner products of the estimates, written out.
        let places = Dictionary(uniqueKeysWithValues: training.queries.enumerated().map { ($1.id, $0) })
        let local = training.documentBank.normalizedRows().matrix
        let systems = Dictionary(uniqueKeysWithValues: evaluation.systems.map { ($0.name, $0.run) })
        #expect(systems["stand-in"] != nil)
        for query in split.queries.prefix(5) {
            let place = try #require(places[query.id])
            let estimate = made.blackBoxQueries.selecting(rows: [place])
            let own = try #require(made.localQueries).selecting(rows: [place])
            let first = Matrix.multiply(estimate, transposed: training.data.blackBoxDocuments).values
            let second = Matrix.multiply(own, transposed: local).values
            let sums = zip(first, second).map { 2 * $0 + $1 }
            let best = sums.indices.sorted { (-sums[$0], $0) < (-sums[$1], $1) }.prefix(5)
            let hits = try search.hits(query.text, blackBoxVector: nil, count: 5)
            #expect(hits.map(\.id) == best.map { collection.documents[$0].id })
            #expect(hits[0].parts.parts.map(\.source) == [.local, .standIn] && hits[0].blackBoxRank == nil)
            let run = try #require(systems["mafin-offline"])
            #expect(run[query.id]?.prefix(5).map(\.id) == hits.map(\.id))
        }
    }

    /// Both parts add up to the score, and λ = 0 is the black box's own order.
    private func searches(_ model: ArtefactModel, _ trained: Trained) throws {
        let search = try ArtefactSearch(
            model, documents: trained.collection.documents, blackBox: trained.vectors.documentVectors,
            cache: Self.cache)
        let query = trained.collection.queries[3]
        let vector = Array(trained.vectors.queryVectors.row(3))
        let hits = try search.hits(query.text, blackBoxVector: vector, count: 5)
        #expect(hits.map(\.rank) == [1, 2, 3, 4, 5])
        for hit in hits {
            #expect(abs(Float(hit.parts.total) - hit.score) < 1e-6)
        }
        let alone = try search.hits(
            query.text, blackBoxVector: vector, count: 5,
            weights: model.manifest.mixing.rankingWeights.with(lambda: 0))
        #expect(alone.map(\.blackBoxRank) == [1, 2, 3, 4, 5])
        let local = try search.hits(query.text, blackBoxVector: nil, count: 5)
        #expect(local.allSatisfy { $0.parts.parts.map(\.source) == [.local] && $0.blackBoxRank == nil })
    }

    /// The inner product of joined vectors is the mixture of both cosines, here from their definition.
    private func joins(_ model: ArtefactModel, _ trained: Trained) throws {
        let documents = Array(trained.collection.documents.prefix(20))
        let queries = Array(trained.collection.queries.prefix(5))
        let lambda = Double(try #require(model.manifest.mixing.lambda))
        let localDocuments = try model.localVectors(of: documents.map(\.textForEncoding), as: .document)
        let localQueries = try model.localVectors(of: queries.map(\.text), as: .query)
        let blackBoxDocuments = trained.vectors.documentVectors.selecting(rows: 0..<20)
        let blackBoxQueries = trained.vectors.queryVectors.selecting(rows: 0..<5)
        let joined = Matrix.multiply(
            try model.join(blackBox: blackBoxQueries, local: localQueries, as: .query, ids: queries.map(\.id)),
            transposed: try model.join(
                blackBox: blackBoxDocuments, local: localDocuments, as: .document, ids: documents.map(\.id)))
        func cosine(_ a: ArraySlice<Float>, _ b: ArraySlice<Float>) -> Double {
            func inner(_ a: ArraySlice<Float>, _ b: ArraySlice<Float>) -> Double {
                zip(a, b).reduce(0) { $0 + Double($1.0) * Double($1.1) }
            }
            return inner(a, b) / (inner(a, a) * inner(b, b)).squareRoot()
        }
        for query in 0..<5 {
            for document in 0..<20 {
                let expected =
                    (1 - lambda) * cosine(blackBoxQueries.row(query), blackBoxDocuments.row(document))
                    + lambda * cosine(localQueries.row(query), localDocuments.row(document))
                #expect(abs(Double(joined[query, document]) - expected) < 2e-6)
            }
        }
    }

    @Test("The paper's Mafin is mixed at one half; pairs train both sides; another black box is refused")
    func paperAndPairs() async throws {
        let trained = try await Self.train(.paperMafin, mode: .pair, steps: 2)
        defer { try? FileManager.default.removeItem(at: trained.folder) }
        #expect(trained.manifest.mixing.lambda == 0.5)
        #expect(trained.manifest.documentEncoder?.folder == EncoderRecord.documentFolder)
        #expect(trained.manifest.queryEncoder == nil)
        let model = try ArtefactModel(artefact: trained.folder) { _ in trained.released }
        #expect(model.encoder?.query === model.encoder?.document)
        var other = trained.blackBox.identity
        other.contentHash = "other"
        #expect(throws: ArtefactError.self) { try model.artefact.require(blackBox: other) }
    }
}

@Suite("Judged splits")
struct JudgedSplitsTests {
    @Test("A folder without dev gets a part of train, cut by document, the same each time")
    func heldOut() throws {
        let documents = (0..<100).map { Document(id: "d\($0)", title: "", text: "text \($0)") }
        let queries = (0..<100).map { Query(id: "q\($0)", text: "query \($0)") }
        let labels = Qrels((0..<100).map { ("q\($0)", "d\($0)", 1) })
        let collection = RetrievalCollection(documents: documents, queries: queries, qrels: ["train": labels])
        let splits = JudgedSplits(collection, seed: 1)
        let (train, dev) = (try splits.qrels(.train), try splits.qrels(.dev))
        #expect(train.queryIds.count + dev.queryIds.count == 100)
        #expect((10...20).contains(dev.queryIds.count))
        #expect(Set(train.queryIds).isDisjoint(with: dev.queryIds))
        #expect(try JudgedSplits(collection, seed: 1).qrels(.dev) == dev)
        #expect(throws: RetrievalError.self) { try splits.qrels(.test) }
    }

    @Test("A single file is cut into three")
    func single() throws {
        let documents = (0..<100).map { Document(id: "d\($0)", title: "", text: "text \($0)") }
        let queries = (0..<200).map { Query(id: "q\($0)", text: "query \($0)") }
        let labels = Qrels((0..<200).map { ("q\($0)", "d\($0 / 2)", 1) })
        let collection = RetrievalCollection(
            documents: documents, queries: queries, qrels: [RetrievalCollection.wholeSplit: labels])
        let splits = JudgedSplits(collection, seed: 1)
        let parts = try JudgedSplits.Part.allCases.map { try splits.qrels($0) }
        #expect(parts.reduce(0) { $0 + $1.queryIds.count } == 200)
        #expect(parts.allSatisfy { !$0.isEmpty })
        let answers = parts.map { part in Set(part.queryIds.flatMap { part.relevantDocuments(of: $0).map(\.document) })
        }
        #expect(answers[0].isDisjoint(with: answers[1]) && answers[1].isDisjoint(with: answers[2]))
    }

    /// Queries a and c have the same text, and so have b and d.
    private let leaking = RetrievalCollection(
        documents: (0..<6).map { Document(id: "d\($0)", text: "text \($0)") },
        queries: [
            Query(id: "a", text: "what is it"), Query(id: "b", text: "who was there"), Query(id: "e", text: "when"),
            Query(id: "c", text: "What is it?"), Query(id: "d", text: "who WAS there"), Query(id: "f", text: "how"),
            Query(id: "g", text: "When?"),
        ],
        qrels: [
            "train": Qrels([("a", "d0", 1), ("e", "d1", 1), ("f", "d2", 1)]),
            "dev": Qrels([("b", "d2", 1), ("g", "d3", 1)]),
            "test": Qrels([("c", "d4", 1), ("d", "d5", 1)]), "other": Qrels([("f", "d5", 1)]),
        ])

    @Test("Queries whose text is in another split are left out of train and dev")
    func leaks() throws {
        let splits = JudgedSplits(leaking)
        #expect(try splits.qrels(.train).queryIds == ["f"], "a stands in test, e in dev")
        #expect(try splits.qrels(.dev).queryIds == ["g"], "b stands in test")
        #expect(try splits.qrels(.test).queryIds == ["c", "d"], "what is measured stays whole")
        #expect(try splits.leaks().map(\.id) == ["a", "b"])
        let allowed = JudgedSplits(leaking, allowsLeaks: true)
        #expect(try allowed.qrels(.train).queryIds == ["a", "f"] && allowed.qrels(.dev).queryIds == ["b", "g"])
        #expect(try allowed.leaks().map(\.id) == ["a", "b"])
        // For another measured split other queries are leaks. Here no training query is left.
        let other = JudgedSplits(leaking, measured: "other")
        #expect(try other.qrels(.dev).queryIds == ["b", "g"] && other.leaks().map(\.id) == ["f"])
        #expect(try other.qrels(.train).queryIds == ["a"])
    }

    @Test("Queries of equal text in a single file are in one part")
    func queriesOfEqualTextAreInOnePart() throws {
        let documents = (0..<40).map { Document(id: "d\($0)", text: "text \($0 / 2)") }
        let queries = (0..<80).map { Query(id: "q\($0)", text: "query \($0 % 40)") }
        let labels = Qrels((0..<80).map { ("q\($0)", "d\($0 % 40)", 1) })
        let collection = RetrievalCollection(
            documents: documents, queries: queries, qrels: [RetrievalCollection.wholeSplit: labels])
        for seed in 1...UInt64(5) {
            let parts = try JudgedSplits.Part.allCases.map { try JudgedSplits(collection, seed: seed).qrels($0) }
            let texts = parts.map { part in Set(collection.queries(judgedIn: part).map(\.text)) }
            let answers = parts.map { part in
                Set(
                    part.queryIds.flatMap { part.relevantDocuments(of: $0) }.map { $0.document.dropFirst() }
                        .compactMap { Int($0) }.map { $0 / 2 })
            }
            for (one, other) in [(0, 1), (0, 2), (1, 2)] {
                #expect(texts[one].isDisjoint(with: texts[other]) && answers[one].isDisjoint(with: answers[other]))
            }
            #expect(parts.reduce(0) { $0 + $1.queryIds.count } == 80)
        }
    }
}
