import Foundation
import MafinBlackBox
import MafinEncoder
import MafinMethod
import MafinNumerics
import MafinRetrieval
import MafinTestSupport
import Synchronization
import Testing

@testable import MafinPipeline
@testable import MafinServer

/// Answers without the black box: always, while it is away, or for queries that the stand-in is sure of.
@Suite struct StandInServingTests {
    private static let queries = (0..<24).map { "w\($0 * 2) w\(($0 * 7) % 58) f\($0 % 9)" } + ["nothing", "w50 title"]
    private static let memory = SourceName(rawValue: "offline-query-memory")
    /// The weights without the black box.
    private static let weights: [(source: SourceName, weight: Float)] = [
        (.standIn, 1.2), (.local, 0.5), (.bm25, 0.2), (memory, 0.8),
    ]

    private static func offlineMemory() -> QueryMemory {
        var random = RandomGenerator(seed: 8)
        let rows = (0..<3).map { _ in (0..<ToyBlackBox.dimension).map { _ in random.normal() } }
        let matrix = Matrix(rows: 3, columns: ToyBlackBox.dimension, values: rows.flatMap(\.self))
        return QueryMemory(
            .init(queries: matrix.normalizedRows().matrix, answers: [["d3"], ["d9", "d10"], ["d40", "none"]]),
            bandwidth: 0.5, reach: 0.1, name: memory, folder: "offline-memory")
    }

    /// With the black box: it, the local encoder, BM25 and a memory. Without: the stand-in, the local encoder, BM25 with another weight, and a
    /// memory of its own.
    private static func toy(hasLocalHead: Bool = true) throws -> ToyArtefact {
        let local = LocalVectorSource(dimension: ToyArtefact.localDimension)
        let words = ScoredKind.bm25().source
        let sources: [SourceName: any ScoreSource] = [
            .standIn: ToyArtefact.standIn(hasLocalHead: hasLocalHead), .local: local, .bm25: words,
            memory: offlineMemory(),
        ]
        return try ToyArtefact(
            [(ScoredKind.blackBox().source, 1), (local, 0.4), (words, 0.3), (ScoredKind.memory().source, 1)],
            offline: weights.map { entry in (try #require(sources[entry.source]), entry.weight) })
    }

    private static func options(offline: Bool = false, askBelow: Double? = nil, degrades: Bool = false)
        -> ServiceOptions
    {
        var options = ServiceOptions()
        (options.isOffline, options.askBelow, options.degrades) = (offline, askBelow, degrades)
        return options
    }

    /// Rankings by the code that evaluates.
    private static func evaluated(_ toy: ToyArtefact) async throws -> [(name: String, run: Run)] {
        let queries = queries.enumerated().map { Query(id: "q\($0.offset)", text: $0.element) }
        let collection = RetrievalCollection(
            documents: ToyArtefact.documents, queries: queries,
            qrels: ["test": Qrels(queries.map { (query: $0.id, document: "d1", grade: 1) })])
        let model = try toy.model()
        return try ArtefactEvaluation(
            of: model, on: MeasuredSplit("test", of: collection, for: model.artefact),
            vectors: try await BlackBoxVectors(
                asking: toy.blackBox, documents: collection.documents, queries: queries),
            cache: LocalVectorCache(folder: nil), released: { _ in throw CancellationError() }
        ).systems
    }

    private static func run(_ name: String, of systems: [(name: String, run: Run)]) throws -> Run {
        try #require(systems.first { $0.name == name }?.run, "no system \(name)")
    }

    private static func number(_ value: Any?) throws -> Float { try #require(value as? NSNumber).floatValue }

    private static func search(_ client: Client, _ query: String, _ body: [String: Any] = [:]) async throws -> Answer {
        try await client.post("/search", body.merging(["query": query, "top": 58]) { $1 })
    }

    private static func hits(_ answer: Answer) throws -> [[String: Any]] {
        try #require(answer.json["results"] as? [[String: Any]], "\(answer.text)")
    }

    private static func ids(_ answer: Answer) throws -> [String] {
        try hits(answer).compactMap { $0["id"] as? String }
    }

    /// The value of a metric; `nil` if it was never set.
    private static func metric(_ name: String, _ client: Client) async throws -> Double? {
        let text = try await client.get("/metrics").text
        let line = text.split(separator: "\n").first { $0.hasPrefix(name + " ") }
        return line.flatMap { Double($0.dropFirst(name.count + 1)) }
    }

    private static func unit(_ row: [Double]) -> [Double] {
        let length = row.reduce(0) { $0 + $1 * $1 }.squareRoot()
        return row.map { $0 / length }
    }

    private static func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }

    /// `unit(W [u ; 1])` in double precision: the estimates of the vectors of a query in both spaces.
    private static func estimates(_ query: String, _ model: ArtefactModel) throws -> (
        blackBox: [Double], local: [Double]
    ) {
        let standIn = try #require(model.standIn)
        let u = unit(try standIn.encoder.embedUnnormalized([query], prefix: "f1 ").values.map(Double.init)) + [1]
        func mapped(_ head: Matrix) -> [Double] {
            unit((0..<head.columns).map { column in dot(u, (0..<head.rows).map { Double(head[$0, column]) }) })
        }
        let own = try model.localVectors(of: [query], as: .query).values.map(Double.init)
        return (mapped(standIn.heads.blackBox), standIn.heads.local.map(mapped) ?? unit(own))
    }

    // MARK: Never asking

    /// The ranking is that of `mafin evaluate` to the last tie, and its parts are those of the formula.
    @Test(arguments: [true, false]) func offlineRanksAsEvaluated(hasLocalHead: Bool) async throws {
        let toy = try Self.toy(hasLocalHead: hasLocalHead)
        try await toy.writeIndex(.init(blockSize: 100))
        let measured = try Self.run("mafin-offline", of: try await Self.evaluated(toy))
        let calls = toy.blackBox.calls.count
        let offline = try #require(toy.model().manifest.offline).mixing.rankingWeights
        try await toy.service(Self.options(offline: true), withIndex: true).serving { client in
            let (model, words) = (try toy.model(), ScoredKind.bm25())
            for (place, query) in Self.queries.enumerated() {
                let answer = try await Self.search(client, query)
                #expect(answer.status == 200, "\(answer.text)")
                let expected = try #require(measured["q\(place)"])
                #expect(try Self.ids(answer) == expected.map(\.id), "\(query)")
                #expect(answer.json["answered_by"] as? String == "stand-in")
                #expect(answer.header("x-mafin-answered-by") == "stand-in")
                #expect(answer.json["black_box_asked"] as? Bool == false && answer.json["degraded"] == nil)
                #expect(answer.json["lambda"] == nil && answer.json["artefact_lambda"] == nil)
                #expect((answer.json["black_box_ranking"] as? [Any])?.isEmpty == true)
                #expect(
                    (answer.json["weights"] as? [String: Any]).map { Set($0.keys) }
                        == Set(Self.weights.map(\.source.rawValue)))
                let estimates = try Self.estimates(query, model)
                for (hit, scored) in zip(try Self.hits(answer), expected) {
                    #expect(abs(try Self.number(hit["score"]) - scored.score) < 1e-5)
                    #expect(hit["black_box_rank"] == nil)
                    let document = try #require(ToyArtefact.documents.first { $0.id == scored.id })
                    let text = document.textForEncoding
                    let local = Self.unit(
                        try model.localVectors(of: [text], as: .document).values.map(Double.init))
                    let truth: [SourceName: Double] = [
                        .standIn: Self.dot(
                            estimates.blackBox, ToyBlackBox.vector(text, .document).map(Double.init)),
                        .local: Self.dot(estimates.local, local), .bm25: try words.score(query, document),
                    ]
                    let parts = try #require(hit["parts"] as? [[String: Any]])
                    let names = parts.compactMap { ($0["source"] as? String).map(SourceName.init(rawValue:)) }
                    // In the order of the artefact.
                    #expect(names == model.sources.map(\.name).filter { offline[$0] > 0 })
                    #expect(Set(names) == Set(Self.weights.map(\.source)))
                    var sum: Float = 0
                    for (name, part) in zip(names, parts) {
                        sum += try Self.number(part["part"])
                        guard let score = truth[name] else { continue }
                        #expect(abs(Double(try Self.number(part["score"])) - score) < 1e-4, "\(name)")
                        #expect(abs(Double(try Self.number(part["part"])) - Double(offline[name]) * score) < 1e-4)
                    }
                    #expect(abs(sum - scored.score) < 1e-4)
                }
            }
            #expect(
                try await Self.metric("mafin_queries_answered_total{by=\"stand_in\"}", client)
                    == Double(Self.queries.count))
            #expect(try await Self.metric("mafin_inputs_total{role=\"query\"}", client) == Double(Self.queries.count))
            let context = try await client.post("/v1/context", ["query": Self.queries[0]])
            #expect(context.status == 200 && context.json["answered_by"] as? String == "stand-in")
        }
        // The service has a black box here, and does not use it.
        #expect(toy.blackBox.calls.count == calls)
    }

    /// A reduced artefact has its stand-in too, and ranks with reduced vectors.
    @Test(arguments: [true, false]) func offlineRanksByReducedVectors(hasLocalHead: Bool) async throws {
        let toy = try Self.toy(hasLocalHead: hasLocalHead)
        try ReducedServingTests.reduce(toy)
        try await toy.writeIndex()
        let vectors = Matrix(
            rows: ToyArtefact.documents.count, columns: ToyBlackBox.dimension,
            values: ToyArtefact.documents.flatMap { ToyBlackBox.vector($0.textForEncoding, .document) })
        let search = try ArtefactSearch(
            try toy.model(), documents: ToyArtefact.documents, blackBox: vectors, cache: LocalVectorCache(folder: nil))
        let rankings = try Self.queries.prefix(3).map { query in
            (query, try search.hits(query, blackBoxVector: nil, count: 58).map(\.id))
        }
        let calls = toy.blackBox.calls.count
        try await toy.service(Self.options(offline: true), withIndex: true).serving { client in
            for (query, expected) in rankings {
                let answer = try await Self.search(client, query)
                #expect(answer.json["answered_by"] as? String == "stand-in", "\(answer.text)")
                #expect(try Self.ids(answer) == expected)
            }
            let embedded = try await client.embed("w3 w4", as: .query)
            let expected = try toy.model().embedOffline([EmbeddingItem(id: "a", text: "w3 w4")]).values
            #expect(try expected.count == 5 && distance(embedded.vectors()[0], expected) < 1e-5)
        }
        #expect(toy.blackBox.calls.count == calls)
    }

    /// A local encoder that only ranks without the black box computes nothing for queries that ask it, and λ is not about it.
    @Test func aLocalEncoderWithoutAWeightIsNotUsed() async throws {
        let local = LocalVectorSource(dimension: ToyArtefact.localDimension)
        let toy = try ToyArtefact(
            [(ScoredKind.blackBox().source, 1), (ScoredKind.bm25().source, 0.3)],
            offline: [(ToyArtefact.standIn(hasLocalHead: false), 1), (local, 0.5)])
        try await toy.writeIndex()
        try await toy.service(withIndex: true).serving { client in
            let answer = try await Self.search(client, "w3 w4")
            #expect(answer.status == 200 && answer.json["answered_by"] as? String == "black-box", "\(answer.text)")
            let embedded = try await client.embed("w3 w4", as: .query)
            let expected =
                ToyBlackBox.vector("w3 w4", .query) + [Float](repeating: 0, count: ToyArtefact.localDimension)
            #expect(distance(try embedded.vectors()[0], expected) < 1e-5)
            let computed = try await Self.metric("mafin_stage_duration_seconds_count{stage=\"local\"}", client)
            #expect((computed ?? 0) == 0)
            let share = try await client.post(
                "/v1/embeddings", ["input": "w3", "input_type": "query", "lambda": 0.5])
            #expect(share.status == 400, "\(share.text)")
        }
    }

    /// The words of a query are explained by the vector that ranks: the stand-in's estimate if it has one, else the local encoder's.
    @Test(arguments: [true, false]) func wordsAreExplainedAsTheyRank(hasLocalHead: Bool) async throws {
        let toy = try Self.toy(hasLocalHead: hasLocalHead)
        try await toy.writeIndex()
        try await toy.service(Self.options(offline: true), withIndex: true).serving { client in
            let model = try toy.model()
            let text = ToyArtefact.documents[29].textForEncoding
            let local = Self.unit(try model.localVectors(of: [text], as: .document).values.map(Double.init))
            let expected = Self.dot(try Self.estimates("w3 w4", model).local, local)
            let answer = try await client.post("/explain", ["query": "w3 w4", "document": "d29"])
            let score = try Self.number(answer.json["local_score"])
            #expect(answer.status == 200 && abs(Double(score) - expected) < 1e-4, "\(answer.text)")
        }
    }

    /// BM25 alone needs no vector of the query.
    @Test func wordsAloneAreNotAnsweredByTheStandIn() async throws {
        let toy = try Self.toy(hasLocalHead: false)
        try await toy.writeIndex()
        try await toy.service(Self.options(offline: true), withIndex: true).serving { client in
            let words = try await Self.search(
                client, "w3 w4", ["weights": ["local": 0, "stand-in": 0, Self.memory.rawValue: 0]])
            #expect(words.status == 200 && words.json["answered_by"] == nil, "\(words.text)")
            #expect(words.header("x-mafin-answered-by") == nil && words.json["artefact_lambda"] == nil)
            // A memory compares the stand-in's estimate.
            let remembered = try await Self.search(
                client, "w3 w4", ["weights": ["local": 0, "stand-in": 0, "bm25": 0]])
            #expect(remembered.json["answered_by"] as? String == "stand-in", "\(remembered.text)")
        }
    }

    /// A request's weights have one unit, whether the black box is asked or not: the vectors' weights add up to 1.
    @Test func bothListsOfWeightsHaveOneUnit() throws {
        let manifest = try Self.toy().model().manifest
        let (asking, offline) = (manifest.rankingWeights(offline: false), manifest.rankingWeights(offline: true))
        #expect(abs(asking[.blackBox] + asking[.local] - 1) < 1e-6)
        #expect(abs(offline[.standIn] + offline[.local] - 1) < 1e-6)
        #expect(abs(offline[.bm25] - 0.2 / 1.7) < 1e-6)
    }

    @Test(arguments: [true, false]) func offlineVectorsAreThoseOfTheFormula(hasLocalHead: Bool) async throws {
        let toy = try Self.toy(hasLocalHead: hasLocalHead)
        let offline = try #require(toy.model().manifest.offline).mixing.rankingWeights
        try await toy.service(Self.options(offline: true)).serving { client in
            let model = try toy.model()
            let query = "w3 w4"
            let estimates = try Self.estimates(query, model)
            let expected =
                estimates.blackBox.map { offline[.standIn] * Float($0) }
                + estimates.local.map { offline[.local] * Float($0) }
            let embedded = try model.embedOffline([EmbeddingItem(id: "a", text: query)]).values
            #expect(distance(embedded, expected) < 1e-5)
            let answer = try await client.embed(query, as: .query)
            #expect(answer.status == 200 && answer.header("x-mafin-answered-by") == "stand-in", "\(answer.text)")
            #expect(distance(try answer.vectors()[0], expected) < 1e-5)
            #expect(answer.json["answered_by"] as? String == "stand-in" && answer.json["degraded"] == nil)
            #expect(answer.json["left_out"] as? [String] == ["bm25", Self.memory.rawValue])
            let cohere = try await client.post("/v2/embed", ["texts": [query], "input_type": "search_query"])
            let floats = (cohere.json["embeddings"] as? [String: Any])?["float"] as? [[Any]]
            let row = try #require(floats?.first).map { try Self.number($0) }
            #expect(distance(row, expected) < 1e-5 && cohere.header("x-mafin-answered-by") == "stand-in")

            for (path, body) in [
                ("/v1/embeddings", ["input": "w3", "input_type": "document"] as [String: Any]),
                ("/v1/embeddings", ["input": "w3"]), ("/v2/embed", ["texts": ["w3"], "input_type": "search_document"]),
            ] {
                let refused = try await client.post(path, body)
                #expect(refused.status == 422 && refused.text.contains("needs the black box"), "\(refused.text)")
            }
            let share = try await client.post(
                "/v1/embeddings", ["input": "w3", "input_type": "query", "lambda": 0.5])
            #expect(share.status == 400 && share.message.contains("no such pair"), "\(share.text)")
        }
        #expect(toy.blackBox.calls.isEmpty)
    }

    /// Requests weigh the sources that rank without the black box.
    @Test func weightsAreThoseWithoutTheBlackBox() async throws {
        let toy = try Self.toy()
        try await toy.writeIndex()
        try await toy.service(Self.options(offline: true), withIndex: true).serving { client in
            let alone = try await Self.search(
                client, "w3 w4", ["weights": ["local": 0, "bm25": 0, Self.memory.rawValue: 0]])
            let truth = try Self.estimates("w3 w4", try toy.model()).blackBox
            let order = ToyArtefact.documents.map { document in
                (
                    document.id,
                    Self.dot(truth, ToyBlackBox.vector(document.textForEncoding, .document).map(Double.init))
                )
            }.sorted { $0.1 > $1.1 }
            #expect(try Self.ids(alone) == order.map(\.0))
            for (body, status, words) in [
                (["weights": ["black-box": 1]] as [String: Any], 400, "there are local, bm25, stand-in"),
                (["weights": ["query-memory": 1]], 400, "there are local, bm25, stand-in"),
                (["lambda": 0.5], 400, "no such pair"),
                (
                    ["weights": ["local": 0, "bm25": 0, "stand-in": 0, Self.memory.rawValue: 0]], 409,
                    "all weights are 0"
                ),
            ] {
                let answer = try await Self.search(client, "w3 w4", body)
                #expect(answer.status == status && answer.message.contains(words), "\(answer.text)")
            }
        }
    }

    @Test func anOfflineServiceSaysSo() async throws {
        let toy = try Self.toy()
        try await toy.writeIndex()
        let before = toy.blackBox.calls.count
        toy.blackBox.behaviour.withLock { $0.isAway = true }
        try await toy.service(Self.options(offline: true), withIndex: true).serving { client in
            let ready = try await client.get("/readyz")
            #expect(ready.status == 200 && ready.json["status"] as? String == "ready", "\(ready.text)")
            #expect(ready.json["offline"] as? Bool == true && ready.json["stand_in"] as? String == "ok")
            #expect(ready.json["black_box"] == nil)
            let model = try await client.get("/v1/models/toy")
            #expect(model.json["offline"] as? Bool == true && model.json["lambda"] == nil)
            let sources = (model.json["sources"] as? [[String: Any]])?.compactMap { $0["name"] as? String }
            #expect(sources == ["local", "bm25", "stand-in", Self.memory.rawValue])
            #expect(try await Self.metric("mafin_offline", client) == 1)
            #expect(try await client.get("/").text.contains("\"isOffline\":true"))
            let description = try await client.get("/openapi.json")
            let schemas = (description.json["components"] as? [String: Any])?["schemas"] as? [String: Any]
            let weights = (schemas?["AskedWeights"] as? [String: Any])?["properties"] as? [String: Any]
            #expect(weights.map { Set($0.keys) } == Set(Self.weights.map(\.source.rawValue)))
        }
        #expect(toy.blackBox.calls.count == before)
    }

    @Test func anArtefactWithoutAStandInIsRefused() async throws {
        let toy = try ToyArtefact()
        for options in [Self.options(offline: true), Self.options(askBelow: 0.5)] {
            let error = await #expect(throws: ArtefactError.noStandIn(path: toy.artefact.path)) {
                try await toy.service(options)
            }
            #expect(error?.description.contains("mafin train --stand-in") == true)
            #expect(error?.description.contains("mafin compare") == true)
        }
    }

    // MARK: Asking for some

    /// Without flags an artefact with a stand-in answers as one without.
    @Test func aNormalServiceAsksForEveryQuery() async throws {
        let toy = try Self.toy()
        try await toy.writeIndex(.init(blockSize: 100))
        let measured = try Self.run("artefact", of: try await Self.evaluated(toy))
        let calls = toy.blackBox.calls.count
        try await toy.service(withIndex: true).serving { client in
            for (place, query) in Self.queries.enumerated() {
                let answer = try await Self.search(client, query)
                #expect(try Self.ids(answer) == measured["q\(place)"]?.map(\.id))
                #expect(answer.json["answered_by"] as? String == "black-box" && answer.json["sureness"] == nil)
                let names = (answer.json["sources"] as? [[String: Any]])?.compactMap { $0["name"] as? String }
                #expect(names == ["black-box", "local", "bm25", "query-memory"])
                let parts = try #require(try Self.hits(answer)[0]["parts"] as? [[String: Any]])
                #expect(parts.compactMap { $0["source"] as? String } == names)
            }
            let refused = try await Self.search(client, "w3", ["weights": ["stand-in": 1]])
            #expect(refused.status == 400, "\(refused.text)")
            let ready = try await client.get("/readyz")
            #expect(ready.json["offline"] as? Bool == false && ready.json["stand_in"] == nil)
            #expect(
                try await Self.metric("mafin_queries_answered_total{by=\"black_box\"}", client)
                    == Double(Self.queries.count))
            #expect(try await Self.metric("mafin_offline", client) == 0)
        }
        #expect(toy.blackBox.calls.count > calls)
    }

    /// Queries below the threshold are answered as by a service that asks all, others as by one that asks none.
    @Test func onlyUnsureQueriesAsk() async throws {
        let toy = try Self.toy()
        try await toy.writeIndex(.init(blockSize: 100))
        let systems = try await Self.evaluated(toy)
        let (asked, offline) = (try Self.run("artefact", of: systems), try Self.run("mafin-offline", of: systems))
        let mixing = try #require(toy.model().manifest.offline).mixing
        // By the formula: the logit is τ⁻¹ times the score.
        let factor = Double(mixing.weights[.standIn] / mixing.rankingWeights[.standIn])
        let sureness = try Self.queries.indices.map { place in
            let scores = try #require(offline["q\(place)"]).map { Double($0.score) * factor }
            return exp(scores[0]) / scores.reduce(0) { $0 + exp($1) }
        }
        let sorted = sureness.sorted()
        let middle = (sorted[12] + sorted[13]) / 2
        for (threshold, share) in [(0, 0), (middle, 13), (1, Self.queries.count)] as [(Double, Int)] {
            try await toy.service(Self.options(askBelow: threshold), withIndex: true).serving { client in
                let calls = toy.blackBox.calls.count
                for (place, query) in Self.queries.enumerated() {
                    let answer = try await Self.search(client, query)
                    let asks = sureness[place] < threshold
                    let run = asks ? asked : offline
                    #expect(try Self.ids(answer) == run["q\(place)"]?.map(\.id), "\(query), \(threshold)")
                    #expect(answer.json["answered_by"] as? String == (asks ? "black-box" : "stand-in"))
                    #expect(answer.json["black_box_asked"] as? Bool == asks)
                    guard threshold < 1 else { continue }
                    #expect(abs(Double(try Self.number(answer.json["sureness"])) - sureness[place]) < 1e-4)
                }
                #expect(toy.blackBox.calls.count - calls == share)
                #expect(
                    try await Self.metric("mafin_queries_answered_total{by=\"black_box\"}", client) ?? 0
                        == Double(share))
                #expect(
                    try await Self.metric("mafin_queries_answered_total{by=\"stand_in\"}", client) ?? 0
                        == Double(Self.queries.count - share))
                #expect(
                    try await Self.metric("mafin_inputs_total{role=\"query\"}", client) == Double(Self.queries.count))
            }
        }
    }

    /// Fewer results than the sureness looks at do not change it.
    @Test func theSurenessDoesNotDependOnTheNumberOfResults() async throws {
        let toy = try Self.toy()
        try await toy.writeIndex()
        try await toy.service(Self.options(askBelow: 0), withIndex: true).serving { client in
            let all = try await Self.search(client, "w3 w4")
            let one = try await client.post("/search", ["query": "w3 w4", "top": 1])
            let (ids, first) = (try Self.ids(all), try Self.ids(one))
            #expect(ids.count == 58 && first == [ids[0]])
            let (sure, alone) = (try Self.number(all.json["sureness"]), try Self.number(one.json["sureness"]))
            #expect(sure == alone)
        }
    }

    /// A request's weights apply to the answer that has the source. λ is about the black box, so it is asked.
    @Test func weightsWhereSomeQueriesAsk() async throws {
        let toy = try Self.toy()
        try await toy.writeIndex()
        try await toy.service(Self.options(askBelow: 0), withIndex: true).serving { client in
            let calls = toy.blackBox.calls.count
            let own = try Self.ids(try await Self.search(client, "w3 w4"))
            let same = try await Self.search(client, "w3 w4", ["weights": ["black-box": 0.5, "query-memory": 0]])
            #expect(try Self.ids(same) == own)
            #expect(toy.blackBox.calls.count == calls)
            let other = try await Self.search(client, "w3 w4", ["weights": ["stand-in": 0]])
            #expect(try Self.ids(other) != own)
            #expect(other.json["answered_by"] as? String == "stand-in")
            let share = try await Self.search(client, "w3 w4", ["lambda": 0.5])
            #expect(share.json["answered_by"] as? String == "black-box", "\(share.text)")
            #expect(toy.blackBox.calls.count == calls + 1)
            // A search that needs no vector of the query asks nobody, and no stand-in either.
            let words = try await Self.search(
                client, "w3 w4", ["weights": ["black-box": 0, "query-memory": 0]])
            #expect(words.json["answered_by"] == nil && toy.blackBox.calls.count == calls + 1)
        }
    }

    // MARK: A black box that is away

    @Test(arguments: [nil, 0.999_999] as [Double?]) func whileTheBlackBoxIsAwayTheStandInAnswers(askBelow: Double?)
        async throws
    {
        let toy = try Self.toy()
        try await toy.writeIndex(.init(blockSize: 100))
        let offline = try Self.run("mafin-offline", of: try await Self.evaluated(toy))
        let options = Self.options(askBelow: askBelow, degrades: true)
        try await toy.service(options, withIndex: true).serving { client in
            let before = try await Self.search(client, Self.queries[0])
            #expect(before.json["answered_by"] as? String == "black-box")
            toy.blackBox.behaviour.withLock { $0.isAway = true }
            for (place, query) in Self.queries.prefix(3).enumerated() {
                let answer = try await Self.search(client, query)
                #expect(answer.status == 200 && answer.header("x-mafin-degraded") == "black_box", "\(answer.text)")
                #expect(answer.json["answered_by"] as? String == "stand-in")
                #expect((answer.json["degraded"] as? String)?.isEmpty == false)
                #expect(try Self.ids(answer) == offline["q\(place)"]?.map(\.id))
            }
            let embedded = try await client.embed("w3 w4", as: .query)
            let expected = try toy.model().embedOffline([EmbeddingItem(id: "a", text: "w3 w4")]).values
            #expect(distance(try embedded.vectors()[0], expected) < 1e-5)
            let degraded = try #require(embedded.json["degraded"] as? [String: Any])
            #expect(degraded["half"] as? String == "black_box" && degraded["lambda"] == nil)
            let cohere = try await client.post("/v2/embed", ["texts": ["w3"], "input_type": "search_query"])
            #expect(cohere.text.contains("answered by the stand-in: "), "\(cohere.text)")
            #expect(try await client.embed("w3", as: .document).status == 503)
            let ready = try await client.get("/readyz")
            #expect(ready.status == 200 && ready.json["status"] as? String == "degraded", "\(ready.text)")
            #expect(try await Self.metric("mafin_degraded_total", client) == 5)
            #expect(try await Self.metric("mafin_queries_answered_total{by=\"stand_in\"}", client) == 5)
        }
    }

    @Test func withoutTheFlagAnAbsentBlackBoxIsAnError() async throws {
        let toy = try Self.toy()
        try await toy.writeIndex()
        toy.blackBox.behaviour.withLock { $0.isAway = true }
        try await toy.service(withIndex: true).serving { client in
            let answer = try await Self.search(client, "w3")
            #expect(answer.status == 503)
        }
        // A query that the stand-in is sure of needs no black box.
        try await toy.service(Self.options(askBelow: 0), withIndex: true).serving { client in
            let answer = try await Self.search(client, "w3")
            #expect(answer.status == 200 && answer.json["answered_by"] as? String == "stand-in")
        }
    }

    // MARK: Index

    /// A stand-in changes no document vectors, so an index made before serves it.
    @Test func anIndexWithoutAStandInServesOne() async throws {
        let standing = try Self.toy()
        let plain = try ToyArtefact([
            (ScoredKind.blackBox().source, 1), (LocalVectorSource(dimension: ToyArtefact.localDimension), 0.4),
        ])
        try await plain.writeIndex()
        try await standing.writeIndex()
        let model = try standing.model()
        for toy in [plain, standing] {
            let index = try SearchIndex(readingFrom: toy.index, verification: .content)
            #expect(index.manifest.parts.map(\.source) == [.blackBox, .local])
            try index.require(model.artefact, sources: model.sources, queries: .float32)
            try index.require(plain.model().artefact, sources: plain.model().sources, queries: .float32)
        }
    }
}
