import Foundation
import MafinRetrieval
import Testing

@Suite struct CollectionTests {
    static let corpus = """
        {"_id": "d1", "title": "Title", "text": "first text ", "metadata": {"a": [1, {"b": null}]}}
        {"_id": "d2", "title": "", "text": " second\\ttext"}

        {"text": "third", "_id": 3}
        """
    static let queries = "{\"_id\": \"q1\", \"text\": \"what?\"}\n{\"_id\": 2, \"text\": \"why?\", \"metadata\": {}}\n"
    static let beir = [
        "corpus.jsonl": corpus, "queries.jsonl": queries,
        "qrels/test.tsv": "query-id\tcorpus-id\tscore\nq1\td1\t1\n2\t3\t2\n",
        "qrels/dev.txt": "2 0 d2 1\n",
    ]

    @Test func textsAreCheckedOneByOne() throws {
        try withFiles(["corpus.jsonl": Self.corpus, "queries.jsonl": Self.queries]) { folder in
            var documents = try CheckedTexts(documents: folder)
            #expect(try documents.next()?.text == "Title first text" && documents.line == 1)
            #expect(try documents.next()?.id == "d2")
            #expect(try documents.next()?.id == "3" && documents.line == 4)
            #expect(try documents.next() == nil && documents.count == 3 && documents.warnings.isEmpty)
            var queries = try CheckedTexts(queries: folder.appendingPathComponent("queries.jsonl"))
            #expect(try queries.next()?.text == "what?" && queries.count == 1)
        }
        let empty = #"{"_id": "q1", "text": " "}"# + "\n"
        try withFiles(["queries.jsonl": empty + empty, "none.jsonl": "\n"]) { folder in
            let file = folder.appendingPathComponent("queries.jsonl")
            var queries = try CheckedTexts(queries: file)
            #expect(try queries.next() != nil)
            #expect(
                queries.warnings.map(\.description) == ["\(file.path):1: the query has no text (id \"q1\")"])
            #expect(
                throws: RetrievalError.duplicateIdentifier(
                    path: file.path, line: 2, kind: .query, identifier: "q1", firstLine: 1)
            ) { try queries.next() }
            let none = folder.appendingPathComponent("none.jsonl")
            var nothing = try CheckedTexts(documents: none)
            #expect(throws: RetrievalError.emptyCollection(path: none.path, kind: .document)) { try nothing.next() }
        }
    }

    /// A date that is not in ISO 8601 is none: other collections have fields of this name too.
    @Test func datesOfQueriesAreRead() throws {
        let lines = ["\"2026-11-29\"", "\"2026-11-29T08:15:00Z\"", "\"March 2026\"", "20261129", "null"].enumerated()
            .map {
                "{\"_id\": \"q\($0)\", \"text\": \"what?\", \"date\": \($1)}"
            }
        try withFiles(["queries.jsonl": lines.joined(separator: "\n")]) { folder in
            var reader = try QueryReader(contentsOf: folder.appendingPathComponent("queries.jsonl"))
            var dates: [String?] = []
            while let query = try reader.next() { dates.append(query.date) }
            #expect(dates == ["2026-11-29", "2026-11-29T08:15:00Z", nil, nil, nil])
        }
    }

    @Test func beirFoldersAreRead() throws {
        try withFiles(Self.beir) { folder in
            let collection = try RetrievalCollection(contentsOf: folder)
            #expect(collection.format == .beir)
            #expect(collection.documentIds == ["d1", "d2", "3"])
            #expect(collection.documents.map(\.textForEncoding) == ["Title first text", "second\ttext", "third"])
            #expect(collection.queries == [Query(id: "q1", text: "what?"), Query(id: "2", text: "why?")])
            #expect(collection.splits == ["dev", "test"])
            #expect(try collection.qrels(split: "test") == Qrels([("q1", "d1", 1), ("2", "3", 2)]))
            #expect(try collection.qrels(split: "dev").queryIds == ["2"])
            #expect(collection.queries(judgedIn: try collection.qrels(split: "dev")).map(\.id) == ["2"])
            #expect(collection.warnings.isEmpty)
            #expect(
                collection.sourceFiles.map(\.lastPathComponent) == [
                    "corpus.jsonl", "queries.jsonl", "dev.txt", "test.tsv",
                ])
            #expect(
                errorMessage(in: folder) { _ = try collection.qrels(split: "train") }
                    == ": there is no split \"train\"; there is dev, test")
        }
    }

    @Test func compressedFilesAreRead() throws {
        let compressed = try #require(
            Data(
                base64Encoded:
                    "H4sIAAAAAAACA6tWis9MUbJSUEoxVNJRUCrJLMlJBXFDwLzUihIQJz8vVamWqxqq1AhJpqQ8HygDAFLAGgJFAAAA"))
        let files = [
            "corpus.jsonl.gz": compressed, "queries.jsonl": Data(Self.queries.utf8),
            "qrels/test.tsv": Data("q1\td1\t1\n".utf8),
        ]
        try withFiles(files) { folder in
            let collection = try RetrievalCollection(contentsOf: folder)
            #expect(
                collection.documents == [Document(id: "d1", title: "T", text: "one"), Document(id: "2", text: "two")])
            var reader = try DocumentReader(contentsOf: folder)
            #expect(try reader.next()?.id == "d1")
            #expect(try reader.next()?.id == "2")
            #expect(try reader.next() == nil)

            // A truncated download must not be read as a smaller corpus.
            let file = folder.appendingPathComponent("corpus.jsonl.gz")
            try compressed.dropLast(12).write(to: file)
            #expect(
                errorMessage(in: folder) { _ = try RetrievalCollection(contentsOf: folder) }
                    .hasPrefix("corpus.jsonl.gz: cannot be read: "))
        }
    }

    @Test func llamaIndexFilesAreRead() throws {
        let text = """
            {"relevant_docs": {"q1": ["d1", "d2"], "q2": [3]}, "mode": "text",
             "queries": {"q1": "what?", "q2": "why\\u003f \\ud83d\\ude00"},
             "corpus": {"d1": "one", "d2": "two", "3": ""}}
            """
        try withFiles(["dataset.json": text]) { folder in
            let collection = try RetrievalCollection(contentsOf: folder.appendingPathComponent("dataset.json"))
            #expect(collection.documentIds == ["d1", "d2", "3"])
            #expect(collection.queries.map(\.text) == ["what?", "why? 😀"])
            #expect(collection.splits == ["all"])
            #expect(try collection.qrels(split: "all") == Qrels([("q1", "d1", 1), ("q1", "d2", 1), ("q2", "3", 1)]))
            #expect(
                collection.warnings.map { $0.description.replacingOccurrences(of: folder.path + "/", with: "") }
                    == ["dataset.json:3: the document has no text (id \"3\")"])
        }
    }

    @Test func pairsAreRead() throws {
        let text = """
            {"query": "a", "document": "one"}
            {"query": "b", "positive": "two", "title": "T", "grade": 2}
            {"query": "a", "text": "two"}
            {"query": "c", "document": ["one", "three"], "query_id": "named"}
            {"query": "a", "document": "one"}
            """
        try withFiles(["pairs.jsonl": text]) { folder in
            let collection = try RetrievalCollection(contentsOf: folder.appendingPathComponent("pairs.jsonl"))
            #expect(collection.queries.map(\.id) == ["q1", "q2", "named"])
            #expect(collection.documents.map(\.text) == ["one", "two", "two", "three"])
            #expect(collection.documents.map(\.title) == ["", "T", "", ""])
            let expected = Qrels([
                ("q1", "d1", 1), ("q2", "d2", 2), ("q1", "d3", 1), ("named", "d1", 1), ("named", "d4", 1),
            ])
            #expect(try collection.qrels(split: "all") == expected)
            #expect(collection.warnings.map(\.kind) == [.repeatedPair])
        }
    }

    static let faults: [(files: [String: String], message: String)] = [
        (["corpus.jsonl": ""], "queries.jsonl: no such file; expected queries, one JSON object to a line"),
        (["corpus.jsonl": "\n \n"], "corpus.jsonl: there is no document in it"),
        (["queries.jsonl": ""], "queries.jsonl: there is no query in it"),
        (
            ["corpus.jsonl": "{\"_id\": \"d1\", \"text\": \"x\"}\n{\"_id\": \"d1\" \"text\": \"x\"}\n"],
            "corpus.jsonl:2:14: malformed JSON: expected \",\" or \"}\""
        ),
        (["corpus.jsonl": "{\"_id\": \"d1\"}\n"], "corpus.jsonl:1: the field \"text\" is missing"),
        (["corpus.jsonl": "{\"_id\": \"\", \"text\": \"x\"}\n"], "corpus.jsonl:1: the field \"_id\" is missing"),
        (
            ["corpus.jsonl": "{\"_id\": \"d1\", \"text\": [\"x\"]}\n"],
            "corpus.jsonl:1: the field \"text\" should be a string, but is an array"
        ),
        (["corpus.jsonl": "[1]\n"], "corpus.jsonl:1:1: malformed JSON: expected an object"),
        (
            ["corpus.jsonl": corpus + "\n{\"_id\": \"d2\", \"text\": \"x\"}"],
            "corpus.jsonl:5: the document id \"d2\" was already used at line 2"
        ),
        (
            ["queries.jsonl": queries + "{\"_id\": \"2\", \"text\": \"x\"}"],
            "queries.jsonl:3: the query id \"2\" was already used at line 2"
        ),
        (
            ["qrels/test.tsv": "q1\td1\t1\nq9\td1\t1\n"],
            "qrels/test.tsv:2: the collection has no query with the id \"q9\""
        ),
        (["qrels/test.tsv": "q1\td9\t1\n"], "qrels/test.tsv:1: the collection has no document with the id \"d9\""),
        (["qrels/test.tsv": "q1\td1\t0\n"], "qrels/test.tsv: no query has a relevant document (a grade of 1 or more)"),
        (["qrels/test.tsv": ""], "qrels/test.tsv: no query has a relevant document (a grade of 1 or more)"),
    ]

    @Test(arguments: faults.indices)
    func faultsAreNamed(index: Int) throws {
        let fault = Self.faults[index]
        var files = Self.beir.merging(fault.files) { $1 }
        if index == 0 {
            files["corpus.jsonl"] = Self.corpus
            files["queries.jsonl"] = nil
        }
        try withFiles(files) { folder in
            let message = errorMessage(in: folder) {
                _ = try RetrievalCollection(contentsOf: folder).qrels(split: "test")
            }
            #expect(message == fault.message)
        }
    }

    @Test(arguments: [
        ("x.jsonl", "{\"document\": \"d\"}", "x.jsonl:1: the field \"query\" is missing"),
        ("x.jsonl", "{\"query\": \"q\"}", "x.jsonl:1: the field \"document\" is missing"),
        (
            "x.jsonl", "{\"query\": \"q\", \"text\": \"d\", \"grade\": 0.5}",
            "x.jsonl:1: a grade must be an integer, found \"0.5\""
        ),
        (
            "x.jsonl",
            "{\"query\": \"q\", \"text\": \"d\"}\n{\"query\": \"q\", \"text\": \"e\"}\n{\"query\": \"q\", \"text\": \"d\", \"grade\": 2}",
            "x.jsonl:3: query \"q1\" and document \"d1\" were already paired at line 1"
        ),
        (
            "x.jsonl",
            "{\"query\": \"q\", \"text\": \"d\", \"document_id\": 1}\n{\"query\": \"q\", \"text\": \"e\", \"document_id\": 1}",
            "x.jsonl:2: the document id \"1\" was already used at line 1"
        ),
        (
            "x.json", "{\"queries\": {\"q\": \"?\"},\n \"corpus\": {\"d\": \"t\"}}",
            "x.json:1: the field \"relevant_docs\" is missing"
        ),
        (
            "x.json",
            "{\"queries\": {\"q\": \"?\"},\n \"corpus\": {\"d\": \"t\"},\n \"relevant_docs\": {\"q\": [\"e\"]}}",
            "x.json:3: the collection has no document with the id \"e\""
        ),
        (
            "x.json", "{\"queries\": {\"q\": \"?\",\n \"q\": \"!\"}}",
            "x.json:2: the query id \"q\" was already used at line 1"
        ),
        ("x.json", "{\"queries\": {\"q\":\n  7}}", "x.json:2:3: malformed JSON: expected a string"),
        (
            "x.csv", "a,b",
            "x.csv: a file of an unknown kind; expected a folder with corpus.jsonl and queries.jsonl (BEIR), a .json file "
                + "with \"queries\", \"corpus\" and \"relevant_docs\", or a .jsonl file of pairs"
        ),
    ])
    func faultsOfSingleFilesAreNamed(name: String, text: String, message: String) throws {
        try withFiles([name: text]) { folder in
            let file = folder.appendingPathComponent(name)
            #expect(errorMessage(in: folder) { _ = try RetrievalCollection(contentsOf: file) } == message)
        }
    }

    @Test func emptyTextsAreWarnings() throws {
        let files = Self.beir.merging([
            "corpus.jsonl": Self.corpus + "\n{\"_id\": \"e\", \"title\": \" \", \"text\": \"\\n\"}",
            "queries.jsonl": Self.queries + "{\"_id\": \"e\", \"text\": \"\\u00a0\"}",
        ]) { $1 }
        try withFiles(files) { folder in
            let warnings = try RetrievalCollection(contentsOf: folder).warnings
            #expect(warnings.map(\.kind) == [.emptyDocument, .emptyQuery])
            #expect(warnings.map(\.line) == [5, 3])
        }
    }

    @Test func aMissingPathIsNamed() {
        let nowhere = URL(fileURLWithPath: "/nonexistent/data")
        #expect(
            throws: RetrievalError.missingFile(
                path: nowhere.path, expected: "a folder or file of documents, queries and labels")
        ) {
            try RetrievalCollection(contentsOf: nowhere)
        }
    }
}
