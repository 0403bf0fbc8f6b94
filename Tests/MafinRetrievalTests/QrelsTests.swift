import Foundation
import MafinRetrieval
import Testing

@Suite struct QrelsTests {
    static let expected = Qrels([("q1", "d1", 2), ("q1", "d2", 0), ("q2", "d1", -1)])

    @Test(arguments: [
        "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\nq2\td1\t-1\n",
        "q1\td1\t2\nq1\td2\t0\nq2\td1\t-1",
        "\u{FEFF}q1 0 d1 2\r\nq1 0 d2 0\r\n\r\nq2 0 d1 -1\r\n",
        "q1\t0\td1\t2\nq1\t0\td2\t0\nq2\t0\td1\t-1\n",
    ])
    func everyLayoutIsRead(text: String) throws {
        try withFiles(["qrels": text]) { folder in
            let qrels = try Qrels(contentsOf: folder.appendingPathComponent("qrels"))
            #expect(qrels == Self.expected)
            #expect(qrels.pairCount == 3)
            for format in [Qrels.FileFormat.beir, .trec] {
                let copy = folder.appendingPathComponent("copy")
                try qrels.write(to: copy, as: format)
                #expect(try Qrels(contentsOf: copy) == qrels)
            }
        }
    }

    @Test(arguments: [
        (
            "q1\td1\n",
            "qrels:1: expected query, document and grade, or query, iteration, document and grade, found \"q1 d1\""
        ),
        ("q1\td1\t1\nq1\td2\t1.5\n", "qrels:2: a grade must be an integer, found \"1.5\""),
        ("q1\td1\thigh\n", "qrels:1: a grade must be an integer, found \"high\""),
        ("q1\td1\t1\nq1\td2\thigh\n", "qrels:2: a grade must be an integer, found \"high\""),
        (
            "q1\td1\t1\nq2\td1\t1\nq1\td1\t2\n",
            "qrels:3: query \"q1\" and document \"d1\" were already paired at line 1"
        ),
    ])
    func badLinesAreNamed(text: String, message: String) throws {
        try withFiles(["qrels": text]) { folder in
            let file = folder.appendingPathComponent("qrels")
            #expect(errorMessage(in: folder) { _ = try Qrels(contentsOf: file) } == message)
        }
    }

    @Test func relevantDocumentsAreOrdered() {
        let qrels = Qrels([("q", "b", 1), ("q", "a", 1), ("q", "z", 3), ("q", "n", 0), ("p", "n", 0)])
        #expect(qrels.relevantDocuments(of: "q").map(\.document) == ["z", "a", "b"])
        #expect(qrels.hasRelevantDocument("q") && !qrels.hasRelevantDocument("p"))
        #expect(qrels.filter { $0 == "p" }.queryIds == ["p"])
    }

    @Test func partsOfASplitShareNoRelevantDocument() throws {
        // 60 documents with two queries each, and a chain of queries that connects the first ten documents.
        var qrels = Qrels()
        for query in 0..<120 { qrels.insert(query: "q\(query)", document: "d\(query / 2)", grade: 1) }
        for document in 1..<10 { qrels.insert(query: "q\(2 * document)", document: "d\(document - 1)", grade: 2) }
        // A document judged not relevant connects no queries.
        for query in 0..<120 { qrels.insert(query: "q\(query)", document: "everybody", grade: 0) }
        let shares: [(name: String, share: Double)] = [("train", 0.7), ("dev", 0.1), ("test", 0.2)]
        let ids = ContentIdentity(queries: [], documents: [])
        let parts = try qrels.split(into: shares, identity: ids, seed: 4)
        #expect(try qrels.split(into: shares, identity: ids, seed: 4) == parts)
        #expect(try qrels.split(into: shares, identity: ids, seed: 5) != parts)
        var owner: [String: String] = [:]
        for (name, part) in parts {
            for query in part.queryIds {
                #expect(part[query] == qrels[query])
                for (document, _) in part.relevantDocuments(of: query) {
                    #expect(owner.updateValue(name, forKey: document) ?? name == name)
                }
            }
        }
        #expect(parts.values.reduce(0) { $0 + $1.queryIds.count } == 120)
        for (name, share) in shares {
            let count = try #require(parts[name]).queryIds.count
            #expect(abs(Double(count) - share * 120) <= 2, "\(name) has \(count) queries")
        }
        // All queries share one document, so they cannot be split.
        let tied = Qrels((0..<9).map { (query: "q\($0)", document: "d", grade: 1) })
        #expect(
            throws: RetrievalError.inseparableLabels(queries: 9, largestComponent: 9, parts: ["train", "dev", "test"])
        ) {
            try tied.split(into: shares, identity: ids, seed: 1)
        }
    }

    /// Equal texts with two identifiers are one text, both for queries and for documents.
    @Test(arguments: UInt64(1)...20)
    func partsOfASplitShareNoText(seed: UInt64) throws {
        // Queries a and b have equal texts; the documents of c and d have equal texts; the others have nothing in
        // common.
        let texts = ["a": "what is it", "b": "What is it?", "c": "who was there", "d": "where was that"]
        var queries = texts.sorted { $0.key < $1.key }.map { Query(id: $0.key, text: $0.value) }
        queries += (0..<6).map { Query(id: "f\($0)", text: "filler \($0)") }
        var documents = [
            Document(id: "da", text: "an answer"), Document(id: "db", text: "another answer"),
            Document(id: "dc", text: "The same text."), Document(id: "dd", text: "the  same text"),
        ]
        documents += (0..<6).map { Document(id: "df\($0)", text: "text \($0)") }
        let labels = Qrels(queries.map { (query: $0.id, document: "d" + $0.id, grade: 1) })
        let parts = try labels.split(
            into: [("train", 0.5), ("test", 0.5)], identity: ContentIdentity(queries: queries, documents: documents),
            seed: seed)
        for (first, second) in [("a", "b"), ("c", "d")] {
            for part in parts.values { #expect((part[first] == nil) == (part[second] == nil), "\(first), \(second)") }
        }
    }

    @Test func textsWithoutAWordAreNotOneText() throws {
        let queries = ["?", "!", "…"].enumerated().map { Query(id: "q\($0.offset)", text: $0.element) }
        let documents = (0..<3).map { Document(id: "d\($0)", text: "") }
        let labels = Qrels((0..<3).map { (query: "q\($0)", document: "d\($0)", grade: 1) })
        let parts = try labels.split(
            into: [("a", 1), ("b", 1), ("c", 1)], identity: ContentIdentity(queries: queries, documents: documents),
            seed: 1)
        #expect(parts.values.allSatisfy { $0.queryIds.count == 1 })
    }
}
