import Foundation
import MafinBlackBox
import MafinEncoder
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval
import MafinTestSupport
import Synchronization
import Testing

@testable import MafinServer

@Suite struct SearchTests {
    private let toy: ToyArtefact

    init() throws { toy = try ToyArtefact() }

    /// Both cosines of a query with every document, one document at a time.
    private func cosines(_ query: String) throws -> [(id: String, blackBox: Float, local: Float)] {
        let model = try toy.model()
        func unit(_ row: [Float]) -> [Float] {
            let norm = Float(row.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot())
            return row.map { $0 / norm }
        }
        func dot(_ a: [Float], _ b: [Float]) -> Float { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
        let mine = unit(try model.localVectors(of: [query], as: .query).values)
        let theirs = ToyBlackBox.vector(query, .query)
        return try ToyArtefact.documents.map { document in
            let text = document.textForEncoding
            let local = unit(try model.localVectors(of: [text], as: .document).values)
            return (document.id, dot(theirs, ToyBlackBox.vector(text, .document)), dot(mine, local))
        }
    }

    @Test func resultsAreTheBestWithBothParts() async throws {
        let toy = toy
        try await toy.writeIndex()
        let truth = try cosines("w3 w4")
        let blackBoxOrder = truth.sorted { $0.blackBox > $1.blackBox }.map(\.id)
        try await toy.service(withIndex: true).serving { client in
            for lambda: Float in [0, 0.3, 0.8, 1] {
                let answer = try await client.post("/search", ["query": "w3 w4", "top": 12, "lambda": lambda])
                #expect(answer.status == 200, "\(answer.text)")
                let hits = try #require(answer.json["results"] as? [[String: Any]])
                let expected = truth.sorted {
                    (1 - lambda) * $0.blackBox + lambda * $0.local > (1 - lambda) * $1.blackBox + lambda * $1.local
                }
                #expect(hits.map { $0["id"] as? String } == expected.prefix(12).map(\.id))
                for (hit, document) in zip(hits, expected) {
                    func number(_ name: String) -> Float { (hit[name] as? NSNumber)?.floatValue ?? .nan }
                    #expect(abs(number("local_score") - document.local) < 1e-5)
                    #expect(
                        abs(number("score") - (1 - lambda) * document.blackBox - lambda * document.local) < 1e-5
                            || lambda == 1)
                    guard lambda < 1 else { continue }
                    #expect(abs(number("black_box_score") - document.blackBox) < 1e-5)
                    #expect(abs(number("black_box_part") + number("local_part") - number("score")) < 1e-5)
                    #expect(hit["black_box_rank"] as? Int == blackBoxOrder.firstIndex(of: document.id).map { $0 + 1 })
                }
                if lambda < 1 {
                    let own = try #require(answer.json["black_box_ranking"] as? [[String: Any]])
                    #expect(own.map { $0["id"] as? String } == Array(blackBoxOrder.prefix(12)))
                    let joined = expected.map(\.id)
                    for hit in own {
                        let id = try #require(hit["id"] as? String)
                        #expect(hit["joined_rank"] as? Int == joined.firstIndex(of: id).map { $0 + 1 })
                    }
                }
            }
        }
    }

    @Test func candidatesRankAnewForEveryLambda() async throws {
        let toy = toy
        try await toy.writeIndex()
        let truth = try cosines("w9 f2")
        try await toy.service(withIndex: true).serving { client in
            let answer = try await client.post("/search", ["query": "w9 f2", "top": 3, "candidates": true])
            let candidates = try #require(answer.json["candidates"] as? [String: Any])
            let documents = try #require(candidates["documents"] as? [[String: Any]])
            let steps = try #require(candidates["steps"] as? Int)
            #expect(documents.count < truth.count, "the toy is too small to show anything")
            for step in 0...steps {
                let lambda = Float(step) / Float(steps)
                func best(_ scores: [(String, Float, Float)]) -> [String] {
                    scores.sorted { (1 - lambda) * $0.1 + lambda * $0.2 > (1 - lambda) * $1.1 + lambda * $1.2 }
                        .prefix(3).map(\.0)
                }
                let mine = try documents.map { hit in
                    (
                        try #require(hit["id"] as? String),
                        try #require(hit["black_box_score"] as? NSNumber).floatValue,
                        try #require(hit["local_score"] as? NSNumber).floatValue
                    )
                }
                #expect(best(mine) == best(truth.map { ($0.id, $0.blackBox, $0.local) }))
            }
        }
    }

    @Test func candidatesCanComeWithoutTheirTexts() async throws {
        let toy = toy
        try await toy.writeIndex()
        try await toy.service(withIndex: true).serving { client in
            let answer = try await client.post(
                "/search", ["query": "w9 f2", "top": 3, "candidates": true, "candidate_texts": false])
            let candidates = try #require(answer.json["candidates"] as? [String: Any])
            for hit in try #require(candidates["documents"] as? [[String: Any]]) {
                let (title, text) = (try #require(hit["title"] as? String), try #require(hit["text"] as? String))
                #expect(title.isEmpty ? text.unicodeScalars.count <= 201 : text.isEmpty)
                let id = try #require(hit["id"] as? String)
                let document = try await client.get("/document?id=\(id)")
                #expect(document.json["text"] as? String == ToyArtefact.documents.first { $0.id == id }?.text)
            }
            #expect(try await client.get("/document?id=no").status == 404)
            #expect(try await client.get("/document").status == 400)
        }
    }

    @Test func listsAreDeepenedWhereTheyDoNotSuffice() throws {
        // Documents with two good cosines rank behind many documents with one very good cosine.
        var random = RandomGenerator(seed: 5)
        let rows = (0..<4000).map { number -> [Float] in
            let noise = 0.001 * random.uniform()
            return switch number % 3 {
            case 0: [1 - noise, 0]
            case 1: [0, 1 - noise]
            default: [0.55 + noise, 0.55 - noise]
            }
        }
        let halves = try (0..<2).map { half in
            try VectorRows(Matrix(rows: 4000, columns: 1, values: rows.map { $0[half] }))
        }
        let found = try LambdaCandidates(index: VectorIndex(parts: halves), query: [1, 1], split: 1, count: 5)
        let known = Set(found.rows)
        for step in 0...LambdaCandidates.steps {
            let lambda = Float(step) / Float(LambdaCandidates.steps)
            let best = topK(rows.map { (1 - lambda) * $0[0] + lambda * $0[1] }, count: 5)
            #expect(best.allSatisfy { known.contains($0.index) }, "λ = \(lambda)")
        }
        #expect(known.count < 1000)
    }

    /// A client that leaves while the nine lists are made is not worked for until they are complete.
    @Test func theListsEndWhenTheClientHasLeft() throws {
        let halves = try (0..<2).map { _ in try VectorRows(Matrix(rows: 60, columns: 1, repeating: 1)) }
        let calls = Mutex(0)
        #expect(throws: CancellationError.self) {
            // So few rows that one round suffices: the first call is before it, the others are within.
            try LambdaCandidates(index: VectorIndex(parts: halves), query: [1, 1], split: 1, count: 5) {
                let number = calls.withLock { calls -> Int in
                    calls += 1
                    return calls
                }
                if number > 1 { throw CancellationError() }
            }
        }
    }

    @Test func indexFilesAreWholeAndChecked() async throws {
        let toy = toy
        try await toy.writeIndex(.init(element: .float16, blockSize: 7))
        let index = try SearchIndex(readingFrom: toy.index, verification: .content)
        #expect(index.count == ToyArtefact.documents.count && index.manifest.element == "float16")
        for (row, document) in ToyArtefact.documents.enumerated() {
            #expect(try index.document(row) == document)
            #expect(index.row(of: document.id) == row)
        }
        #expect(index.row(of: "d") == nil && index.row(of: "") == nil)
        // A collection like any other: BEIR's reader reads it.
        var texts = try CheckedTexts(documents: toy.index)
        var count = 0
        while try texts.next() != nil { count += 1 }
        #expect(count == index.count)

        // A change of the query encoder keeps the index valid; a change of the document encoder does not.
        try toy.write(seed: 99)
        try index.require(try Artefact(readingFrom: toy.artefact))
        var manifest = try Artefact(readingFrom: toy.artefact).manifest
        manifest.documentEncoder.weightsSHA256 = String(repeating: "0", count: 64)
        #expect(index.manifest.differences(from: manifest).count == 1)

        // Another program for texts is one, too; that of an index from before versions were recorded is the first.
        let artefact = try Artefact(readingFrom: toy.artefact)
        var older = index.manifest
        for version in [1, nil] {
            older.encodingVersion = version
            let differences = older.differences(from: artefact.manifest)
            #expect(differences == ["encoding version 1 instead of \(TextEncoder.encodingVersion)"])
        }
        try JSONEncoder().encode(older).write(to: toy.index.appendingPathComponent(IndexManifest.fileName))
        let refusal = #expect(throws: IndexError.self) { try SearchIndex(readingFrom: toy.index).require(artefact) }
        #expect(
            try #require(refusal).description == "\(toy.index.path) holds other vectors than the artefact makes: "
                + "encoding version 1 instead of \(TextEncoder.encodingVersion); run 'mafin index' again")

        let file = toy.index.appendingPathComponent("corpus.jsonl")
        var data = try Data(contentsOf: file)
        data[20] ^= 1
        try data.write(to: file)
        #expect(throws: IndexError.self) { try SearchIndex(readingFrom: toy.index, verification: .content) }
        try data.dropLast().write(to: file)
        let (whole, cut) = ("\(data.count) bytes", "\(data.count - 1) bytes")
        #expect(throws: IndexError.wrongFile(path: file.path, expected: whole, found: cut)) {
            try SearchIndex(readingFrom: toy.index)
        }
        try toy.folder.write("x", to: "OTHER/file")
        #expect(throws: IndexError.occupied(path: toy.folder.url.appendingPathComponent("OTHER").path)) {
            try SearchIndex.requireReplaceable(toy.folder.url.appendingPathComponent("OTHER"))
        }
        let left = try FileManager.default.contentsOfDirectory(atPath: toy.folder.url.path)
        #expect(!left.contains { $0.hasSuffix(".tmp") }, "\(left)")
    }

    /// A writer was killed where the file system cannot swap names: the index is under the name for the time between.
    @Test func anIndexMovedAsideComesBack() async throws {
        let toy = toy
        try await toy.writeIndex()
        let aside = toy.folder.url.appendingPathComponent(".INDEX.replaced")
        try FileManager.default.moveItem(at: toy.index, to: aside)
        #expect(try SearchIndex(readingFrom: toy.index).count == ToyArtefact.documents.count)
        try FileManager.default.moveItem(at: toy.index, to: aside)
        let served = try ServedIndex.open(toy.index, holdsBM25: false, sharing: nil)
        #expect(served.search.count == ToyArtefact.documents.count)
        #expect(served.hash == (try ContentHash.sha256(of: toy.index.appendingPathComponent(IndexManifest.fileName))))
    }

    /// A byte a number is held beside the mapped rows, and what is found stays the same.
    @Test func theIndexIsApproximatedInTheBackground() async throws {
        let toy = toy
        try await toy.writeIndex()
        let index = try SearchIndex(readingFrom: toy.index)
        #expect(index.joined.approximationByteCount == 0)
        // With so few rows, bounds save work only for the first rank.
        let queries = (0..<40).map { number -> Matrix in
            var random = RandomGenerator(seed: UInt64(number))
            return Matrix(rows: 1, columns: 48, values: (0..<48).map { _ in random.normal() })
        }
        func found() throws -> [[ScoredIndex]] {
            try queries.flatMap { query in
                let half = Matrix(rows: 1, columns: 16, values: Array(query.values.prefix(16)))
                return [
                    Array(try index.joined.search(queries: query, count: 1)[0]),
                    Array(try index.joined.search(queries: query, count: 20)[0]),
                    Array(try index.blackBox.search(queries: half, count: 1)[0]),
                ]
            }
        }
        let before = try found()
        index.approximate()
        #expect(index.joined.approximationByteCount == 58 * (48 + 16))
        #expect(index.blackBox.approximationByteCount == 58 * (16 + 8))
        #expect(try found() == before)

        let service = try await toy.service(withIndex: true)
        let held = try #require(service.current.index).search
        let start = ContinuousClock.now
        while held.joined.approximationByteCount == 0, ContinuousClock.now - start < .seconds(10) {
            try await Task.sleep(for: .milliseconds(5))
        }
        #expect(held.joined.approximationByteCount > 0)
    }

    @Test func fusionWithBM25AndContext() async throws {
        let toy = toy
        try await toy.writeIndex()
        var options = ServiceOptions()
        options.usesBM25 = true
        try await toy.service(options, withIndex: true).serving { client in
            let words = try await client.post("/search", ["query": "w7", "bm25": 1, "top": 5])
            let hits = try #require(words.json["results"] as? [[String: Any]])
            let expected = BM25(texts: ToyArtefact.documents.map(\.textForEncoding)).ranking(of: "w7", count: 5)
            #expect(hits.first?["id"] as? String == ToyArtefact.documents[expected[0].index].id)
            #expect((hits.first?["bm25_score"] as? NSNumber)?.floatValue == expected[0].score)
            let none = try await client.post("/search", ["query": "w7", "bm25": 0, "top": 5])
            let plain = try await client.post("/search", ["query": "w7", "top": 5])
            func ids(_ answer: Answer) -> [String?] {
                (answer.json["results"] as? [[String: Any]])?.map { $0["id"] as? String } ?? []
            }
            #expect(ids(none) == ids(plain) && ids(plain).count == 5)

            for budget in [16, 40, 200, 100_000] {
                let answer = try await client.post("/v1/context", ["query": "w7", "max_tokens": budget, "top": 30])
                #expect(answer.status == 200, "\(answer.text)")
                let context = try #require(answer.json["context"] as? String)
                let sources = try #require(answer.json["sources"] as? [[String: Any]])
                #expect(!sources.isEmpty && sources.count <= 30)
                // In the toy tokenizer each word, each bracket and each number is one token.
                let tokens = context.split(whereSeparator: \.isWhitespace).reduce(0) {
                    $0 + ($1.hasPrefix("[") ? 3 : 1)
                }
                #expect(tokens <= budget && answer.json["tokens"] as? Int == tokens)
                for (place, source) in sources.enumerated() {
                    #expect(source["source"] as? Int == place + 1)
                    let document = try #require(ToyArtefact.documents.first { $0.id == source["id"] as? String })
                    let text = try #require(source["text"] as? String)
                    #expect(document.text.hasPrefix(text) && context.contains(text))
                    #expect(source["is_cut"] as? Bool == (text != document.text))
                }
            }
        }
        try await toy.service(withIndex: true).serving { client in
            let answer = try await client.post("/search", ["query": "w7", "bm25": 0.5])
            #expect(answer.status == 400 && answer.message.contains("--bm25"))
            for (body, words) in [
                (["query": "a", "top": 101, "candidates": true] as [String: Any], "between 1 and 100"),
                (["query": " "], "query is missing"),
                (["query": "a", "top": 0], "top must lie between"),
                (["query": "a", "lambda": 2], "between 0 and 1"), (["query": 3], "query must be a string"),
            ] {
                let answer = try await client.post("/search", body)
                #expect(answer.status == 400 && answer.message.contains(words), "\(answer.text)")
            }
        }
        try await toy.service().serving { client in
            let answer = try await client.post("/search", ["query": "w7"])
            #expect(answer.status == 404 && answer.message.contains("mafin index"))
        }
    }

    @Test func wordsOfAnExplanationAreTheText() async throws {
        let toy = toy
        try await toy.writeIndex()
        let service = try await toy.service(withIndex: true)
        try await service.serving { client in
            let answer = try await client.post("/explain", ["query": "w3, W4", "document": "d29"])
            #expect(answer.status == 200, "\(answer.text)")
            // Its tokens are counted.
            let tokens = try await client.get("/metrics").text.firstMatch(
                of: #/\nmafin_tokens_total\{role="document"\} (\d+)/#)
            #expect(tokens.flatMap { Int($0.1) } ?? 0 > 100)
            let sides = try #require(answer.json["sides"] as? [[String: Any]])
            for (side, text) in zip(sides, ["w3, W4", ToyArtefact.documents[29].textForEncoding]) {
                let pieces = try #require(side["pieces"] as? [[String: Any]])
                #expect(pieces.map { $0["text"] as? String ?? "" }.joined() == text)
                #expect(pieces.contains { $0["share"] is NSNumber })
            }
        }
        // For a short text, the contributions equal those of the offline computation, which leaves out each word.
        let model = try toy.model()
        let offline = try LeaveOneOut(model).query("w3 w4 w5", document: "w4 w9")
        let online = try await WordShares(
            of: "w3 w4 w5", as: .query, against: "w4 w9", engine: service.current.engine
        ).find()
        #expect(online.pieces.map(\.text) == offline.pieces.map(\.text))
        for (mine, theirs) in zip(online.pieces, offline.pieces) {
            #expect((mine.share == nil) == (theirs.contribution == nil))
            // Offline contributions are parts of λ times the cosine.
            #expect(abs(Double(mine.share ?? 0) * 0.3 - (theirs.contribution ?? 0)) < 1e-5)
        }
    }
}
