import Foundation
import MafinBlackBox
import MafinEncoder
import MafinMethod
import MafinNumerics
import MafinTestSupport
import Synchronization
import Testing

@testable import MafinPipeline
@testable import MafinRetrieval
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
                    func part(_ source: String, _ field: String) -> Float {
                        let parts = hit["parts"] as? [[String: Any]]
                        let own = parts?.first { $0["source"] as? String == source }
                        return (own?[field] as? NSNumber)?.floatValue ?? .nan
                    }
                    let score = try #require(hit["score"] as? NSNumber).floatValue
                    #expect(abs(part("local", "score") - document.local) < 1e-5)
                    #expect(abs(part("local", "part") - lambda * document.local) < 1e-5)
                    guard lambda < 1 else {
                        #expect(abs(score - document.local) < 1e-5 && hit["black_box_rank"] == nil)
                        continue
                    }
                    #expect(abs(score - (1 - lambda) * document.blackBox - lambda * document.local) < 1e-5)
                    #expect(abs(part("black-box", "score") - document.blackBox) < 1e-5)
                    #expect(abs(part("black-box", "part") + part("local", "part") - score) < 1e-5)
                    #expect(hit["black_box_rank"] as? Int == blackBoxOrder.firstIndex(of: document.id).map { $0 + 1 })
                }
                let own = try #require(answer.json["black_box_ranking"] as? [[String: Any]])
                #expect(own.map { $0["id"] as? String } == (lambda < 1 ? Array(blackBoxOrder.prefix(12)) : []))
                for name in ["rank", "black_box_rank"] {
                    #expect(own.map { $0[name] as? Int } == own.indices.map { $0 + 1 })
                }
                #expect(answer.json["black_box_asked"] as? Bool == (lambda < 1))
                #expect(abs(try #require(answer.json["lambda"] as? NSNumber).floatValue - lambda) < 1e-6)
            }
        }
    }

    /// The weights of a request replace those of single sources. λ is short for two of them.
    @Test func weightsReplaceThoseOfSingleSources() async throws {
        let toy = toy
        try await toy.writeIndex()
        try await toy.service(withIndex: true).serving { client in
            func search(_ body: [String: Any]) async throws -> Answer {
                try await client.post("/search", body.merging(["query": "w3 w4", "top": 58]) { $1 })
            }
            func ids(_ answer: Answer) -> [String] {
                (answer.json["results"] as? [[String: Any]])?.compactMap { $0["id"] as? String } ?? []
            }
            let own = try await search([:])
            let weights = try #require(own.json["weights"] as? [String: Any])
            #expect(weights.keys.sorted() == ["black-box", "local"])
            #expect(abs(try #require(weights["black-box"] as? NSNumber).floatValue - 0.7) < 1e-6)
            let sources = try #require(own.json["sources"] as? [[String: Any]])
            #expect(sources.map { $0["name"] as? String } == ["black-box", "local"])
            #expect(sources.allSatisfy { $0["face"] as? String == "dense" })
            let replaced = try await search(["weights": ["local": 2.8]])
            #expect(ids(replaced) == ids(try await search(["lambda": 0.8])) && ids(replaced) != ids(own))
            // λ first, then the weights.
            let both = try await search(["lambda": 0.8, "weights": ["local": 0.2]])
            #expect(ids(both) == ids(try await search(["lambda": 0.5])))
            // The black box is not asked if its weight is 0.
            let calls = toy.blackBox.calls.count
            let alone = try await search(["weights": ["black-box": 0]])
            #expect(toy.blackBox.calls.count == calls && alone.json["black_box_asked"] as? Bool == false)
            #expect(ids(alone) == ids(try await search(["lambda": 1])))
            for (body, status, words) in [
                (["weights": ["bm25": 1]] as [String: Any], 400, "there are black-box, local"),
                (["weights": ["local": -0.1]], 400, "must lie between 0 and 1000000"),
                (["weights": ["local": 1e30]], 400, "must lie between 0 and 1000000"),
                (["weights": ["local": "much"]], 400, "weights.local must be a number, found a string"),
                (["weights": [1]], 400, "an object of numbers"),
                (["weights": ["local": 0, "black-box": 0]], 409, "all weights are 0"),
                (["weights": ["local": 0], "lambda": 1], 409, "all weights are 0"),
                (["bm25": 0.5], 400, "mafin train --compose"),
                (["query": " "], 400, "query is missing"), (["top": 0], 400, "top must lie between"),
                (["lambda": 2], 400, "between 0 and 1"), (["query": 3], 400, "query must be a string"),
            ] {
                let answer = try await client.post(
                    "/search", ["query": "a" as Any].merging(body) { $1 })
                #expect(answer.status == status && answer.message.contains(words), "\(answer.text)")
            }
        }
        try await toy.service().serving { client in
            let answer = try await client.post("/search", ["query": "w7"])
            #expect(answer.status == 404 && answer.message.contains("mafin index"))
        }
    }

    @Test func documentsAreGivenById() async throws {
        let toy = toy
        try await toy.writeIndex()
        try await toy.service(withIndex: true).serving { client in
            for document in ToyArtefact.documents {
                let found = try await client.get("/document?id=\(document.id)")
                #expect(found.json["text"] as? String == document.text)
            }
            #expect(try await client.get("/document?id=no").status == 404)
            #expect(try await client.get("/document").status == 400)
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
        let sources = try toy.model().sources
        try toy.write(seed: 99)
        try index.require(try Artefact(readingFrom: toy.artefact), sources: sources, queries: .float32)
        var manifest = try Artefact(readingFrom: toy.artefact).manifest
        manifest.documentEncoder?.weightsSHA256 = String(repeating: "0", count: 64)
        #expect(index.manifest.differences(from: manifest, sources: sources, queries: .float32).count == 1)
        // A part that no source needs does not count.
        #expect(index.manifest.differences(from: manifest, sources: [sources[0]], queries: .float32).isEmpty)

        // An index says in which precision its documents are, if that is not float32, and is searched in no other.
        #expect(index.manifest.precision == nil)
        var int8 = index.manifest
        int8.precision = .int8
        let whole = try Artefact(readingFrom: toy.artefact).manifest
        #expect(int8.differences(from: whole, sources: sources, queries: .int8).isEmpty)
        #expect(int8.differences(from: whole, sources: [sources[0]], queries: .float32).isEmpty)
        for (manifest, queries, words) in [
            (int8, Precision.float32, "int8 for queries in float32"),
            (index.manifest, .int8, "float32 for queries in int8"),
        ] {
            let found = manifest.differences(from: whole, sources: sources, queries: queries)
            #expect(found.count == 1 && found[0].hasPrefix("documents embedded in \(words)"), "\(found)")
        }
        #expect(try JSONDecoder().decode(IndexManifest.self, from: JSONEncoder().encode(int8)) == int8)

        // Another program for texts is one, too; that of an index from before versions were recorded is the first.
        let artefact = try Artefact(readingFrom: toy.artefact)
        var older = index.manifest
        for version in [1, nil] {
            older.encodingVersion = version
            let differences = older.differences(from: artefact.manifest, sources: sources, queries: .float32)
            #expect(differences == ["encoding version 1 instead of \(TextEncoder.encodingVersion)"])
        }
        try JSONEncoder().encode(older).write(to: toy.index.appendingPathComponent(IndexManifest.fileName))
        let refusal = #expect(throws: IndexError.self) {
            try SearchIndex(readingFrom: toy.index).require(artefact, sources: sources, queries: .float32)
        }
        #expect(
            try #require(refusal).description == "\(toy.index.path) holds other vectors than the artefact makes: "
                + "encoding version 1 instead of \(TextEncoder.encodingVersion); run 'mafin index' again")

        let file = toy.index.appendingPathComponent("corpus.jsonl")
        var data = try Data(contentsOf: file)
        data[20] ^= 1
        try data.write(to: file)
        #expect(throws: IndexError.self) { try SearchIndex(readingFrom: toy.index, verification: .content) }
        try data.dropLast().write(to: file)
        let (expected, found) = ("\(data.count) bytes", "\(data.count - 1) bytes")
        #expect(throws: IndexError.wrongFile(path: file.path, expected: expected, found: found)) {
            try SearchIndex(readingFrom: toy.index)
        }
        try toy.folder.write("x", to: "OTHER/file")
        #expect(throws: IndexError.occupied(path: toy.folder.url.appendingPathComponent("OTHER").path)) {
            try SearchIndex.requireReplaceable(toy.folder.url.appendingPathComponent("OTHER"))
        }
        let left = try FileManager.default.contentsOfDirectory(atPath: toy.folder.url.path)
        #expect(!left.contains { $0.hasSuffix(".tmp") }, "\(left)")
    }

    /// An index in int8: written, and opened by queries in int8, or in float32 if the artefact says that this is harmless.
    @Test func anIndexIsSearchedInItsPrecision() async throws {
        let toy = toy
        let model = try toy.model()
        model.precision = .int8
        try await SearchIndex.write(
            model, documents: ToyArtefact.documents, collection: "toy", asking: toy.blackBox, to: toy.index)
        let index = try SearchIndex(readingFrom: toy.index, verification: .content)
        #expect(index.manifest.precision == .int8)
        _ = try ServedIndex(toy.index, for: model.artefact, sources: model.sources, queries: .int8, sharing: nil)
        let refusal = #expect(throws: IndexError.self) {
            try ServedIndex(toy.index, for: model.artefact, sources: model.sources, queries: .float32, sharing: nil)
        }
        #expect(try #require(refusal).description.contains("(--precision int8 fits); run 'mafin index' again"))
        // The service says so, too: nothing is served.
        await #expect(throws: IndexError.self) { _ = try await toy.service(withIndex: true) }
        func record(_ passed: Bool) -> PrecisionRecord {
            let change = PairedBootstrap.Interval(mean: 0, low: 0, high: 0)
            let figure = PrecisionRecord.Figure(
                ranking: .all, documents: .int8, queries: .float32, metric: .nDCG(cutoff: 10), queryCount: 9,
                float32: 0.5, value: 0.5, change: change, passed: passed)
            var record = PrecisionRecord(float32: "int8 did not pass", asked: .int8)
            record.trials = [PrecisionRecord.Trial(precision: .int8, passed: false, figures: [figure])]
            return record
        }
        for passed in [false, true] {
            let artefact = try model.artefact.write(record(passed))
            #expect(artefact.manifest.allows(documents: .int8, queries: .float32) == passed)
        }
        _ = try await toy.service(withIndex: true)
    }

    /// A writer was killed where the file system cannot swap names: the index is under the name for the time between.
    @Test func anIndexMovedAsideComesBack() async throws {
        let toy = toy
        try await toy.writeIndex()
        let aside = toy.folder.url.appendingPathComponent(".INDEX.replaced")
        try FileManager.default.moveItem(at: toy.index, to: aside)
        #expect(try SearchIndex(readingFrom: toy.index).count == ToyArtefact.documents.count)
        try FileManager.default.moveItem(at: toy.index, to: aside)
        let model = try toy.model()
        let served = try ServedIndex(toy.index, for: model.artefact, sources: model.sources, sharing: nil)
        #expect(served.search.count == ToyArtefact.documents.count)
        #expect(served.hash == (try ContentHash.sha256(of: toy.index.appendingPathComponent(IndexManifest.fileName))))
    }

    /// The index brings a byte a number beside the mapped rows, and what is found stays the same.
    @Test(arguments: [NumPyFile.ElementType.float32, .float16]) func theIndexHoldsBytesOfItsVectors(
        element: NumPyFile.ElementType
    ) async throws {
        let toy = toy
        try await toy.writeIndex(.init(element: element, blockSize: 13))
        let opened = try SearchIndex(readingFrom: toy.index, verification: .content)
        let names = opened.manifest.files.map(\.path)
        #expect(names.contains("black-box.bytes") && names.contains("local.bytes") && !opened.lacksBytes)
        let index = try opened.prepared(for: toy.model().sources)
        // With so few rows, bounds save work only for the first rank.
        let queries = (0..<40).map { number -> Matrix in
            var random = RandomGenerator(seed: UInt64(number))
            return Matrix(rows: 1, columns: 48, values: (0..<48).map { _ in random.normal() })
        }
        func found(_ joined: VectorIndex) throws -> [[ScoredIndex]] {
            try queries.flatMap { query in
                let half = Matrix(rows: 1, columns: 16, values: Array(query.values.prefix(16)))
                return [
                    Array(try joined.search(queries: query, count: 1)[0]),
                    Array(try joined.search(queries: query, count: 20)[0]),
                    Array(try joined.part(0).search(queries: half, count: 1)[0]),
                ]
            }
        }
        let read = try #require(index.vectors)
        let plain = VectorIndex(parts: read.parts)
        #expect(plain.approximationByteCount == 0 && read.approximationByteCount == 58 * (48 + 16))
        #expect(try found(read) == found(plain))
        #expect(try found(read) == found(VectorIndex(parts: read.parts, isApproximated: true)))

        // The bytes of other rows, with the length that the manifest says.
        let other = try VectorRows(
            Matrix(rows: 58, columns: 16, repeating: 1), as: element == .float16 ? .float16 : .float32)
        try RowApproximation.write(other, to: toy.index.appendingPathComponent("black-box.bytes"))
        let refusal = #expect(throws: NumericsError.self) { try SearchIndex(readingFrom: toy.index) }
        #expect(try #require(refusal).description.contains("black-box.npy, found those of other rows"))
    }

    /// An index of a version that wrote no bytes gets them in memory, in the background, and the log says so once.
    @Test func anOlderIndexGetsItsBytesInTheBackground() async throws {
        let toy = toy
        try await toy.writeIndex()
        let file = toy.index.appendingPathComponent(IndexManifest.fileName)
        var manifest = try SearchIndex(readingFrom: toy.index).manifest
        manifest.files.removeAll { $0.path.hasSuffix(".bytes") }
        try JSONEncoder().encode(manifest).write(to: file)
        for name in ["black-box.bytes", "local.bytes"] {
            try FileManager.default.removeItem(at: toy.index.appendingPathComponent(name))
        }
        let opened = try SearchIndex(readingFrom: toy.index)
        #expect(opened.lacksBytes)
        #expect(try opened.prepared(for: toy.model().sources).vectors?.approximationByteCount == 0)

        let lines = Mutex<[String]>([])
        let log = ServiceLog { line in lines.withLock { $0.append(line) } }
        let service = try await toy.service(withIndex: true, log: log)
        let held = try #require(service.current.index)
        let start = ContinuousClock.now
        while held.documents.vectors?.approximationByteCount == 0, ContinuousClock.now - start < .seconds(10) {
            try await Task.sleep(for: .milliseconds(5))
        }
        #expect(held.documents.vectors?.approximationByteCount == 58 * (48 + 16))
        func notes() -> Int { lines.withLock { $0.filter { $0.contains("without the bytes of its vectors") }.count } }
        #expect(notes() == 1)
        let model = try toy.model()
        let again = try ServedIndex(toy.index, for: model.artefact, sources: model.sources, sharing: held) { _ in
            Issue.record("said twice")
        }
        #expect(again.documents.vectors?.approximationByteCount == 58 * (48 + 16))
    }

    @Test func aContextKeepsToItsBudget() async throws {
        let toy = toy
        try await toy.writeIndex()
        try await toy.service(withIndex: true).serving { client in
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
        let offline = try #require(LeaveOneOut(model)).query("w3 w4 w5", document: "w4 w9")
        let shares = try WordShares(
            of: "w3 w4 w5", as: .query, against: "w4 w9", in: #require(service.current.localSpace))
        let online = try await #require(shares).find()
        #expect(online.pieces.map(\.text) == offline.pieces.map(\.text))
        for (mine, theirs) in zip(online.pieces, offline.pieces) {
            #expect((mine.share == nil) == (theirs.contribution == nil))
            // Offline contributions are parts of λ times the cosine.
            #expect(abs(Double(mine.share ?? 0) * 0.3 - (theirs.contribution ?? 0)) < 1e-5)
        }
    }
}
