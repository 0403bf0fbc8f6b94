import Foundation
import MafinBlackBox
import MafinEncoder
import MafinImages
import MafinMethod
import MafinNumerics
import MafinRetrieval
import MafinTestSupport
import Synchronization
import Testing

@testable import MafinPipeline
@testable import MafinServer

/// An index and a service of artefacts with any sources.
@Suite struct SourceServingTests {
    private static let queries = ["w3 w4", "w9 f1", "w50 title", "nothing"]

    /// What a service answers to a query for all documents.
    private func ranking(_ client: Client, _ query: String, _ body: [String: Any] = [:]) async throws -> [[String: Any]]
    {
        let answer = try await client.post("/search", body.merging(["query": query, "top": 58]) { $1 })
        #expect(answer.status == 200, "\(answer.text)")
        return try #require(answer.json["results"] as? [[String: Any]])
    }

    private func number(_ value: Any?) throws -> Float { try #require(value as? NSNumber).floatValue }

    /// The ranking and the parts that are served are those of the formulas, and the ranking is that of the other commands, to the last tie.
    private func check(_ kinds: [(kind: ScoredKind, weight: Float)], _ toy: ToyArtefact) async throws {
        // One block, as the other commands embed.
        try await toy.writeIndex(.init(blockSize: 100))
        let model = try toy.model()
        let weights = model.manifest.mixing.rankingWeights
        let texts = ToyArtefact.documents.map(\.textForEncoding)
        let vectors = Matrix(
            rows: texts.count, columns: ToyBlackBox.dimension,
            values: texts.flatMap { ToyBlackBox.vector($0, .document) })
        let search = try ArtefactSearch(
            model, documents: ToyArtefact.documents, blackBox: vectors, cache: LocalVectorCache(folder: nil))
        let hasLocal = model.encoder != nil
        let index = try SourceIndex(
            model.sources,
            documents: SourceDocuments(
                ids: ToyArtefact.documents.map(\.id), texts: texts, blackBox: vectors,
                local: hasLocal ? model.localVectors(of: texts, as: .document) : nil, form: .unit))
        let asks = model.queryInputs.contains(.blackBox)

        let (blackBox, service) = (toy.blackBox, try await toy.service(withIndex: true))
        let calls = blackBox.calls.count
        let served = try await service.serving { client in
            try await Self.queries.asyncMap { try await ServedRanking(self.ranking(client, $0)) }
        }
        if !asks { #expect(blackBox.calls.count == calls) }
        for (query, hits) in zip(Self.queries, served.map(\.hits)) {
            // By the formulas.
            let truth = try ToyArtefact.documents.map { document in
                try kinds.map { try $0.kind.score(query, document) }
            }
            let sums = truth.map { scores in
                zip(scores, kinds).reduce(0.0) { $0 + Double(weights[$1.1.kind.source.name]) * $1.0 }
            }
            var last = Double.infinity
            for hit in hits {
                let id = try #require(hit["id"] as? String)
                let row = try #require(ToyArtefact.documents.firstIndex { $0.id == id })
                #expect(abs(Double(try number(hit["score"])) - sums[row]) < 1e-4, "\(query), \(id)")
                #expect(sums[row] < last + 1e-4)
                last = sums[row]
                let parts = try #require(hit["parts"] as? [[String: Any]])
                #expect(parts.map { $0["source"] as? String } == kinds.map(\.kind.source.name.rawValue))
                for (part, (score, entry)) in zip(parts, zip(truth[row], kinds)) {
                    let weight = Double(weights[entry.kind.source.name])
                    #expect(abs(Double(try number(part["score"])) - score) < 1e-4)
                    #expect(abs(Double(try number(part["part"])) - weight * score) < 1e-4)
                }
            }
            // By the code that evaluates.
            let inputs = try model.queries(
                [Item(query)], blackBox: Matrix(rows: 1, columns: 16, values: ToyBlackBox.vector(query, .query)))
            let prepared = try index.queries(inputs)
            let expected = Array(try index.rankings(of: prepared, weights: weights, count: 58)[0])
            let ids = hits.compactMap { $0["id"] as? String }
            #expect(ids == expected.map { ToyArtefact.documents[$0.index].id }, "\(query)")
            for (hit, entry) in zip(hits, expected) {
                let difference = abs(try number(hit["score"]) - entry.score)
                // The service computes local vectors in batches of its own.
                #expect(hasLocal ? difference < 1e-5 : difference == 0, "\(query)")
            }
            let found = try search.hits(query, blackBoxVector: ToyBlackBox.vector(query, .query), count: 58)
            #expect(ids == found.map(\.id))
            if asks, model.sources.contains(where: { $0.name == .blackBox }) {
                #expect(hits.map { $0["black_box_rank"] as? Int } == found.map(\.blackBoxRank))
            }
        }
    }

    private struct ServedRanking: @unchecked Sendable {
        var hits: [[String: Any]]

        init(_ hits: [[String: Any]]) { self.hits = hits }
    }

    @Test(arguments: [
        ["black-box"], ["bm25"], ["black-box", "bm25"], ["black-box", "adapter-query"],
        ["black-box", "adapter-both"], ["adapter-query"], ["adapter-both", "bm25"], ["black-box", "nudge-n"],
        ["nudge-n", "memory"], ["black-box", "memory"], ["memory", "bm25"], ["local", "bm25"],
        ["black-box", "local", "bm25", "memory"],
        ["black-box", "local", "bm25", "adapter-query", "adapter-both", "nudge-n", "memory"],
    ])
    func theServedRankingIsTheMeasuredOne(_ names: [String]) async throws {
        // The encoders of the toy depend on a seed alone, so those of another artefact are the same.
        let other = try ToyArtefact()
        let model = try other.model()
        let all: [String: ScoredKind] = [
            "black-box": ScoredKind.blackBox(), "local": ScoredKind.local(model), "bm25": ScoredKind.bm25(),
            "adapter-query": ScoredKind.adapter(mapsDocuments: false),
            "adapter-both": ScoredKind.adapter(mapsDocuments: true),
            "nudge-n": ScoredKind.moved(), "memory": ScoredKind.memory(),
        ]
        let kinds = try names.enumerated().map { place, name in
            (kind: try #require(all[name]), weight: [3, 2, 0.7, 1.1, 0.9, 1.3, 2.2][place] as Float)
        }
        try await check(kinds, try ToyArtefact(kinds.map { ($0.kind.source, $0.weight) }))
    }

    @Test func anIndexHasAPartForEachSetOfDocumentVectors() async throws {
        let toy = try ToyArtefact([
            (ScoredKind.blackBox().source, 1), (ScoredKind.adapter(mapsDocuments: false).source, 1),
            (ScoredKind.adapter(mapsDocuments: true).source, 1), (ScoredKind.moved().source, 1),
            (ScoredKind.memory().source, 1),
            (ScoredKind.bm25().source, 1),
        ])
        try await toy.writeIndex()
        let index = try SearchIndex(readingFrom: toy.index, verification: .content)
        #expect(index.manifest.parts.map(\.source.rawValue) == ["black-box", "adapter-both", "nudge-n"])
        #expect(index.manifest.formatVersion == 2 && index.manifest.documentEncoder == nil)
        let files = try FileManager.default.contentsOfDirectory(atPath: toy.index.path).filter { $0.hasSuffix(".npy") }
        #expect(files.sorted() == ["adapter-both.npy", "black-box.npy", "nudge-n.npy"])
        #expect(index.manifest.parts[0].determinedBy.isEmpty)
        #expect(index.manifest.parts[1].determinedBy.map(\.path) == ["adapter-both/weights.npy"])
        #expect(
            index.manifest.parts[2].determinedBy.map(\.path).sorted() == ["nudge-n/ids.json", "nudge-n/vectors.npy"])
        // The index serves the artefact that made it, and others that need some of its parts.
        try index.require(toy.model().artefact, sources: toy.model().sources, queries: .float32)
        for fewer in [
            [ScoredKind.blackBox(), ScoredKind.bm25()], [ScoredKind.moved(), ScoredKind.memory()], [ScoredKind.bm25()],
        ] {
            let model = try ToyArtefact(fewer.map { ($0.source, 1) }).model()
            try index.require(model.artefact, sources: model.sources, queries: .float32)
        }
        // It serves none that moved documents otherwise, and none with a part that it lacks.
        let otherwise = MovedDocuments(
            ids: ["d3"], vectors: Matrix(rows: 1, columns: 16, repeating: 1), name: SourceName(rawValue: "nudge-n"))
        for (source, words) in [
            (otherwise as any ScoreSource, "another nudge-n"),
            (LocalVectorSource(dimension: ToyArtefact.localDimension), "no vectors of the source local"),
        ] {
            let model = try ToyArtefact([(ScoredKind.blackBox().source, 1), (source, 1)]).model()
            let refusal = #expect(throws: IndexError.self) {
                try index.require(model.artefact, sources: model.sources, queries: .float32)
            }
            #expect(refusal?.description.contains(words) == true, "\(refusal as Any)")
        }
    }

    /// An index that an earlier version wrote.
    @Test func format1IsRead() async throws {
        let toy = try ToyArtefact()
        try await toy.writeIndex()
        let file = toy.index.appendingPathComponent(IndexManifest.fileName)
        var object = try #require(try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any])
        object["parts"] = nil
        (object["formatVersion"], object["blackBoxDimension"], object["localDimension"]) = (1, 16, 32)
        try JSONSerialization.data(withJSONObject: object).write(to: file)
        let index = try SearchIndex(readingFrom: toy.index)
        #expect(index.manifest.parts.map(\.source) == [.blackBox, .local])
        try index.require(toy.model().artefact, sources: toy.model().sources, queries: .float32)
        object["formatVersion"] = 3
        try JSONSerialization.data(withJSONObject: object).write(to: file)
        #expect(throws: IndexError.unknownFormat(path: file.path, newestKnown: 2, found: 3)) {
            try SearchIndex(readingFrom: toy.index)
        }
    }

    /// Names of sources become names of files, and manifests are data from strangers.
    @Test func aPartCannotNameAFileElsewhere() async throws {
        let toy = try ToyArtefact()
        try await toy.writeIndex()
        let file = toy.index.appendingPathComponent(IndexManifest.fileName)
        let text = try String(contentsOf: file, encoding: .utf8)
        for name in ["../local", ".local", "", "a/b", "lo cal"] {
            let changed = text.replacing(#""source" : "local""#, with: "\"source\" : \"\(name)\"")
            #expect(changed != text)
            try changed.write(to: file, atomically: true, encoding: .utf8)
            let refusal = #expect(throws: IndexError.self) { try SearchIndex(readingFrom: toy.index) }
            #expect(refusal?.description.contains("found '\(name)'") == true)
        }
        let strange = MovedDocuments(
            ids: ["d3"], vectors: Matrix(rows: 1, columns: 16, repeating: 1), name: SourceName(rawValue: "a b"))
        let other = try ToyArtefact([(ScoredKind.blackBox().source, 1), (strange, 1)])
        await #expect(throws: IndexError.unusableName(artefact: other.artefact.path, source: "a b")) {
            try await other.writeIndex()
        }
    }

    @Test func withoutNeedOfTheBlackBoxItIsNeverAsked() async throws {
        let model = try ToyArtefact().model()
        let toy = try ToyArtefact([(ScoredKind.local(model).source, 1), (ScoredKind.bm25().source, 0.5)])
        toy.blackBox.behaviour.withLock { $0.isAway = true }
        try await toy.writeIndex()
        try await toy.service(withIndex: true).serving { client in
            let ready = try await client.get("/readyz")
            #expect(ready.status == 200 && ready.json["status"] as? String == "ready", "\(ready.text)")
            #expect(ready.json["black_box"] == nil && ready.json["local"] as? String == "ok")
            let search = try await client.post("/search", ["query": "w3 w4"])
            #expect(search.status == 200 && search.json["black_box_asked"] as? Bool == false)
            #expect(search.json["degraded"] == nil && search.json["lambda"] == nil)
            let refused = try await client.post("/search", ["query": "w3", "lambda": 0.5])
            #expect(refused.status == 400 && refused.message.contains("local, bm25"), "\(refused.text)")
            // Vectors hold the local encoder's part, and say what they leave out.
            for role in TextRole.allCases {
                let answer = try await client.embed("w3 w4", as: role)
                #expect(answer.json["left_out"] as? [String] == ["bm25"], "\(answer.text)")
                #expect(try answer.vectors()[0].count == ToyArtefact.localDimension)
            }
        }
        #expect(toy.blackBox.calls.isEmpty)
    }

    @Test func withoutALocalEncoder() async throws {
        let toy = try ToyArtefact([
            (ScoredKind.blackBox().source, 1), (ScoredKind.moved().source, 0.5), (ScoredKind.bm25().source, 0.5),
            (ScoredKind.memory().source, 1),
        ])
        try await toy.writeIndex()
        var options = ServiceOptions()
        (options.degrades, options.queueTokens) = (true, 200)
        try await toy.service(options, withIndex: true).serving { client in
            let ready = try await client.get("/readyz")
            #expect(ready.status == 200 && ready.json["local"] == nil, "\(ready.text)")
            let explained = try await client.post("/explain", ["query": "w3", "document": "d3"])
            #expect(explained.status == 404 && explained.code == "no_local_encoder", "\(explained.text)")
            // Four bytes a token.
            let answer = try await client.post("/v1/embeddings", ["input": ["w3 w4", "w3"], "input_type": "query"])
            #expect((answer.json["usage"] as? [String: Any])?["prompt_tokens"] as? Int == 2 + 1, "\(answer.text)")
            #expect(try answer.vectors()[0].count == 2 * ToyBlackBox.dimension)
            let moved = SourceName(rawValue: "nudge-n").rawValue
            #expect(answer.json["left_out"] as? [String] == [moved, "bm25", "query-memory"])
            let long = try await client.post("/v1/embeddings", ["input": String(repeating: "w3 ", count: 300)])
            #expect(long.status == 413 && long.message.contains("225 tokens"), "\(long.text)")
            // The documents of the index keep to a budget.
            for budget in [16, 40, 200] {
                let context = try await client.post("/v1/context", ["query": "w7", "max_tokens": budget, "top": 30])
                let text = try #require(context.json["context"] as? String)
                #expect(context.status == 200 && (text.utf8.count + 3) / 4 <= budget && !text.isEmpty)
                #expect(context.json["tokens"] as? Int ?? 0 >= (text.utf8.count + 3) / 4)
            }
            let models = try await client.get("/v1/models/toy")
            let sources = try #require(models.json["sources"] as? [[String: Any]])
            #expect(sources.map { $0["face"] as? String } == ["dense", "dense", "sparse", "ours"])
            #expect(models.json["left_out"] as? [String] == [moved, "bm25", "query-memory"])

            // Without the black box the sources that do not need it rank.
            toy.blackBox.behaviour.withLock { $0.isAway = true }
            let degraded = try await client.post("/search", ["query": "w7 w8", "top": 58])
            #expect(degraded.status == 200 && degraded.header("x-mafin-degraded") == "black_box", "\(degraded.text)")
            let hits = try #require(degraded.json["results"] as? [[String: Any]])
            let bm25 = BM25(texts: ToyArtefact.documents.map(\.textForEncoding)).ranking(of: "w7 w8", count: 58)
                .filter { $0.score > 0 }
            #expect(hits.map { $0["id"] as? String } == bm25.map { ToyArtefact.documents[$0.index].id })
            // Nothing is left that makes vectors.
            #expect(try await client.embed("w7", as: .query).status == 503)
            let weighted = try await client.post("/search", ["query": "w7 w8", "weights": ["bm25": 0]])
            #expect(weighted.status == 503, "\(weighted.text)")
        }
    }

    @Test func withoutVectors() async throws {
        let toy = try ToyArtefact([(ScoredKind.bm25().source, 1)])
        try await toy.writeIndex()
        let index = try SearchIndex(readingFrom: toy.index)
        #expect(index.manifest.parts.isEmpty && index.count == 58)
        try await toy.service(withIndex: true).serving { client in
            for path in ["/v1/embeddings", "/v2/embed"] {
                let answer = try await client.post(
                    path, ["input": "w1", "texts": ["w1"], "input_type": "search_query"])
                #expect(answer.status == 404 && answer.text.contains("has no vectors"), "\(answer.text)")
            }
            // Documents without a word of the query are not ranked.
            let hits = try await self.ranking(client, "w50")
            let holding = ToyArtefact.documents.filter {
                $0.textForEncoding.split(whereSeparator: \.isWhitespace).contains("w50")
            }
            #expect(Set(hits.compactMap { $0["id"] as? String }) == Set(holding.map(\.id)))
            #expect(try await self.ranking(client, "nothing").isEmpty)
        }
    }

    /// The service has the rule of `mafin search` for a missing black box.
    @Test func theRuleWithoutTheBlackBoxIsThatOfSearch() throws {
        let model = try ToyArtefact().model()
        let (blackBox, local) = (ScoredKind.blackBox().source, ScoredKind.local(model).source)
        let (words, memory) = (ScoredKind.bm25().source, ScoredKind.memory().source)
        // The weights that are left, as shares of the ranking weights; nil: nothing is left.
        let lists: [(sources: [(any ScoreSource, Float)], left: [Float]?)] = [
            ([(blackBox, 1), (local, 0.3)], [0, 1]), ([(blackBox, 1), (local, 0)], [0, 1]),
            ([(blackBox, 1), (local, 0.3), (words, 0.2)], [0, 0.3 / 1.3, 0.2 / 1.3]),
            ([(blackBox, 1), (local, 0), (words, 0.2)], [0, 0, 0.2]), ([(blackBox, 1), (memory, 1)], nil),
            ([(blackBox, 1), (words, 0.4)], [0, 0.4]),
        ]
        for (sources, left) in lists {
            let weights = Mixture(SourceWeights(sources.map { ($0.0.name, $0.1) })).rankingWeights
            let found = weights.withoutBlackBox(sources.map(\.0))?.values
            #expect(found?.count == left?.count)
            for (mine, expected) in zip(found ?? [], left ?? []) { #expect(abs(mine - expected) < 1e-6) }
        }
    }

    @Test func anEstimateCutsAtTheEndOfAWord() {
        let count = TokenCount.estimated
        #expect(count.count("") == 0 && count.count("abcd") == 1 && count.count("abcde") == 2)
        #expect(count.count("äöü") == 2)
        #expect(count.beginning(of: "abc def ghi", tokens: 2) == "abc def")
        #expect(count.beginning(of: "abc def ghi", tokens: 1) == "abc")
        #expect(count.beginning(of: "abc  def", tokens: 1) == "abc")
        #expect(count.beginning(of: "abc def", tokens: 5) == "abc def")
        // Without the end of a word, after a character.
        #expect(count.beginning(of: "äöüäöü", tokens: 1) == "äö" && count.beginning(of: "日本語", tokens: 1) == "日")
        #expect(count.beginning(of: "abc", tokens: 0) == "")
    }
}
