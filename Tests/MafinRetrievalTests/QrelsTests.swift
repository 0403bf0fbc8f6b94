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
        // 60 documents, two queries each, and a chain that ties the first ten documents together.
        var qrels = Qrels()
        for query in 0..<120 { qrels.insert(query: "q\(query)", document: "d\(query / 2)", grade: 1) }
        for document in 1..<10 { qrels.insert(query: "q\(2 * document)", document: "d\(document - 1)", grade: 2) }
        // A judged document that is not relevant ties nothing.
        for query in 0..<120 { qrels.insert(query: "q\(query)", document: "everybody", grade: 0) }
        let shares: [(name: String, share: Double)] = [("train", 0.7), ("dev", 0.1), ("test", 0.2)]
        let parts = try qrels.split(byDocument: shares, seed: 4)
        #expect(try qrels.split(byDocument: shares, seed: 4) == parts)
        #expect(try qrels.split(byDocument: shares, seed: 5) != parts)
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
        // All queries share one document: there is nothing to split.
        let tied = Qrels((0..<9).map { (query: "q\($0)", document: "d", grade: 1) })
        #expect(
            throws: RetrievalError.inseparableLabels(queries: 9, largestComponent: 9, parts: ["train", "dev", "test"])
        ) {
            try tied.split(byDocument: shares, seed: 1)
        }
    }
}
