import Foundation
import MafinBlackBox
import Synchronization
import Testing

@testable import MafinServer

@Suite struct EmbeddingsTests {
    private let toy: ToyArtefact

    init() throws { toy = try ToyArtefact() }

    @Test func vectorsAreThoseOfTheArtefact() async throws {
        let toy = toy
        try await toy.service().serving { client in
            for role in TextRole.allCases {
                for (field, value) in [
                    ("input_type", role.rawValue), ("input_type", "search_" + role.rawValue),
                    ("model", "toy:" + role.rawValue),
                ] {
                    var body: [String: Any] = ["model": "toy", "input": ["w1 f3", "w2", "w1 f3"]]
                    body[field] = value
                    let answer = try await client.post("/v1/embeddings", body)
                    #expect(answer.status == 200, "\(answer.text)")
                    let vectors = try answer.vectors()
                    #expect(vectors.count == 3 && vectors[0] == vectors[2])
                    #expect(distance(vectors[0], try toy.expected("w1 f3", role)) < 1e-5)
                    #expect(distance(vectors[1], try toy.expected("w2", role)) < 1e-5)
                    #expect(answer.json["model"] as? String == body["model"] as? String)
                    let usage = try #require(answer.json["usage"] as? [String: Any])
                    // [CLS], the prefix, the words, [SEP].
                    #expect(usage["prompt_tokens"] as? Int == 5 + 4 + 5)
                    #expect(usage["total_tokens"] as? Int == 14)
                }
            }
            let plain = try await client.post("/v1/embeddings", ["input": "w5 w6"])
            #expect(distance(try plain.vectors()[0], try toy.expected("w5 w6", .document)) < 1e-5)
            let encoded = try await client.post("/embeddings", ["input": "w5 w6", "encoding_format": "base64"])
            #expect(try encoded.vectors() == plain.vectors())
            let whole = try await client.post("/v1/embeddings", ["input": "w5 w6", "dimensions": 48])
            #expect(try whole.vectors() == plain.vectors())
        }
    }

    @Test func lambdaBelongsToTheQuery() async throws {
        let toy = toy
        try await toy.service().serving { client in
            for lambda: Float in [0, 0.25, 1] {
                let answer = try await client.post(
                    "/v1/embeddings", ["input": "w1", "input_type": "query", "lambda": lambda])
                #expect(distance(try answer.vectors()[0], try toy.expected("w1", .query, lambda: lambda)) < 1e-5)
            }
            // The whole weight on the local half: the black box is not paid.
            #expect(toy.blackBox.calls.count == 2)
            for (body, parameter) in [
                (["input": "w1", "lambda": 0.5, "input_type": "document"] as [String: Any], "lambda"),
                (["input": "w1", "lambda": 1.5, "input_type": "query"], "lambda"),
                (["input": "w1", "lambda": "half", "input_type": "query"], "lambda"),
            ] {
                let answer = try await client.post("/v1/embeddings", body)
                #expect(answer.status == 400)
                #expect((answer.json["error"] as? [String: Any])?["param"] as? String == parameter)
            }
        }
    }

    @Test func refusedRequestsGetAMessage() async throws {
        var options = ServiceOptions()
        options.maximumInputs = 3
        options.maximumBodyBytes = 2000
        options.queueTokens = 60
        try await toy.service(options).serving { client in
            let cases: [([String: Any], Int, String)] = [
                ([:], 400, "input is missing"), (["input": [String]()], 400, "empty array"),
                (["input": ""], 400, "input is empty"), (["input": ["w1", "  \n"]], 400, "input[1] is empty"),
                (["input": [1, 2]], 400, "token numbers"), (["input": [[1, 2]]], 400, "token numbers"),
                (["input": ["w1", 2] as [Any]], 400, "input[1] must be a string, found a number"),
                (["input": true], 400, "must be a string or an array of strings, found a boolean"),
                (["input": ["a", "b", "c", "d"]], 400, "4 texts, one request may have 3"),
                (["input": "w1", "model": "gpt"], 404, "'gpt' is not served"),
                (["input": "w1", "model": 3], 400, "model must be a string"),
                (["input": "w1", "model": "toy:query", "input_type": "document"], 400, "the model's name says query"),
                (["input": "w1", "input_type": "classification"], 400, "must be query or document"),
                (["input": "w1", "encoding_format": "hex"], 400, "float or base64"),
                (["input": "w1", "dimensions": 16], 400, "must be 48"),
                (["input": "w1", "dimensions": 1.5], 400, "a whole number"),
                (["input": "w1", "output_dtype": "int8"], 400, "must be float"),
                (
                    ["input": Array(repeating: "w1", count: 3).map { $0 + String(repeating: " w2", count: 30) }], 413,
                    "one request may have 60"
                ),
            ]
            for (body, status, words) in cases {
                let answer = try await client.post("/v1/embeddings", body)
                #expect(answer.status == status, "\(body): \(answer.text)")
                #expect(answer.message.contains(words), "\(answer.message)")
                #expect((answer.json["error"] as? [String: Any])?["type"] as? String == "invalid_request_error")
            }
            for (text, words) in [
                ("", "the body is empty"), ("{", "not JSON"), ("[]", "must be a JSON object, found an array"),
                ("{\"input\":\"w1\"} x", "not JSON"), (String(repeating: "[", count: 1500), "not JSON"),
            ] {
                let answer = try await client.post("/v1/embeddings", data: Data(text.utf8))
                #expect(answer.status == 400 && answer.message.contains(words), "\(text.prefix(20)): \(answer.text)")
            }
            let long = try await client.post("/v1/embeddings", ["input": String(repeating: "w1 ", count: 1000)])
            #expect(long.status == 413 && long.message.contains("2000"), "\(long.text)")
            #expect(try await client.get("/v1/embeddings").status == 405)
            #expect(try await client.get("/v1/embeddings").header("allow") == "POST")
            let nothing = try await client.get("/nothing")
            #expect(nothing.status == 404 && nothing.message.contains("/nothing"))
        }
    }

    @Test func cohereAndVoyage() async throws {
        let toy = toy
        try await toy.service().serving { client in
            let cohere = try await client.post(
                "/v2/embed",
                [
                    "model": "toy", "texts": ["w1", "w2"], "input_type": "search_query",
                    "embedding_types": ["float", "base64"], "truncate": "END",
                ])
            #expect(cohere.status == 200, "\(cohere.text)")
            let embeddings = try #require(cohere.json["embeddings"] as? [String: Any])
            let floats = try #require(embeddings["float"] as? [[NSNumber]]).map { $0.map(\.floatValue) }
            #expect(distance(floats[1], try toy.expected("w2", .query)) < 1e-5)
            let encoded = try #require(embeddings["base64"] as? [String])
            #expect(try Answer.floats(base64: encoded[1]) == floats[1])
            #expect(cohere.json["response_type"] as? String == "embeddings_by_type")
            #expect(cohere.json["texts"] as? [String] == ["w1", "w2"])

            let missing = try await client.post("/v2/embed", ["model": "toy", "texts": ["w1"]])
            #expect(missing.status == 400)
            #expect((missing.json["message"] as? String)?.contains("input_type is missing") == true)
            let long = try await client.post(
                "/v2/embed",
                [
                    "texts": ["w1", String(repeating: "w1 ", count: 50)], "input_type": "search_document",
                    "truncate": "NONE",
                ])
            #expect((long.json["message"] as? String)?.contains("texts[1] has 53 tokens") == true, "\(long.text)")

            let voyage = try await client.post(
                "/v1/embeddings",
                [
                    "input": ["w1"], "model": "toy", "input_type": "document", "truncation": true,
                    "output_dtype": "float", "encoding_format": "base64",
                ])
            #expect(distance(try voyage.vectors()[0], try toy.expected("w1", .document)) < 1e-5)
            let refused = try await client.post(
                "/v1/embeddings", ["input": ["w1"], "truncation": true, "lambda": 0.5])
            #expect((refused.json["detail"] as? String)?.contains("lambda") == true)

            let models = try await client.get("/v1/models")
            let names = try #require(models.json["data"] as? [[String: Any]]).map { $0["id"] as? String }
            #expect(names == ["toy", "toy:query", "toy:document"])
            #expect(try await client.get("/v1/models/toy%3Aquery").json["input_type"] as? String == "query")
            #expect(try await client.get("/v1/models/other").status == 404)
        }
    }

    @Test func aRequestOfOneTextDoesNotWaitForManyOthers() async throws {
        var options = ServiceOptions()
        options.batchTokens = 64
        let toy = toy
        let service = try await toy.service(options)
        try await service.serving { client in
            let texts = (0..<2000).map { "w\($0 % 50) w\($0 % 7) w\($0 % 11)" }
            async let many = client.post("/v1/embeddings", ["input": texts])
            try await Task.sleep(for: .milliseconds(5))
            let few = try await (0..<8).asyncMap { try await client.embed("w\($0)") }
            for (number, answer) in few.enumerated() {
                #expect(distance(try answer.vectors()[0], try toy.expected("w\(number)", .document)) < 1e-5)
            }
            let vectors = try await many.vectors()
            #expect(vectors.count == 2000)
            for place in [0, 777, 1999] {
                #expect(distance(vectors[place], try toy.expected(texts[place], .document)) < 1e-5)
            }
        }
    }

    @Test func aPoisonousTextFailsAlone() async throws {
        let toy = try ToyArtefact(isPoisoned: true)
        toy.blackBox.behaviour.withLock { ($0.refusedWord, $0.delay) = ("w13", .milliseconds(20)) }
        try await toy.service().serving { client in
            let answers = try await (0..<40).concurrentMap { number -> Answer in
                let text = number == 7 ? "w1 \(ToyArtefact.poison)" : number == 9 ? "w13" : "w\(number % 12)"
                return try await client.embed(text, as: .query)
            }
            for (number, answer) in answers.enumerated() {
                switch number {
                case 7: #expect(answer.status == 422 && answer.message.contains("no finite vector"), "\(answer.text)")
                case 9: #expect(answer.status == 422 && answer.message.contains("refuses a text"), "\(answer.text)")
                default: #expect(answer.status == 200, "\(answer.text)")
                }
            }
            #expect(try await client.get("/readyz").status == 200)
        }
    }
}

extension Sequence where Element: Sendable {
    func asyncMap<Result>(_ body: (Element) async throws -> Result) async rethrows -> [Result] {
        var results: [Result] = []
        for element in self { results.append(try await body(element)) }
        return results
    }

    /// All at the same time, results in order.
    func concurrentMap<Result: Sendable>(
        _ body: @escaping @Sendable (Element) async throws -> Result
    ) async throws -> [Result] {
        try await withThrowingTaskGroup(of: (Int, Result).self) { group in
            for (place, element) in self.enumerated() { group.addTask { (place, try await body(element)) } }
            var results: [(Int, Result)] = []
            for try await result in group { results.append(result) }
            return results.sorted { $0.0 < $1.0 }.map(\.1)
        }
    }
}
