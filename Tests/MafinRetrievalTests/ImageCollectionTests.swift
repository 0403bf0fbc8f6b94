import Foundation
import MafinImages
import MafinRetrieval
import MafinTestSupport
import Testing

@Suite struct ImageCollectionTests {
    private func write(_ data: Data, _ name: String, in folder: TemporaryFolder) throws {
        let file = folder.url.appendingPathComponent(name)
        try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try data.write(to: file)
    }

    /// A folder of rows with images.
    private func collection(_ corpus: [String], _ queries: [String], qrels: [String: String] = [:]) throws
        -> TemporaryFolder
    {
        let folder = try TemporaryFolder()
        for number in 0..<6 { try write(TestPicture.patches(number), "images/\(number).png", in: folder) }
        try write(TestPicture.patches(0), "images/copy-of-0.png", in: folder)
        // The same picture in another size and brightness.
        try write(TestPicture.patches(1, side: 64, brightness: 0.9), "images/like-1.png", in: folder)
        try folder.write(corpus.joined(separator: "\n"), to: "corpus.jsonl")
        try folder.write(queries.joined(separator: "\n"), to: "queries.jsonl")
        for (name, text) in qrels { try folder.write("query-id\tcorpus-id\tscore\n" + text, to: "qrels/\(name).tsv") }
        return folder
    }

    @Test func rowsHaveImagesAndTexts() throws {
        let folder = try collection(
            [
                #"{"_id": "a", "image": "images/0.png"}"#,
                #"{"_id": "b", "image": "images/1.png", "title": "T", "text": "x"}"#,
                #"{"_id": "c", "text": "only text"}"#,
            ], [#"{"_id": "q", "image": "images/2.png"}"#, #"{"_id": "r", "text": "words"}"#])
        let collection = try RetrievalCollection(contentsOf: folder.url)
        #expect(collection.documents.map(\.textForEncoding) == ["", "T x", "only text"])
        #expect(collection.documents.map { $0.image?.path } == ["images/0.png", "images/1.png", nil])
        #expect(collection.queries[0].image?.path == "images/2.png" && collection.queries[0].text.isEmpty)
        #expect(collection.warnings.isEmpty && collection.hasImages && collection.documentsHaveText)
        #expect(try collection.documents[0].image?.pixels().width == 32)
        var texts = try CheckedTexts(documents: folder.url)
        #expect(try texts.next()?.image == collection.documents[0].image)
        let own = try self.collection(
            [#"{"_id": "a", "image": "images/0.png"}"#],
            [#"{"_id": "p", "image": "images/3.png"}"#, #"{"_id": "q", "image": "images/copy-of-0.png"}"#])
        let warnings = try RetrievalCollection(contentsOf: own.url).warnings
        #expect(warnings.map(\.kind) == [.ownDocument])
        #expect(warnings.map(\.line) == [2] && warnings.map(\.identifier) == ["q"])
        let images = try self.collection(
            [#"{"_id": "a", "image": "images/0.png"}"#], [#"{"_id": "q", "image": "images/2.png"}"#])
        #expect(try !RetrievalCollection(contentsOf: images.url).documentsHaveText)
    }

    @Test(arguments: [
        (#""../other/0.png""#, "the path of a file below"), (#""/etc/passwd""#, "the path of a file below"),
        (#""https://example.org/a.png""#, "the path of a file below"), (#""images/none.png""#, "no such file"),
        (#""corpus.jsonl""#, "expected a PNG or a JPEG"), ("3", "a string"), (#""images""#, "it is not a file"),
    ])
    func whatIsNoImageIsNamedWithItsLine(value: String, named: String) throws {
        let folder = try collection(
            [#"{"_id": "x", "image": "images/0.png"}"#, "{\"_id\": \"a\", \"image\": \(value)}"],
            [#"{"_id": "q", "text": "words"}"#])
        let error = #expect(throws: RetrievalError.self) { _ = try RetrievalCollection(contentsOf: folder.url) }
        let text = "\(try #require(error))"
        #expect(text.contains("corpus.jsonl:2:") && text.contains(named), "\(text)")
    }

    @Test func leaksAreFoundByTheBytesAndByTheLook() throws {
        let rows = (0..<4).map { #"{"_id": "d\#($0)", "image": "images/\#($0).png"}"# }
        let folder = try collection(
            rows + [#"{"_id": "like", "image": "images/like-1.png"}"#],
            [
                #"{"_id": "t", "image": "images/0.png"}"#, #"{"_id": "u", "image": "images/1.png"}"#,
                #"{"_id": "copy", "image": "images/copy-of-0.png"}"#, #"{"_id": "near", "image": "images/like-1.png"}"#,
                #"{"_id": "new", "image": "images/5.png"}"#,
            ],
            qrels: ["train": "t\td0\t1\nu\td1\t1", "test": "copy\td2\t1\nnear\tlike\t1\nnew\td3\t1"])
        let collection = try RetrievalCollection(contentsOf: folder.url)
        let (train, test) = (try collection.qrels(split: "train"), try collection.qrels(split: "test"))
        let known = KnownQueries(collection.queries(judgedIn: train))
        #expect(known.among(collection.queries(judgedIn: test)).map(\.id) == ["copy"])
        let error = #expect(throws: RetrievalError.self) {
            try known.requireNone(among: collection.queries(judgedIn: test), split: "test")
        }
        #expect("\(try #require(error))".contains("images/copy-of-0.png"))
        let report = try LeakReport(collection, learned: [train], measured: test)
        #expect(report.queries.map { [$0.learned.id, $0.measured.id] } == [["t", "copy"], ["u", "near"]])
        #expect(report.queries.map(\.isEqual) == [true, false])
        #expect(report.documents.map { [$0.learned.id, $0.measured.id] } == [["d1", "like"]])
        #expect(report.queries.first?.similarity == 1 && report.queries.allSatisfy { $0.similarity >= 1 - 6.0 / 64 })
        // The same bytes stay together when labels are divided.
        let all = Qrels([("t", "d0", 1), ("copy", "d2", 1), ("u", "d1", 1), ("new", "d3", 1)])
        for seed in 0..<5 {
            let parts = try all.split(
                into: [("train", 0.5), ("test", 0.5)], identity: ContentIdentity(collection, labelledBy: [all]),
                seed: UInt64(seed))
            #expect(parts.values.contains { $0["t"] != nil && $0["copy"] != nil })
        }
    }

    @Test func aFolderOfClassesBecomesACollection() throws {
        let folder = try TemporaryFolder()
        for (row, name) in ["bag", "ankle boot", "coat", "dress", "shirt"].enumerated() {
            for number in 0..<10 {
                try write(TestPicture.patches(row * 10 + number, side: 8), "in/\(name)/p \(number).png", in: folder)
            }
        }
        try write(Data("x".utf8), "in/bag/notes.txt", in: folder)
        let source = try ImageFolder(contentsOf: folder.url.appendingPathComponent("in"))
        #expect(source.classes.map(\.name) == ["ankle boot", "bag", "coat", "dress", "shirt"] && source.ignored == 1)
        for split in [ImageFolder.Split.images(train: 0.6, dev: 0.2, test: 0.2), .classes(dev: 1, test: 2)] {
            let plan = ImageFolder.Plan(queriesPerClass: 5, split: split, seed: 3)
            let layout = try source.layout(plan)
            #expect(try source.layout(plan) == layout)
            let output = folder.url.appendingPathComponent("out")
            try ImageFolder.write(layout, plan: plan, to: output)
            let collection = try RetrievalCollection(contentsOf: output)
            #expect(
                collection.documents.count == 25 && collection.queries.count == 25
                    && collection.splits == ["train", "dev", "test"])
            // No image has two roles.
            let roles = Set(collection.documents.compactMap { $0.image?.contentHash })
            #expect(roles.isDisjoint(with: collection.queries.compactMap { $0.image?.contentHash }))
            var seen: [String: Set<String>] = [:]
            for name in collection.splits {
                let qrels = try collection.qrels(split: name)
                for query in qrels.queryIds {
                    let label = query.split(separator: "/")[0]
                    let documents = qrels.relevantDocuments(of: query).map(\.document)
                    #expect(documents.count == 5 && documents.allSatisfy { $0.hasPrefix(label + "/") })
                    seen[name, default: []].insert(String(label))
                }
            }
            if case .classes = split {
                #expect(seen.mapValues(\.count) == ["train": 2, "dev": 1, "test": 2])
                #expect(seen.values.reduce(Set()) { $0.union($1) }.count == 5)
            } else {
                #expect(seen.mapValues(\.count) == ["train": 5, "dev": 5, "test": 5])
                #expect(try collection.qrels(split: "train").queryIds.count == 15)
            }
        }
        #expect(throws: RetrievalError.self) {
            _ = try source.layout(ImageFolder.Plan(split: .classes(dev: 2, test: 3)))
        }
        let plan = ImageFolder.Plan(queriesPerClass: 5, documentsPerClass: 3)
        #expect(try source.layout(plan).documents.count == 15)
        // A folder that holds something else is left alone.
        #expect(throws: RetrievalError.self) { try ImageFolder.write(source.layout(plan), plan: plan, to: source.url) }
        #expect(throws: RetrievalError.self) {
            _ = try ImageFolder(contentsOf: source.url.appendingPathComponent("bag"))
        }
    }
}
