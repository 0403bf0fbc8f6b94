import Foundation
import MafinBlackBox
import MafinMethod
import MafinNumerics
import MafinRetrieval
import MafinTestSupport
import Synchronization
import Testing

@testable import MafinPipeline
@testable import MafinWorkflows

@Suite struct ReductionWorkflowTests {
    private func reduction(_ toy: ToySources, _ dimensions: Int?, target: String? = nil) throws -> ReductionWorkflow {
        ReductionWorkflow(
            artefact: toy.artefact, data: toy.data, output: toy.folder.url.appendingPathComponent("SMALL").path,
            size: try #require(try IndexSize(dimensions: dimensions, target: target)), context: WorkflowContext(),
            openBlackBox: { _ in toy.blackBox })
    }

    private func reduced(_ toy: ToySources, _ dimensions: Int) async throws -> (
        folder: String, result: ReductionWorkflow.Result
    ) {
        let workflow = try reduction(toy, dimensions)
        return (workflow.output, try await workflow.run())
    }

    /// The same ranking through joined vectors and their inner products, `search` and `evaluate`.
    @Test func everyCommandRanksByTheReducedVectors() async throws {
        let toy = try ToySources()
        defer { toy.remove() }
        let (folder, result) = try await reduced(toy, 5)
        #expect(result.joinedDimension == 8 && result.dimension == 5)
        // Sources without vectors rank too, and their weights fit the scores as they were.
        #expect(result.kind == .closedForm)
        let model = try ArtefactModel(
            artefact: URL(fileURLWithPath: folder), released: { _ in throw CancellationError() })
        let before = try toy.model().manifest.sources
        #expect(model.joinedDimension == 5 && model.manifest.sources == before)
        _ = try Artefact(readingFrom: URL(fileURLWithPath: folder), verification: .content)

        func items(_ texts: [(String, String)]) -> [EmbeddingItem] { texts.map { EmbeddingItem(id: $0.0, text: $0.1) } }
        let documents = try await model.embed(
            items(toy.documents.map { ($0.id, $0.textForEncoding) }), as: .document, asking: toy.blackBox)
        let asked = Array(toy.queries[20...])
        let queries = try await model.embed(items(asked.map { ($0.id, $0.text) }), as: .query, asking: toy.blackBox)
        #expect(documents.columns == 5 && queries.columns == 5)

        var evaluation = EvaluationWorkflow(
            artefact: folder, data: toy.data, context: WorkflowContext(), openBlackBox: { _ in toy.blackBox })
        evaluation.runs = toy.folder.url.appendingPathComponent("runs").path
        let report = try await evaluation.run().report
        #expect(report.systems.map(\.name).contains(ArtefactEvaluation.indexName))
        let run = try Run(contentsOf: toy.folder.url.appendingPathComponent("runs/artefact-index.test.run"))
        let full = try Run(contentsOf: toy.folder.url.appendingPathComponent("runs/artefact.test.run"))
        let names = ToySources.weights.sources
        var changed = 0
        for (row, query) in asked.enumerated() {
            var search = SearchWorkflow(
                artefact: folder, data: toy.data, query: query.text, context: WorkflowContext(),
                openBlackBox: { _ in toy.blackBox })
            search.count = 20
            let found = try await search.run().results
            let measured = try #require(run[query.id])
            let scores = Dictionary(uniqueKeysWithValues: measured.map { ($0.id, $0.score) })
            #expect(found.count == measured.count && found.allSatisfy { scores[$0.id] == $0.score })
            if full[query.id]?.map(\.id) != measured.map(\.id) { changed += 1 }
            // The dense parts add up to the inner product of the joined vectors.
            search.weights.weights = [names[2]: 0, names[3]: 0]
            for hit in try await search.run().results {
                let document = try #require(toy.documents.firstIndex { $0.id == hit.id })
                let product = zip(queries.row(row), documents.row(document)).reduce(Float(0)) { $0 + $1.0 * $1.1 }
                #expect(abs(product - hit.score) < 1e-5 && abs(hit.parts.total - Double(product)) < 1e-5)
                // The rank by the black box itself is exact.
                #expect(hit.blackBoxRank != nil)
            }
        }
        // Five numbers cannot hold eight: some ranking differs.
        #expect(changed > 0)
    }

    /// The sum that ranks if the black box is not asked has figures of its own, and `evaluate` ranks as `search` does.
    @Test func theSumThatAsksNothingIsReducedToo() async throws {
        let toy = try ToySources(hasStandIn: true)
        defer { toy.remove() }
        let (folder, result) = try await reduced(toy, 5)
        let manifest = try Artefact(readingFrom: URL(fileURLWithPath: folder), verification: .content).manifest
        let figures = try #require(manifest.reduction?.offlineDevelopment)
        #expect(figures == result.offlineDevelopment && figures.systems.map(\.name) == ["joined", "reduced"])
        #expect(result.text.contains("; if the black box is not asked, "))

        var evaluation = EvaluationWorkflow(
            artefact: folder, data: toy.data, context: WorkflowContext(), openBlackBox: { _ in toy.blackBox })
        evaluation.runs = toy.folder.url.appendingPathComponent("runs").path
        let names = try await evaluation.run().report.systems.map(\.name)
        #expect(names.contains("mafin-offline") && names.contains("mafin-offline-index"))
        let run = try Run(contentsOf: toy.folder.url.appendingPathComponent("runs/mafin-offline-index.test.run"))
        toy.blackBox.store(toy.documents.map(\.textForEncoding))
        for query in toy.queries[20..<24] {
            var search = SearchWorkflow(
                artefact: folder, data: toy.data, query: query.text, context: WorkflowContext(),
                openBlackBox: { _ in toy.blackBox })
            (search.count, search.isOffline) = (20, true)
            let found = try await search.run().results
            let measured = Dictionary(
                uniqueKeysWithValues: try #require(run[query.id]).map { ($0.id, $0.score) })
            #expect(found.count == measured.count && found.allSatisfy { measured[$0.id] == $0.score })
        }
    }

    /// A comparison has written its artefact when the reduction begins, so a sum that cannot be reduced is no error.
    @Test func whatCannotBeReducedStaysWithANote() async throws {
        let toy = try ToySources()
        defer { toy.remove() }
        let words = toy.folder.url.appendingPathComponent("WORDS")
        let lexical = LexicalSource(
            BM25Weighting(LexicalStatistics(of: InvertedIndex(texts: toy.documents.map(\.text)))))
        try Artefact.ship(
            ShippedSources(
                [BlackBoxVectorSource(dimension: ToySources.dimension), lexical],
                mixture: Mixture(SourceWeights([(.blackBox, 0), (.bm25, 1)]))),
            Artefact.Shipment(
                system: "words", blackBox: toy.blackBox.identity, blackBoxSource: nil,
                blackBoxDimension: ToySources.dimension, data: [],
                verdict: Verdict(lambda: nil, metric: "nDCG@10", difference: nil, queries: 2),
                knownQueries: KnownQueries([])), encoderFrom: nil, to: words)
        let notes = Mutex<[String]>([])
        let workflow = ReductionWorkflow(
            artefact: words.path, data: toy.data, output: words.path,
            size: try #require(try IndexSize(dimensions: 4, target: nil)),
            context: WorkflowContext(note: { note in notes.withLock { $0.append(note) } }),
            openBlackBox: { _ in toy.blackBox })
        let result = try await workflow.runInPlace()
        #expect(result == nil && toy.blackBox.asked == 0)
        #expect(notes.withLock { $0 }.contains { $0.contains("no source with a weight has dense vectors") })
        await #expect(throws: ArtefactError.self) { try await workflow.run() }
    }

    /// The weights are in the query before the map, so the vectors of the documents do not change with them.
    @Test func weightsChangeWithTheSameDocumentVectors() async throws {
        let toy = try ToySources()
        defer { toy.remove() }
        let (folder, _) = try await reduced(toy, 4)
        func search(_ weights: [SourceName: Float]) async throws -> [String: ScoreParts] {
            var search = SearchWorkflow(
                artefact: folder, data: toy.data, query: toy.queries[25].text, context: WorkflowContext(),
                openBlackBox: { _ in toy.blackBox })
            search.count = 20
            search.weights.weights = weights
            return Dictionary(uniqueKeysWithValues: try await search.run().results.map { ($0.id, $0.parts) })
        }
        let once = try await search([ToySources.adapterName: 0.25])
        let thrice = try await search([ToySources.adapterName: 0.75])
        for (id, parts) in once {
            let other = try #require(thrice[id])
            #expect(abs(other[ToySources.adapterName] - 3 * parts[ToySources.adapterName]) < 1e-5)
            #expect(other[.blackBox] == parts[.blackBox])
        }
    }

    @Test func theLossOnDevIsStored() async throws {
        let toy = try ToySources()
        defer { toy.remove() }
        let (folder, result) = try await reduced(toy, 3)
        let description = try ArtefactDescription(Artefact(readingFrom: URL(fileURLWithPath: folder)))
        let record = try #require(description.manifest.reduction)
        #expect(
            record.development == result.development && record.dimension == 3
                && record.weights.values == [1, 0.25, 0.375, 1.5])
        #expect(record.development.systems.map(\.name) == ["joined", "reduced"] && record.development.queries == 2)
        #expect(description.vectors.dimension == 3 && description.vectors.joinedDimension == 8)
        #expect(result.text.hasPrefix("8 numbers reduced to 3 in closed form: on dev nDCG@10 of the vectors alone is "))
        let unreduced = try ArtefactDescription(Artefact(readingFrom: URL(fileURLWithPath: toy.artefact)))
        #expect(unreduced.vectors.joinedDimension == nil)
    }

    /// The maps may be fitted to another collection than the artefact.
    @Test func queriesOfTheFitAreKnown() async throws {
        let toy = try ToySources()
        defer { toy.remove() }
        let labels = (12..<15).map { "q\($0)\td\($0)\t1\n" }.joined()
        try toy.folder.write("query-id\tcorpus-id\tscore\n" + labels, to: "data/qrels/dev.tsv")
        let (folder, _) = try await reduced(toy, 5)
        let artefact = try Artefact(readingFrom: URL(fileURLWithPath: folder), verification: .content)
        let known = try #require(try artefact.knownQueries())
        #expect(known.among(toy.queries).map(\.id) == (Array(0..<10) + Array(12..<15)).map { "q\($0)" })
    }

    /// A reduction is made from the vectors as they were, also if there is one already, and in place.
    @Test func anotherReductionReplacesTheFirst() async throws {
        let toy = try ToySources()
        defer { toy.remove() }
        let (folder, _) = try await reduced(toy, 3)
        var again = try reduction(toy, 6)
        (again.artefact, again.output) = (folder, folder)
        let result = try await again.run()
        #expect(result.joinedDimension == 8 && result.dimension == 6)
        func files() throws -> [ArtefactManifest.FileRecord] {
            try Artefact(readingFrom: URL(fileURLWithPath: folder), verification: .content).manifest.files
        }
        let twice = try files()
        _ = try await reduced(toy, 6)
        #expect(try files() == twice)
        let note = WorkflowContext()
        var fits = ReductionWorkflow(
            artefact: folder, data: toy.data, output: folder,
            size: try #require(try IndexSize(dimensions: 9, target: nil)),
            context: note, openBlackBox: { _ in toy.blackBox })
        var unchanged = try await fits.runInPlace()
        #expect(unchanged == nil)
        fits.size = try #require(try IndexSize(dimensions: nil, target: "pgvector"))
        unchanged = try await fits.runInPlace()
        #expect(unchanged == nil)
    }

    @Test func aSizeThatCannotBeIsOneClearError() async throws {
        let toy = try ToySources()
        defer { toy.remove() }
        for (dimensions, target, words) in [
            (0, nil, "expected at least 1, found 0"), (-3, nil, "expected at least 1, found -3"),
            (2001, "pgvector", "pgvector vector (HNSW, IVFFlat) takes 2000 numbers at most, found 2001"),
            (nil, "pgvektor", "did you mean 'pgvector'?"),
        ] as [(Int?, String?, String)] {
            let refusal = #expect(throws: (any Error).self) { try IndexSize(dimensions: dimensions, target: target) }
            #expect(refusal.map { "\($0)" }?.contains(words) == true, "\(refusal as Any)")
        }
        let none = try IndexSize(dimensions: nil, target: nil)
        #expect(none == nil)
        let halves = try #require(try IndexSize(dimensions: nil, target: "pgvector-halfvec"))
        #expect(halves.dimension(joined: 4096) == 4000 && halves.dimension(joined: 4000) == nil)
        for (dimensions, target, words) in [
            (8, nil, "expected from 1 to 7, found 8"), (100, nil, "expected from 1 to 7, found 100"),
            (nil, "elasticsearch", "have 8 numbers, which Elasticsearch dense_vector takes"),
        ] as [(Int?, String?, String)] {
            let workflow = try reduction(toy, dimensions, target: target)
            let asked = toy.blackBox.asked
            let refusal = await #expect(throws: (any Error).self) { try await workflow.run() }
            #expect(refusal.map { "\($0)" }?.contains(words) == true, "\(refusal as Any)")
            #expect(toy.blackBox.asked == asked)
            #expect(!FileManager.default.fileExists(atPath: workflow.output))
        }
    }

    /// The weights of BM25 and the memory fit the range of the scores as they were.
    @Test func aTrainedMapIsForVectorsAlone() async throws {
        let toy = try ToySources()
        defer { toy.remove() }
        var workflow = try reduction(toy, 5)
        workflow.trainsQueries = true
        let refused = workflow
        let refusal = await #expect(throws: ArtefactError.self) { try await refused.run() }
        #expect(refusal?.description.contains("only the closed form can be used") == true)
    }

    /// Two queries of dev cannot show that a trained map is better, whatever it gains on them.
    @Test func aTrainedMapNeedsEvidence() async throws {
        let toy = try ToySources()
        defer { toy.remove() }
        let alone = toy.folder.url.appendingPathComponent("ALONE")
        try Artefact.ship(
            ShippedSources(
                [BlackBoxVectorSource(dimension: ToySources.dimension)],
                mixture: Mixture(SourceWeights([(.blackBox, 1)]))),
            Artefact.Shipment(
                system: "black-box", blackBox: toy.blackBox.identity, blackBoxSource: nil,
                blackBoxDimension: ToySources.dimension, data: [],
                verdict: Verdict(lambda: nil, metric: "nDCG@10", difference: nil, queries: 2),
                knownQueries: KnownQueries([])), encoderFrom: nil, to: alone)
        var workflow = try reduction(toy, 5)
        workflow.artefact = alone.path
        let closed = try await workflow.run()
        workflow.trainsQueries = true
        let trained = try await workflow.run()
        #expect(trained.kind == .closedForm && trained.development == closed.development)
    }

    /// Artefacts come from strangers.
    @Test func damagedMapsAreNamed() async throws {
        let toy = try ToySources()
        defer { toy.remove() }
        let (folder, _) = try await reduced(toy, 3)
        let root = URL(fileURLWithPath: folder)
        func load() throws -> [any ScoreSource] {
            try Artefact(readingFrom: root, verification: .length).sources()
        }
        #expect(try load().count == 4)
        let manifest = root.appendingPathComponent("manifest.json")
        let text = try String(contentsOf: manifest, encoding: .utf8)
        func refusal(_ change: (inout [String: Any]) -> Void) throws -> String {
            var object = try #require(
                try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
            var record = try #require(object["reduction"] as? [String: Any])
            change(&record)
            object["reduction"] = record
            try JSONSerialization.data(withJSONObject: object).write(to: manifest)
            let refusal = #expect(throws: ArtefactError.self) { try load() }
            return refusal?.description ?? ""
        }
        #expect(try refusal { $0["dimension"] = 4 }.contains("expected documents.npy of 4 × 8, found 3 × 8"))
        #expect(try refusal { $0["dimension"] = 0 }.contains("'reduction.dimension': expected at least 1, found 0"))
        #expect(try refusal { $0["sources"] = [[String: Any]]() }.contains("'reduction.sources'"))
        try text.write(to: manifest, atomically: true, encoding: .utf8)
        let map = root.appendingPathComponent("reduction/queries.npy")
        var matrix = try NumPyFile.read(map)
        matrix.values[4] = .nan
        try NumPyFile.write(matrix, to: map)
        let refusal = #expect(throws: ArtefactError.self) { try load() }
        #expect(refusal?.description.contains("queries.npy of finite numbers") == true)
    }
}
