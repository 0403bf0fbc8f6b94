import Foundation
import MafinBlackBox
import MafinNumerics
import MafinTestSupport
import Testing

@Suite struct StoredVectorsTests {
    private func write(
        _ rows: [[Float]], ids: [String], as name: String, in folder: TemporaryFolder,
        type: NumPyFile.ElementType = .float32
    ) throws {
        let matrix = Matrix(rows: rows.count, columns: rows.first?.count ?? 0, values: rows.flatMap { $0 })
        try NumPyFile.write(matrix, to: folder.url.appendingPathComponent("\(name).npy"), as: type)
        try folder.write(ids.map { $0 + "\n" }.joined(), to: "\(name).ids")
    }

    private func items(_ ids: String...) -> [EmbeddingItem] { ids.map { EmbeddingItem(id: $0, text: "") } }

    private func failure(_ body: () throws -> Void) -> String {
        do {
            try body()
            return "nothing was thrown"
        } catch { return "\(error)" }
    }

    @Test func folderAnswersByIdInTheOrderAsked() async throws {
        try await TemporaryFolder.with { folder in
            try write([[1, 0], [0, 1], [0.6, 0.8]], ids: ["a", "b", "c"], as: "corpus", in: folder)
            try write([[0.8, 0.6]], ids: ["a"], as: "queries", in: folder)
            let vectors = try StoredVectors(contentsOf: folder.url)
            #expect(try await vectors.embed(items("c", "a", "c"), as: .document).values == [0.6, 0.8, 1, 0, 0.6, 0.8])
            #expect(try await vectors.embed(items("a"), as: .query).values == [0.8, 0.6])
            #expect(vectors.dimension == 2 && vectors.identity.dimension == 2)
            #expect(vectors.ids(for: .document) == ["a", "b", "c"])
            #expect(vectors.vectors(for: .query)?.rows == 1)
            #expect(vectors.identity.normalisation == .none)
            #expect(vectors.identity.contentHash?.count == 64)
        }
    }

    @Test func identityFollowsTheContentAndNotThePlace() async throws {
        try await TemporaryFolder.with { one in
            try await TemporaryFolder.with { other in
                for folder in [one, other] {
                    try write([[1, 0], [0, 1]], ids: ["a", "b"], as: "corpus", in: folder)
                }
                let first = try StoredVectors(contentsOf: one.url).identity
                #expect(try StoredVectors(contentsOf: other.url).identity.differences(from: first).isEmpty)
                try write([[1, 0], [0, 1]], ids: ["b", "a"], as: "corpus", in: other)
                #expect(try !StoredVectors(contentsOf: other.url).identity.differences(from: first).isEmpty)
            }
        }
    }

    @Test func rowsOfOtherLengthsAreNormalisedAndThatIsRecorded() async throws {
        try await TemporaryFolder.with { folder in
            try write([[3, 4], [0.6, 0.8]], ids: ["long", "unit"], as: "corpus", in: folder)
            let vectors = try StoredVectors(contentsOf: folder.url)
            #expect(try await vectors.embed(items("long", "unit"), as: .document).values == [0.6, 0.8, 0.6, 0.8])
            #expect(vectors.identity.normalisation == .unit)
        }
    }

    @Test func halfPrecisionCountsAsUnit() async throws {
        try await TemporaryFolder.with { folder in
            try write([[0.6, 0.8]], ids: ["a"], as: "corpus", in: folder, type: .float16)
            #expect(try StoredVectors(contentsOf: folder.url).identity.normalisation == .none)
        }
    }

    @Test func safeTensorsAndSingleFiles() async throws {
        try await TemporaryFolder.with { folder in
            let file = folder.url.appendingPathComponent("vectors.safetensors")
            let (corpus, queries): ([Float], [Float]) = ([1, 0, 0, 1], [0.6, 0.8])
            try corpus.withUnsafeBufferPointer { corpus in
                try queries.withUnsafeBufferPointer { queries in
                    try SafeTensorsFile.write(
                        [
                            .init(name: "corpus", shape: [2, 2], values: corpus),
                            .init(name: "queries", shape: [1, 2], values: queries),
                        ], metadata: ["corpus_ids": #"["a","b"]"#, "queries_ids": #"["q \"1\""]"#], to: file)
                }
            }
            let stored = try StoredVectors(contentsOf: file)
            #expect(try await stored.embed(items("b"), as: .document).values == [0, 1])
            #expect(try await stored.embed(items("q \"1\""), as: .query).values == [0.6, 0.8])

            let lines = try folder.write(
                """
                {"_id": "a", "text": "x, }", "embedding": [1.0, 0.0]}

                {"vector": [6e-1, 0.8], "id": 7, "meta": {"k": [1]}}\r
                {"id": "日\\u672c", "embedding": [0, -1]}
                """, to: "v.jsonl")
            let table = try StoredVectors(contentsOf: lines)
            #expect(try await table.embed(items("日本", "7"), as: .query).values == [0, -1, 0.6, 0.8])
            #expect(try await table.embed(items("a"), as: .document).values == [1, 0])

            try write([[0, 1]], ids: ["only"], as: "single", in: folder)
            let single = try StoredVectors(contentsOf: folder.url.appendingPathComponent("single.npy"))
            #expect(try await single.embed(items("only"), as: .query).values == [0, 1])
        }
    }

    @Test func longJSONLinesAcrossPiecesOfTheFile() async throws {
        try await TemporaryFolder.with { folder in
            var text = ""
            var generator = RandomGenerator(seed: 3)
            var expected: [Float] = []
            for row in 0..<700 {
                var values = (0..<768).map { _ in generator.normal() }
                let length = values.reduce(0) { $0 + $1 * $1 }.squareRoot()
                values = values.map { $0 / length }
                expected += values
                text += #"{"_id":"d\#(row)","embedding":["# + values.map { "\($0)" }.joined(separator: ",") + "]}\n"
            }
            #expect(text.utf8.count > 5 << 20)
            let file = try folder.write(text, to: "corpus.jsonl")
            let stored = try StoredVectors(contentsOf: file)
            #expect(stored.vectors(for: .document)?.values == expected)
            #expect(stored.identity.normalisation == .none)
        }
    }

    @Test func everyFaultIsNamed() async throws {
        try await TemporaryFolder.with { folder in
            func open() throws { _ = try StoredVectors(contentsOf: folder.url) }
            #expect(failure(open).contains("expected corpus.npy and corpus.ids"))

            try write([[1, 0], [0, 1]], ids: ["a"], as: "corpus", in: folder)
            #expect(failure(open).contains("corpus.npy holds 2 vectors but"))
            #expect(failure(open).contains("corpus.ids holds 1 ids"))

            try write([[1, 0], [0, 1], [1, 0]], ids: ["a", "b", "a"], as: "corpus", in: folder)
            #expect(failure(open).contains("id 'a' occurs twice (rows 0 and 2)"))

            try write([[1, 0], [0.5, .nan]], ids: ["a", "b"], as: "corpus", in: folder)
            #expect(failure(open).contains("vector of 'b' (row 1) has nan at position 1"))

            try write([[1, 0], [-.infinity, 0]], ids: ["a", "b"], as: "corpus", in: folder)
            #expect(failure(open).contains("vector of 'b' (row 1) has -inf at position 0"))

            try write([[0, 0], [-0.0, 1]], ids: ["a", "b"], as: "corpus", in: folder)
            #expect(failure(open).contains("vector of 'a' (row 0) is all zeros"))

            try write([[1, 0]], ids: ["a"], as: "corpus", in: folder)
            try write([[1, 0, 0]], ids: ["q"], as: "queries", in: folder)
            #expect(failure(open).contains("queries.npy: vectors have 3 numbers, but 2 in"))

            try FileManager.default.removeItem(at: folder.url.appendingPathComponent("queries.ids"))
            #expect(failure(open).contains("queries.ids: not found; expected one id a line"))
        }
    }

    @Test(arguments: [
        ("{\"id\": \"a\"}\n", ":1: no 'embedding' or 'vector' for 'a'"),
        ("{\"embedding\": [1]}\n", ":1: no '_id' or 'id'"),
        ("{\"id\":\"a\",\"vector\":[1]}\n{\"id\":\"b\",\"vector\":[1,2]}\n", ":2: vector of 'b' has 2 numbers"),
        ("{\"id\":\"a\",\"vector\":[1]}\n\n{\"id\":\"b\",\"vector\":[1,", ":3: expected a number at byte 22"),
        ("{\"id\":\"a\",\"vector\":[1]} x\n", ":1: unexpected text after the end of the value"),
        ("{\"id\":\"a\",\"vector\":[1]}\n{\"id\":\"a\",\"vector\":[1]}\n", "id 'a' occurs twice (rows 0 and 1)"),
        ("{\"id\":\"a\",\"vector\":[null]}\n", "vector of 'a' (row 0) has nan at position 0"),
        ("", "expected at least one vector"),
    ])
    func faultyJSONLinesAreNamed(text: String, expected: String) async throws {
        try await TemporaryFolder.with { folder in
            let file = try folder.write(text, to: "v.jsonl")
            let message = failure { _ = try StoredVectors(contentsOf: file) }
            #expect(message.contains("v.jsonl") && message.contains(expected), "\(message)")
        }
    }

    @Test func missingIdsAreCountedAndNamed() async throws {
        try await TemporaryFolder.with { folder in
            try write([[1, 0]], ids: ["a"], as: "corpus", in: folder)
            let vectors = try StoredVectors(contentsOf: folder.url)
            let wanted = items("a", "x1", "x2", "x3", "x4", "x5", "x6")
            let error = await #expect(throws: BlackBoxError.self) { try await vectors.embed(wanted, as: .document) }
            #expect(
                error?.description.hasSuffix("no vectors for 6 of 7 documents: 'x1', 'x2', 'x3', 'x4', 'x5', …") == true
            )
            let role = await #expect(throws: BlackBoxError.self) { try await vectors.embed(items("a"), as: .query) }
            #expect(role?.description.hasSuffix("holds no query vectors") == true)
        }
    }

    @Test func batchesCoverTheCall() async throws {
        try await TemporaryFolder.with { folder in
            try write([[1, 0], [0, 1]], ids: ["a", "b"], as: "corpus", in: folder)
            let vectors = try StoredVectors(contentsOf: folder.url)
            try await vectors.embed(items("b", "a"), as: .document) { answered in
                #expect(answered.indices == [0, 1])
                #expect(answered.vectors.values == [0, 1, 1, 0])
            }
        }
    }

    static let shared = SharedData.folder("vectors/nfcorpus")

    @Test(.enabled(if: shared != nil, "the folder shared/vectors/nfcorpus is not there"))
    func realVectorsOpen() async throws {
        let folder = try #require(Self.shared)
        let vectors = try StoredVectors(contentsOf: folder)
        #expect(vectors.dimension == 768)
        #expect(vectors.identity.normalisation == .none)
        let raw = try NumPyFile.read(folder.appendingPathComponent("corpus.npy"))
        #expect(vectors.vectors(for: .document) == raw)
        let last = try #require(vectors.ids(for: .document).last)
        #expect(try await vectors.embed(items(last), as: .document).values == Array(raw.row(raw.rows - 1)))
    }
}
