import Foundation
import MafinNumerics
import Testing

@testable import MafinRetrieval

@Suite struct LeakTests {
    @Test func normalizedTexts() {
        #expect(TextShingles.normalized("  Dragon's  BLOOD?! ") == "dragon s blood")
        #expect(TextShingles.normalized("Vitamin-C") == "vitamin c")
        #expect(TextShingles.normalized("…") == "")
        #expect(TextShingles.normalized("Ünïté 2") == "ünïté 2")
    }

    /// Jaccard coefficients by Swift's own sets.
    private func coefficient(_ a: String, _ b: String, _ shingles: TextShingles) -> Double {
        func pieces(_ text: String) -> Set<String> {
            let normalized = TextShingles.normalized(text)
            let (tokens, count, joiner): ([String], Int, String)
            switch shingles {
            case .characters(let length): (tokens, count, joiner) = (normalized.map { String($0) }, length, "")
            case .words(let length):
                (tokens, count, joiner) = (normalized.split(separator: " ").map(String.init), length, " ")
            }
            guard !tokens.isEmpty else { return [] }
            guard tokens.count > count else { return [tokens.joined(separator: joiner)] }
            return Set((0...tokens.count - count).map { tokens[$0..<$0 + count].joined(separator: joiner) })
        }
        let (first, second) = (pieces(a), pieces(b))
        let union = first.union(second).count
        return union == 0 ? 0 : Double(first.intersection(second).count) / Double(union)
    }

    @Test(arguments: [TextShingles.characters(5), .characters(2), .words(1), .words(2)], [0.3, 0.5, 0.8, 1])
    func findsWhatComparingAllPairsFinds(shingles: TextShingles, threshold: Double) {
        var generator = RandomGenerator(seed: 31)
        let words = ["ab", "abc", "ba", "zz", "cabinet", "Zebra", "x", "yonder", "yond"]
        func texts(_ count: Int) -> [String] {
            (0..<count).map { _ in
                (0..<generator.index(below: 7)).map { _ in words[generator.index(below: words.count)] }
                    .joined(separator: " ")
            }
        }
        let (first, second) = (texts(60), texts(70))
        let found = SimilarTexts(shingles: shingles, threshold: threshold).pairs(first, second)
        var expected: [SimilarPair] = []
        for row in second.indices {
            for other in first.indices {
                let similarity = coefficient(first[other], second[row], shingles)
                guard similarity >= threshold - 1e-12 else { continue }
                expected.append(
                    SimilarPair(
                        first: other, second: row, similarity: similarity,
                        isEqual: first[other].lowercased() == second[row].lowercased()))
            }
        }
        #expect(found == expected && !expected.isEmpty)
    }

    private let collection = RetrievalCollection(
        documents: [
            Document(id: "a", text: "the quick brown fox jumps over the lazy dog again and again"),
            Document(id: "a2", text: "The quick brown fox jumps over the lazy dog again and again!"),
            Document(id: "b", text: "something else altogether, about the price of bread in the old town"),
        ],
        queries: [
            Query(id: "t1", text: "Are avocados good for you?"), Query(id: "t2", text: "plant-based diets"),
            Query(id: "t3", text: "vitamin D"), Query(id: "m1", text: "plant-based diet"),
            Query(id: "m2", text: "vitamin K"), Query(id: "m3", text: "are avocados  GOOD for you"),
        ],
        qrels: [
            "train": Qrels([("t1", "a", 1), ("t2", "a", 1)]), "dev": Qrels([("t3", "b", 1)]),
            "test": Qrels([("m1", "a2", 1), ("m2", "b", 1), ("m3", "a2", 1)]), "clean": Qrels([("m2", "b", 1)]),
        ])

    @Test func textsOnBothSidesAreListed() throws {
        let learned = try ["train", "dev"].map { try collection.qrels(split: $0) }
        let report = try LeakReport(collection, learned: learned, measured: try collection.qrels(split: "test"))
        #expect(report.queries.map(\.measured.id) == ["m3", "m1"] && report.queries.map(\.learned.id) == ["t1", "t2"])
        #expect(report.queries.map(\.isEqual) == [true, false])
        #expect(report.affectedQueries == ["m1", "m3"])
        #expect(report.documents.map(\.learned.id) == ["a"] && report.documents.map(\.measured.id) == ["a2"])
        #expect(report.learnedQueries == 3 && report.measuredQueries == 3)
        let clean = try LeakReport(collection, learned: learned, measured: try collection.qrels(split: "clean"))
        #expect(clean.queries.isEmpty && clean.documents.isEmpty)
    }

    @Test func knownQueriesAreRefused() throws {
        let known = KnownQueries(collection.queries.prefix(3))
        let measured = Array(collection.queries.suffix(3))
        #expect(known.among(measured).map(\.id) == ["m3"], "the same text; what is nearly the same is another question")
        let message = errorMessage(in: .init(fileURLWithPath: "/")) {
            try known.requireNone(among: measured, split: "test")
        }
        #expect(message.contains("1 of the 3 queries of test") && message.contains("\"m3\""), "\(message)")
        try known.requireNone(among: [measured[0]], split: "test")
        #expect(try KnownQueries(lines: known.lines, path: "") == known)
        #expect(String(decoding: known.lines, as: UTF8.self).split(separator: "\n").count == 3)
        for damaged in ["12\n", "zzzzzzzzzzzzzzzz\n", "0123456789abcdef0\n"] {
            #expect(throws: RetrievalError.self) { try KnownQueries(lines: Data(damaged.utf8), path: "known") }
        }
    }

    @Test func seenAndNewDocuments() throws {
        let learned = Qrels([("t", "a", 1), ("t", "b", 2), ("u", "c", 0)])
        let measured = Qrels([
            ("p", "a", 1), ("p", "b", 1), ("q", "a", 1), ("q", "c", 1), ("r", "z", 1), ("s", "a", 0), ("p", "z", 0),
        ])
        let ids = ContentIdentity(queries: [], documents: [])
        let partition = QueryPartition(measured, learned: [learned], identity: ids)
        #expect(partition.seenDocuments == ["p"])
        #expect(partition.newDocuments == ["q", "r"] && partition.seenShares == [0.5, 0])

        func run(_ best: [String: String]) -> Run {
            var run = Run()
            for (query, document) in best { run.setRanking([ScoredDocument(id: document, score: 1)], for: query) }
            return run
        }
        let metric = Metric.success(cutoff: 1)
        let evaluations = [("base", run(["p": "a", "q": "x"])), ("other", run(["p": "x", "q": "a", "r": "z"]))]
            .map { (name: $0.0, evaluation: SeededEvaluation([evaluate($0.1, against: measured, metrics: [metric])])) }
        let reports = try partition.reports(
            split: "test", evaluations: evaluations, baseline: "base", metrics: [metric])
        #expect(reports[.seenDocuments]?.queries == 1 && reports[.newDocuments]?.queries == 2)
        #expect(reports[.seenDocuments]?.systems.map { $0.metrics[metric] } == [1, 0])
        #expect(reports[.newDocuments]?.systems.map { $0.metrics[metric] } == [0, 1])
        let known = QueryPartition(learned, learned: [learned], identity: ids)
        #expect(known.newDocuments.isEmpty)
        let all = try known.reports(
            split: "train",
            evaluations: [("base", SeededEvaluation([evaluate(run(["t": "a"]), against: learned, metrics: [metric])]))],
            baseline: "base", metrics: [metric])
        #expect(Set(all.keys) == [.seenDocuments])
    }

    /// Five new sets are too few, however many queries ask for them; six are enough. Sets that training knows do not count.
    @Test func queriesThatShareFewNewSets() {
        func sets(_ count: Int, queries: Int = 40, known: Int = 0) -> Int? {
            let measured = Qrels(
                (0..<queries).flatMap { query in (0..<3).map { ("q\(query)", "d\(query % count)-\($0)", 1) } })
            let learned = Qrels((0..<known).flatMap { set in (0..<3).map { ("t\(set)", "d\(set)-\($0)", 1) } })
            return QueryPartition(
                measured, learned: [learned], identity: ContentIdentity(queries: [], documents: [])
            ).tooFewNewSets
        }
        #expect(sets(2) == 2 && sets(5) == 5 && sets(6) == nil)
        #expect(sets(5, known: 5) == nil)
        #expect(sets(4, known: 2) == nil, "only half of the queries ask for new documents")
        #expect(sets(4, known: 1) == 3)
        #expect(sets(5, queries: 5) == 5 && sets(5, queries: 7) == 5 && sets(6, queries: 6) == nil)
        let known = Qrels([("t", "a", 1), ("t", "b", 1)])
        let almostKnown = Qrels((0..<9).flatMap { [("q\($0)", "a", 1), ("q\($0)", "b", 1), ("q\($0)", "c", 1)] })
        let identity = ContentIdentity(queries: [], documents: [])
        #expect(QueryPartition(almostKnown, learned: [known], identity: identity).tooFewNewSets == nil)
    }

    @Test func aDocumentWithTheTextOfALearnedOneIsNotNew() throws {
        let learned = try collection.qrels(split: "train")
        let measured = try collection.qrels(split: "test")
        let partition = QueryPartition(
            measured, learned: [learned], identity: ContentIdentity(collection, labelledBy: [learned, measured]))
        #expect(partition.seenDocuments == ["m1", "m3"] && partition.newDocuments == ["m2"])
    }
}
