import Foundation
import MafinMethod
import MafinNumerics
import MafinRetrieval
import Testing

@testable import MafinPipeline

private func random(_ rows: Int, _ columns: Int, seed: UInt64) -> Matrix {
    var generator = RandomGenerator(seed: seed)
    return Matrix(rows: rows, columns: columns, values: (0..<rows * columns).map { _ in generator.normal() })
}

/// A small world in which every kind of source has something to say.
private struct World {
    static let words = ["heart", "lung", "valve", "blood", "cell", "gene", "bone", "skin", "nerve", "tumour"]
    let texts: [String]
    let queryTexts: [String]
    let documents: SourceDocuments
    let queries: SourceQueries
    let sources: [any ScoreSource]

    init(documents count: Int = 60, queries queryCount: Int = 9) throws {
        var generator = RandomGenerator(seed: 5)
        func text(_ length: Int) -> String {
            (0..<length).map { _ in Self.words[Int(generator.next() % UInt64(Self.words.count))] }.joined(
                separator: " ")
        }
        texts = (0..<count).map { text(3 + $0 % 9) }
        queryTexts = (0..<queryCount).map { text(2 + $0 % 3) }
        let ids = (0..<count).map { "d\($0)" }
        documents = try SourceDocuments(
            ids: ids, texts: texts, blackBox: random(count, 24, seed: 1), local: random(count, 16, seed: 2), form: .unit
        )
        queries = try SourceQueries(
            texts: queryTexts, blackBox: random(queryCount, 24, seed: 3), local: random(queryCount, 16, seed: 4),
            form: .unit)
        let index = InvertedIndex(texts: texts)
        var adapter = Adapter(shape: .linear, dimension: 24, seed: 1)
        adapter.weights = random(24, 24, seed: 6).values.map { 0.2 * $0 }
        var both = Adapter(shape: .twoLayer(hidden: 7), dimension: 24, seed: 2)
        both.weights = random(1, both.weights.count, seed: 7).values.map { 0.2 * $0 }
        both.strength = 0.5
        let known = QueryMemory.Known(
            queries: random(5, 24, seed: 8).normalizedRows().matrix,
            answers: [["d3"], ["d1", "d7"], ["d3", "d9", "d50"], ["gone"], []])
        sources = [
            BlackBoxVectorSource(dimension: 24), LocalVectorSource(dimension: 16),
            LexicalSource(BM25Weighting(LexicalStatistics(of: index), k1: 1.2, b: 0.6)),
            AdapterSource(adapter, mapsDocuments: false, name: SourceName(rawValue: "linear-adapter")),
            AdapterSource(both, mapsDocuments: true, name: SourceName(rawValue: "adapter-of-both")),
            MovedDocuments(
                ids: ["d2", "d40", "gone"], vectors: random(3, 24, seed: 9), name: SourceName(rawValue: "nudge-n")),
            QueryMemory(known, bandwidth: 0.5, reach: 0.2, name: SourceName(rawValue: "memory")),
            QueryMemory(known, bandwidth: 1, sharing: 0, name: SourceName(rawValue: "wide-memory")),
        ]
    }

    /// The score of a pair, from the definition of each source, in double precision.
    func score(_ source: any ScoreSource, query: Int, document: Int) -> Double {
        func inner(_ a: some Sequence<Float>, _ b: some Sequence<Float>) -> Double {
            zip(a, b).reduce(0) { $0 + Double($1.0) * Double($1.1) }
        }
        guard let q = queries.blackBox?.row(query), let d = documents.blackBox?.row(document),
            let mine = queries.local?.vectors.row(query), let theirs = documents.local?.vectors.row(document)
        else { return .nan }
        switch source {
        case is BlackBoxVectorSource: return inner(q, d)
        case is LocalVectorSource: return inner(mine, theirs)
        case let source as AdapterSource:
            func map(_ row: ArraySlice<Float>) -> [Float] {
                source.adapter(Matrix(rows: 1, columns: 24, values: Array(row))).values
            }
            return inner(map(q), source.mapsDocuments ? map(d) : Array(d))
        case let source as MovedDocuments:
            guard let row = source.ids.firstIndex(of: "d\(document)") else { return inner(q, d) }
            return inner(q, source.moved.row(row))
        case let source as QueryMemory:
            func kernelSum(_ id: String) -> Double {
                source.known.answers.indices.reduce(0) { sum, known in
                    let answers = source.known.answers[known]
                    guard answers.contains(id) else { return sum }
                    let kernel = exp((inner(q, source.known.queries.row(known)) - 1) / Double(source.bandwidth))
                    return sum + kernel * pow(Double(answers.count), -source.sharing)
                }
            }
            let norm = Set(source.known.answers.joined()).reduce(0) { $0 + pow(kernelSum($1), 2) }.squareRoot()
            return kernelSum("d\(document)") / (norm + exp((Double(source.reach) - 1) / Double(source.bandwidth)))
        case is LexicalSource: return bm25(query: queryTexts[query], document: texts[document])
        default: return .nan
        }
    }

    /// BM25 over the square root of the query's mass, with k1 = 1.2 and b = 0.6.
    private func bm25(query: String, document: String) -> Double {
        let analyzer = TextAnalyzer()
        let all = texts.map { analyzer.terms(in: $0) }
        let mean = Double(all.reduce(0) { $0 + $1.count }) / Double(all.count)
        let mine = analyzer.terms(in: document)
        var (score, mass) = (0.0, 0.0)
        for term in analyzer.terms(in: query) {
            let frequency = Double(all.count { $0.contains(term) })
            guard frequency > 0 else { continue }
            let idf = log(1 + (Double(all.count) - frequency + 0.5) / (frequency + 0.5))
            let count = Double(mine.count { $0 == term })
            score += idf * count / (count + 1.2 * (0.4 + 0.6 * Double(mine.count) / mean))
            mass += idf
        }
        return mass > 0 ? score / mass.squareRoot() : 0
    }
}

@Suite struct SourceIndexTests {
    private static func weights(_ sources: [any ScoreSource], seed: UInt64) -> SourceWeights {
        var generator = RandomGenerator(seed: seed)
        return SourceWeights(sources.map { ($0.name, 0.1 + Float(generator.next() % 100) / 100) })
    }

    /// All documents, ranked by a sum that is computed from the definition of each source.
    @Test func rankingsAreThoseOfTheDefinition() throws {
        let world = try World()
        for chosen in [
            [0], [1], [2], [3], [4], [5], [6], [0, 1], [0, 2], [0, 3], [2, 6], [1, 2, 5], [0, 1, 2, 3, 4, 5, 6, 7],
        ] {
            let sources = chosen.map { world.sources[$0] }
            let weights = Self.weights(sources, seed: UInt64(chosen.count))
            for isApproximated in [false, true] {
                var index = try SourceIndex(sources, documents: world.documents)
                if isApproximated { index = index.approximated() }
                let queries = try index.queries(world.queries)
                let found = try index.rankings(of: queries, weights: weights, count: 60)
                let scores = index.scores(of: queries, weights: weights)
                for query in 0..<9 {
                    for entry in found[query] {
                        let expected = sources.reduce(0) {
                            $0 + Double(weights[$1.name]) * world.score($1, query: query, document: entry.index)
                        }
                        #expect(abs(Double(entry.score) - expected) < 1e-5, "\(chosen) \(query) \(entry.index)")
                        #expect(abs(Double(scores[query, entry.index]) - expected) < 1e-5)
                    }
                    let isDense = sources.contains { $0 is any DenseSource }
                    let left = (0..<60).count { document in
                        sources.contains { world.score($0, query: query, document: document) != 0 }
                    }
                    #expect(found[query].count == (isDense ? 60 : left))
                    #expect(zip(found[query], found[query].dropFirst()).allSatisfy { $0.score >= $1.score })
                }
            }
        }
    }

    /// A search for few documents, for one query or many, gives the beginning of the whole ranking, bit for bit.
    @Test func fewDocumentsAreTheBeginningOfAll() throws {
        let world = try World(documents: 700)
        let weights = Self.weights(world.sources, seed: 3)
        let index = try SourceIndex(world.sources, documents: world.documents)
        let queries = try index.queries(world.queries)
        let all = try index.rankings(of: queries, weights: weights, count: 700)
        let few = try index.approximated().rankings(of: queries, weights: weights, count: 5)
        for query in 0..<9 {
            #expect(Array(few[query]) == Array(all[query].prefix(5)))
            let single = try index.approximated().queries(world.queries.selecting(rows: [query]))
            #expect(
                try Array(index.approximated().rankings(of: single, weights: weights, count: 5)[0]) == Array(few[query])
            )
        }
    }

    /// The parts add up to the score; with one source beside dense ones that share no vectors, bit for bit.
    @Test func partsAddUpToTheScore() throws {
        let world = try World()
        for (chosen, isExact) in [([0, 1, 2], true), ([0, 1, 4, 5, 6], true), ([0, 1, 2, 3, 4, 5, 6, 7], false)] {
            let sources = chosen.map { world.sources[$0] }
            let weights = Self.weights(sources, seed: 9)
            let index = try SourceIndex(sources, documents: world.documents)
            let queries = try index.queries(world.queries)
            let found = try index.rankings(of: queries, weights: weights, count: 20)
            for query in 0..<9 {
                let parts = index.parts(of: found[query].map(\.index), query: query, of: queries, weights: weights)
                for (place, entry) in found[query].enumerated() {
                    let sum = parts.row(place).reduce(0, +)
                    #expect(isExact ? sum == entry.score : abs(sum - entry.score) < 1e-5)
                }
            }
        }
    }

    /// Scores that are computed in advance change nothing.
    @Test func scoresInAdvance() throws {
        let world = try World()
        let index = try SourceIndex(world.sources, documents: world.documents)
        let queries = try index.queries(world.queries)
        let scored = index.scored(queries)
        let weights = Self.weights(world.sources, seed: 12)
        #expect(
            try index.rankings(of: scored, weights: weights, count: 20)
                == index.rankings(of: queries, weights: weights, count: 20))
        let some = scored.selecting(rows: [4, 2])
        for (place, query) in [4, 2].enumerated() {
            #expect(
                index.parts(of: [0, 3, 50], query: place, of: some, weights: weights)
                    == index.parts(of: [0, 3, 50], query: query, of: queries, weights: weights))
        }
    }

    /// Dense and sparse vectors, multiplied by the weights on the query's side, give the score of any vector database.
    @Test func vectorsGiveTheScoreInADatabase() throws {
        let world = try World()
        let sources = Array(world.sources[0..<6])
        let weights = Self.weights(sources, seed: 4)
        let mixture = Mixture(weights)
        let joined = Matrix.multiply(
            try mixture.join(world.queries, of: sources), transposed: try mixture.join(world.documents, of: sources))
        let ranking = mixture.rankingWeights
        let index = try SourceIndex(sources, documents: world.documents)
        let scores = index.scores(of: try index.queries(world.queries), weights: ranking)
        let lexical = try #require(sources[2] as? LexicalSource)
        for query in 0..<9 {
            let terms = Dictionary(
                uniqueKeysWithValues: lexical.terms(ofQuery: world.queryTexts[query]).map { ($0.index, $0.weight) })
            for document in 0..<60 {
                let sparse = lexical.terms(ofDocument: world.texts[document]).reduce(Float(0)) {
                    $0 + $1.weight * (terms[$1.index] ?? 0)
                }
                #expect(abs(joined[query, document] + ranking[.bm25] * sparse - scores[query, document]) < 1e-5)
            }
        }
        // The adapter of queries shares the black box's document vectors.
        #expect(joined.columns == 60 && Mixture.denseParts(of: sources).map(\.dimension) == [24, 16, 24, 24])
    }

    @Test func sourcesComeBackFromTheirFiles() throws {
        let world = try World()
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("mafin-sources-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let weights = Self.weights(world.sources, seed: 8)
        try ShippedSources(world.sources, mixture: Mixture(weights, origin: .calibrated, newDocuments: 0.25)).write(
            to: folder)
        let read = try ShippedSources(readingFrom: folder)
        #expect(read.mixture.weights == weights && read.mixture.newDocuments == 0.25 && read.usesLocalEncoder)
        #expect(read.sources.map(\.record) == world.sources.map(\.record))
        func rankings(_ sources: [any ScoreSource]) throws -> Rankings {
            let index = try SourceIndex(sources, documents: world.documents)
            return try index.rankings(of: try index.queries(world.queries), weights: weights, count: 60)
        }
        #expect(try rankings(read.sources) == rankings(world.sources))
    }

    /// BM25 reads texts after it was stored as before. The file of English texts has the fields of earlier versions alone.
    @Test(arguments: [Language.english, .german, .japanese, .other])
    func theLanguageIsStoredWithTheWords(_ language: Language) throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("mafin-words-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let texts = ["Die Häuser der Straße", "The houses of the street", "東京都の家"]
        let source = LexicalSource(texts: texts, language: language)
        try ShippedSources([source], mixture: Mixture(SourceWeights([(.bm25, 1)]))).write(to: folder)
        let read = try #require(try ShippedSources(readingFrom: folder).sources.first as? LexicalSource)
        #expect(read.analyzer.language == language && read.weighting == source.weighting)
        for text in texts { #expect(read.terms(ofQuery: text) == source.terms(ofQuery: text), "\(text)") }
        let file = folder.appendingPathComponent("lexical/statistics.json")
        let stored = try #require(try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any])
        let fields = ["documentFrequencies", "documents", "meanLength", "stopWords", "terms"]
        #expect(stored.keys.sorted() == (fields + [language == .english ? "stems" : "analysis"]).sorted())
    }

    /// Versions that knew English alone wrote `stems`. A language of a later version is named.
    @Test func storedWordsOfOtherVersions() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("mafin-words-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let source = LexicalSource(texts: ["pumps"], language: .english)
        try ShippedSources([source], mixture: Mixture(SourceWeights([(.bm25, 1)]))).write(to: folder)
        let file = folder.appendingPathComponent("lexical/statistics.json")
        func read(_ rest: String) throws -> LexicalSource? {
            let text =
                #"{"documents": 1, "meanLength": 1, "terms": ["pump"], "documentFrequencies": [1], "stopWords": []"#
            try Data((text + rest).utf8).write(to: file)
            return try ShippedSources(readingFrom: folder).sources.first as? LexicalSource
        }
        let old = try #require(try read(#", "stems": false}"#))
        #expect(old.analyzer.language == .english && !old.analyzer.stems)
        let unknown = #expect(throws: ArtefactError.self) {
            try read(#", "analysis": {"language": "klingon", "stems": true}}"#)
        }
        #expect("\(try #require(unknown))".contains("'klingon'"))
        #expect(throws: ArtefactError.self) { try read("}") }
    }

    @Test func damagedFilesOfSourcesAreNamed() throws {
        let world = try World()
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("mafin-sources-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        try ShippedSources(world.sources, mixture: Mixture(Self.weights(world.sources, seed: 8))).write(to: folder)
        for (file, content) in [
            ("lexical/statistics.json", "{}"), ("memory/answers.json", "[[]]"),
            ("nudge-n/ids.json", #"["a", "a", "b"]"#),
        ] {
            let url = folder.appendingPathComponent(file)
            let whole = try Data(contentsOf: url)
            try Data(content.utf8).write(to: url)
            #expect(throws: ArtefactError.self, "\(file)") { try ShippedSources(readingFrom: folder) }
            try whole.write(to: url)
        }
        try NumPyFile.write(
            Matrix(rows: 1, columns: 3), to: folder.appendingPathComponent("linear-adapter/weights.npy"))
        let error = #expect(throws: ArtefactError.self) { try ShippedSources(readingFrom: folder) }
        #expect("\(try #require(error))".contains("sources.linear-adapter.folder"))
    }

    /// A memory is at half its strength at its reach, and falls silent beyond it.
    @Test func aMemoryIsSilentFarFromWhatItKnows() throws {
        let known = QueryMemory.Known(queries: Matrix(rows: 1, columns: 2, values: [1, 0]), answers: [["a"]])
        let memory = QueryMemory(known, bandwidth: 0.05, reach: 0.6, name: SourceName(rawValue: "memory"))
        let scorer = memory.scorer(of: SourceDocuments(ids: ["b", "a"]))
        for (cosine, expected) in [(Float(1), Float(0.99966)), (0.6, 0.5), (0.5, 0.11920), (0, 6e-6), (-1, 0)] {
            let query = Matrix(rows: 1, columns: 2, values: [cosine, (1 - cosine * cosine).squareRoot()])
            var scores: [Float] = [0, 0]
            scores.withUnsafeMutableBufferPointer {
                scorer.write(row: 0, of: SourceQueries(blackBox: query), cosines: [cosine], to: $0)
            }
            #expect(scores[0] == 0 && abs(scores[1] - expected) < 1e-5, "\(cosine)")
            #expect(abs(memory.scores(ids: ["b", "a"])(query)[0, 1] - expected) < 1e-5)
        }
    }

    /// The spread of cosines, and the distance at which nearly all known queries have a neighbour.
    @Test func theScaleOfKnownQueries() {
        let angles = (0..<40).map { 0.1 * Float($0 % 20) }
        let known = QueryMemory.Known(
            queries: Matrix(rows: 40, columns: 2, values: angles.flatMap { [cos($0), sin($0)] }),
            answers: angles.map { _ in [] })
        // Each query has a twin, which does not count, and a neighbour at 0.1 radians.
        let scale = known.scale
        #expect(abs(scale.reach - cos(0.1)) < 1e-5)
        let cosines = (0..<20).flatMap { a in (0..<20).filter { $0 != a }.map { cos(0.1 * Double(a - $0)) } }
        let mean = cosines.reduce(0, +) / Double(cosines.count)
        let spread = (cosines.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(cosines.count)).squareRoot()
        #expect(abs(Double(scale.spread) - spread) < 1e-4)
        let one = QueryMemory.Known(queries: Matrix(rows: 1, columns: 2, values: [1, 0]), answers: [["a"]])
        #expect(one.scale == (0.1, -1))
    }
}
