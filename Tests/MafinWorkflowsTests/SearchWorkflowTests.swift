import Foundation
import MafinBlackBox
import MafinImages
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval
import MafinTestSupport
import Testing

@testable import MafinWorkflows

@Suite struct SearchWorkflowTests {
    private static let memory = SourceName(rawValue: "query-memory-wide")

    private func search(
        _ toy: ToySources, _ query: String, _ weights: [SourceName: Float] = [:], lambda: Float? = nil
    ) async throws -> SearchWorkflow.Result {
        var search = SearchWorkflow(
            artefact: toy.artefact, data: toy.data, query: query, context: WorkflowContext(),
            openBlackBox: { _ in toy.blackBox })
        search.count = toy.documents.count
        search.weights.weights = weights
        search.weights.lambda = lambda
        return try await search.run()
    }

    @Test func partsOfAllSourcesAddUpToTheScore() async throws {
        let toy = try ToySources()
        defer { toy.remove() }
        let found = try await search(toy, toy.queries[3].text)
        #expect(found.blackBoxAsked && found.lambda == nil && found.results.count == 20)
        // Without a local encoder, the black box's weight is the unit.
        #expect(found.weights.sources == ToySources.weights.sources && found.weights.values == [1, 0.25, 0.375, 1.5])
        for hit in found.results {
            #expect(hit.parts.parts.map(\.source) == ToySources.weights.sources)
            #expect(abs(hit.parts.total - Double(hit.score)) < 1e-5)
        }
        #expect(found.results.map(\.score) == found.results.map(\.score).sorted(by: >))
        // The memory knows this query, and its words stand in one document.
        let first = try #require(found.results.first { $0.id == "d3" })
        #expect(abs(first.parts[Self.memory] - 1.5) < 1e-4)
        #expect(first.parts[.bm25] > 0)
    }

    @Test func aWeightReplacesThatOfOneSource() async throws {
        let toy = try ToySources()
        defer { toy.remove() }
        let own = try await search(toy, toy.queries[3].text)
        let changed = try await search(toy, toy.queries[3].text, [.bm25: 0.75, Self.memory: 0])
        #expect(changed.weights.values == [1, 0.25, 0.75, 0])
        for hit in changed.results {
            let before = try #require(own.results.first { $0.id == hit.id }).parts
            #expect(abs(hit.parts[.bm25] - 2 * before[.bm25]) < 1e-5 && hit.parts[.blackBox] == before[.blackBox])
            #expect(!hit.parts.parts.map(\.source).contains(Self.memory))
        }
    }

    @Test func theBlackBoxIsAskedOnlyIfASourceNeedsIt() async throws {
        let toy = try ToySources()
        defer { toy.remove() }
        let words: [SourceName: Float] = [.blackBox: 0, ToySources.adapterName: 0, Self.memory: 0]
        let found = try await search(toy, toy.queries[3].text, words)
        #expect(toy.blackBox.asked == 0 && !found.blackBoxAsked && found.results[0].id == "d3")
        // Documents that share no word with the query are not ranked.
        #expect(found.results.allSatisfy { $0.score > 0 } && found.results.count < 20)
        #expect(found.results.allSatisfy { $0.blackBoxRank == nil })

        // A memory compares queries, so the documents are not asked for.
        let remembered = try await search(toy, toy.queries[3].text, [.blackBox: 0, ToySources.adapterName: 0])
        #expect(toy.blackBox.asked == 1 && remembered.blackBoxAsked && remembered.results[0].id == "d3")
        _ = try await search(toy, toy.queries[3].text)
        #expect(toy.blackBox.asked == 1 + toy.documents.count + 1)
    }

    // MARK: Without the black box

    private func offline(
        _ toy: ToySources, _ query: String, _ weights: [SourceName: Float] = [:]
    ) async throws -> SearchWorkflow.Result {
        var search = SearchWorkflow(
            artefact: toy.artefact, data: toy.data, query: query, context: WorkflowContext(),
            openBlackBox: { _ in toy.blackBox })
        (search.count, search.weights.weights, search.isOffline) = (toy.documents.count, weights, true)
        return try await search.run()
    }

    /// The vectors of documents come from the cache, and nothing is asked.
    @Test func theStandInRanksWithoutAsking() async throws {
        let toy = try ToySources(hasStandIn: true)
        defer { toy.remove() }
        let query = toy.queries[3].text
        let missing = WorkflowError.documentsNotStored(path: toy.data, missing: 20, of: 20)
        await #expect(throws: missing) { try await offline(toy, query) }
        toy.blackBox.store(toy.documents.dropLast().map(\.text))
        let one = WorkflowError.documentsNotStored(path: toy.data, missing: 1, of: 20)
        await #expect(throws: one) { try await offline(toy, query) }
        toy.blackBox.store(toy.documents.map(\.text))
        let found = try await offline(toy, query)
        #expect(toy.blackBox.asked == 0 && !found.blackBoxAsked && found.isOffline && found.lambda == nil)
        // The stand-in has the black box's place in the unit of weights. It comes behind the sources with the black box.
        #expect(found.weights.sources == [.bm25, .standIn] && found.weights.values == [0.25, 1])
        let model = try toy.model()
        let estimate = try #require(model.standIn).vectors(of: [Item(query)]).blackBox.values
        for hit in found.results {
            let text = try #require(toy.documents.first { $0.id == hit.id }).text
            let vector = CountingBlackBox.matrix([text], .document).values
            let cosine = zip(estimate, vector).reduce(0) { $0 + $1.0 * $1.1 }
            #expect(abs(hit.parts[.standIn] - Double(cosine)) < 1e-5)
            #expect(abs(hit.parts[.standIn] + hit.parts[.bm25] - Double(hit.score)) < 1e-5)
            #expect(hit.blackBoxRank == nil)
        }
        #expect(found.results.count == 20 && found.results.map(\.score) == found.results.map(\.score).sorted(by: >))

        let alone = try await offline(toy, query, [.bm25: 0])
        #expect(alone.weights.values == [0, 1])
        #expect(alone.results.allSatisfy { $0.parts.parts.map(\.source) == [.standIn] })
        await #expect(throws: NameError.self) { try await offline(toy, query, [.blackBox: 1]) }
        // With the black box the weights are the others.
        let asked = try await search(toy, query)
        #expect(asked.blackBoxAsked && !asked.isOffline && asked.weights.sources == ToySources.weights.sources)
        let words = try await search(toy, query, [.blackBox: 0, ToySources.adapterName: 0, Self.memory: 0])
        #expect(!words.blackBoxAsked && !words.isOffline && words.weights[.bm25] > 0)
        #expect(words.results.allSatisfy { $0.parts.parts.map(\.source) == [.bm25] })
    }

    /// The file of vectors has no vector of the query, and no source that asks for it reads documents. The stand-in does.
    @Test func theStandInGetsItsDocumentsIfTheQueryIsNotStored() async throws {
        let toy = try ToySources(hasStandIn: true)
        defer { toy.remove() }
        let vectors = toy.folder.url.appendingPathComponent("vectors")
        for (name, ids, matrix) in [
            ("corpus", toy.documents.map(\.id), CountingBlackBox.matrix(toy.documents.map(\.text), .document)),
            ("queries", toy.queries.map(\.id), CountingBlackBox.matrix(toy.queries.map(\.text), .query)),
        ] {
            try toy.folder.write(ids.map { $0 + "\n" }.joined(), to: "vectors/\(name).ids")
            try NumPyFile.write(matrix, to: vectors.appendingPathComponent("\(name).npy"))
        }
        let stored = try StoredVectors(contentsOf: vectors)
        let file = URL(fileURLWithPath: toy.artefact).appendingPathComponent("manifest.json")
        var manifest = try JSONDecoder().decode(ArtefactManifest.self, from: Data(contentsOf: file))
        manifest.blackBox = stored.identity
        try JSONEncoder().encode(manifest).write(to: file)
        var search = SearchWorkflow(
            artefact: toy.artefact, data: toy.data, query: "word3 unknown", context: WorkflowContext(),
            openBlackBox: { _ in stored })
        search.count = 20
        search.weights.weights = [.blackBox: 0, ToySources.adapterName: 0]
        let found = try await search.run()
        #expect(found.isOffline && !found.blackBoxAsked && found.weights.sources == [.bm25, .standIn])
        #expect(found.results.count == 20 && found.results.allSatisfy { $0.parts[.standIn] != 0 })
    }

    @Test func withoutAStandInItIsRefused() async throws {
        let toy = try ToySources()
        defer { toy.remove() }
        await #expect(throws: ArtefactError.noStandIn(path: toy.artefact)) { try await offline(toy, "word1") }
    }

    @Test func weightsThatCannotBeAreRefused() throws {
        func applied(_ mixture: Mixture, _ weights: [SourceName: Float], lambda: Float? = nil) throws -> SourceWeights?
        {
            var changes = WeightChanges()
            (changes.weights, changes.lambda) = (weights, lambda)
            return try changes.applied(to: mixture)
        }
        let sum = Mixture(ToySources.weights)
        #expect(try applied(sum, [:]) == nil)
        let unknown = #expect(throws: NameError.self) { try applied(sum, [SourceName(rawValue: "bm52"): 1]) }
        #expect(unknown?.description.contains("did you mean 'bm25'?") == true)
        #expect(throws: WorkflowError.noLambda(sources: sum.weights.sources.map(\.rawValue))) {
            try applied(sum, [:], lambda: 0.5)
        }
        let zeros = Dictionary(uniqueKeysWithValues: sum.weights.sources.map { ($0, Float(0)) })
        #expect(throws: WorkflowError.noWeightLeft) { try applied(sum, zeros) }
        // Changes for other sources are left out if that is wanted.
        var changes = WeightChanges()
        (changes.weights, changes.lambda) = ([.bm25: 3, .standIn: 1], 0.5)
        #expect(
            try changes.applied(to: sum, ignoresUnknown: true)
                == sum.rankingWeights.replacing([.bm25: 3]))
        let norm = Mixture(normForm: 1, trainedWith: MixtureWeights(lambda: 0.5))
        #expect(throws: WorkflowError.weightsNotChangeable) { try applied(norm, [.local: 1]) }
        #expect(throws: WorkflowError.weightsNotChangeable) { try applied(norm, [:], lambda: 1) }
    }

    /// λ divides the weights of the black box and the local encoder anew; the others stay.
    @Test func lambdaIsAShorthand() throws {
        let mixture = Mixture(SourceWeights([(.blackBox, 6), (.local, 2), (.bm25, 4)]))
        var changes = WeightChanges()
        changes.lambda = 0.75
        let weights = try #require(try changes.applied(to: mixture))
        #expect(weights.sources == [.blackBox, .local, .bm25] && weights.values == [0.25, 0.75, 0.5])
        changes.weights = [.bm25: 0]
        #expect(try changes.applied(to: mixture)?.values == [0.25, 0.75, 0])
    }
}
