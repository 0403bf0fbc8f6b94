import Foundation
import HTTPTypes
import MafinMethod
import MafinRetrieval
import MafinTestSupport
import Testing

@testable import MafinPipeline
@testable import MafinServer

/// Who decides whether the black box is asked: one index, the service before shards, or the request.
@Suite struct ShardAskingTests {
    private static let queries = (0..<24).map { "w\($0 * 2) w\(($0 * 7) % 58) f\($0 % 9)" }

    /// Services that each search a part of the documents, over HTTP.
    private struct Shards: SearchShards {
        let clients: [Client]

        func answers(to body: Data) async throws -> [Data] {
            var answers: [Data] = []
            for client in clients {
                let answer = try await client.post("/search", data: body)
                guard answer.status == 200 else {
                    throw ServiceError(.init(code: answer.status), .upstream, answer.message, code: answer.code)
                }
                answers.append(answer.data)
            }
            return answers
        }

        func document(_ id: String) async throws -> Data? { nil }
    }

    private static func toy() throws -> ToyArtefact {
        let local = LocalVectorSource(dimension: ToyArtefact.localDimension)
        let words = ScoredKind.bm25().source
        return try ToyArtefact(
            [(ScoredKind.blackBox().source, 1), (local, 0.4), (words, 0.3)],
            offline: [(ToyArtefact.standIn(), 1.2), (local, 0.5), (words, 0.2)])
    }

    private static func options(offline: Bool = false, askBelow: Double? = nil) -> ServiceOptions {
        var options = ServiceOptions()
        (options.isOffline, options.askBelow, options.name) = (offline, askBelow, "toy")
        return options
    }

    /// A service over some of the documents.
    private static func service(
        _ toy: ToyArtefact, _ options: ServiceOptions, of part: Range<Int>? = nil, shards: Shards? = nil
    ) async throws -> MafinService {
        var options = options
        options.shards = shards
        let index = part.map { toy.folder.url.appendingPathComponent("INDEX-\($0.lowerBound)-\($0.upperBound)") }
        if let part, let index, !FileManager.default.fileExists(atPath: index.path) {
            try await SearchIndex.write(
                toy.model(), documents: Array(ToyArtefact.documents[part]), collection: "toy", asking: toy.blackBox,
                to: index, options: .init(blockSize: 13))
        }
        let isOffline = options.isOffline
        return try await MafinService(options: options, keys: KeyRing(), log: .none) { _ in
            LoadedArtefact(model: try toy.model(), blackBox: isOffline ? nil : toy.blackBox, index: index)
        }
    }

    /// What an answer says, without what only one index knows.
    private static func facts(_ answer: Answer) throws -> [String] {
        #expect(answer.status == 200, "\(answer.text)")
        let hits = try #require(answer.json["results"] as? [[String: Any]]).map { hit -> String in
            "\(hit["id"] ?? "") \(hit["score"] ?? "")"
        }
        return hits + ["answered_by", "sureness", "black_box_asked"].map { "\($0) \(answer.json[$0] ?? "-")" }
    }

    /// The service before the shards decides once, by the ranking of all documents. The shards would decide otherwise: each knows only its own.
    @Test(arguments: [3, 58]) func theServiceBeforeTheShardsDecidesAsOneIndex(top: Int) async throws {
        let toy = try Self.toy()
        let all = ToyArtefact.documents.count
        @Sendable func ask(_ client: Client, _ query: String) async throws -> Answer {
            try await client.post("/search", ["query": query, "top": top])
        }
        let sureness = try await Self.service(toy, Self.options(askBelow: 0), of: 0..<all).serving { client in
            var found: [Double] = []
            for query in Self.queries {
                let answer = try await ask(client, query)
                found.append(try #require(answer.json["sureness"] as? Double))
            }
            return found
        }
        let threshold = sureness.sorted()[12]
        let options = Self.options(askBelow: threshold)
        try await Self.service(toy, options, of: 0..<all).serving { one in
            try await Self.service(toy, options, of: 0..<20).serving { first in
                try await Self.service(toy, options, of: 20..<all).serving { second in
                    let shards = Shards(clients: [first, second])
                    try await Self.service(toy, options, shards: shards).serving { front in
                        var decisions: [Bool] = []
                        var differing = 0
                        for query in Self.queries {
                            let answer = try await ask(front, query)
                            let expected = try await ask(one, query)
                            #expect(try Self.facts(answer) == Self.facts(expected), "\(query)")
                            decisions.append(answer.json["black_box_asked"] as? Bool == true)
                            let alone = [try await ask(first, query), try await ask(second, query)]
                            differing +=
                                alone.contains { $0.json["black_box_asked"] as? Bool != decisions.last } ? 1 : 0
                        }
                        #expect(decisions == sureness.map { $0 < threshold })
                        #expect(decisions.count { $0 } == 12)
                        #expect(differing > 0, "shards that decide for themselves would do the same")
                    }
                }
            }
        }
    }

    /// Without a threshold the service before the shards asks for all queries, and with --offline for none, whatever the shards would do.
    @Test func theShardsDoAsTheServiceBeforeThem() async throws {
        let toy = try Self.toy()
        let all = ToyArtefact.documents.count
        try await Self.service(toy, Self.options(askBelow: 0), of: 0..<all).serving { shard in
            let shards = Shards(clients: [shard])
            try await Self.service(toy, Self.options(), shards: shards).serving { front in
                let answer = try await front.post("/search", ["query": "w3 w4"])
                #expect(answer.json["answered_by"] as? String == "black-box", "\(answer.text)")
                #expect(answer.json["sureness"] == nil)
            }
            let calls = toy.blackBox.calls.count
            try await Self.service(toy, Self.options(offline: true), shards: shards).serving { front in
                let answer = try await front.post("/search", ["query": "w3 w4"])
                #expect(answer.json["answered_by"] as? String == "stand-in", "\(answer.text)")
            }
            #expect(toy.blackBox.calls.count == calls)
        }
        // A shard that cannot answer without asking says so, instead of a ranking of another kind.
        try await Self.service(toy, Self.options(), of: 0..<all).serving { shard in
            let shards = Shards(clients: [shard])
            try await Self.service(toy, Self.options(askBelow: 0.5), shards: shards).serving { front in
                let answer = try await front.post("/search", ["query": "w3 w4"])
                #expect(answer.code == ServiceError.refusedChoice, "\(answer.text)")
                #expect(answer.message.contains("--ask-below"), "\(answer.text)")
            }
        }
    }

    @Test func aRequestMaySayWhetherToAsk() async throws {
        let toy = try Self.toy()
        let all = 0..<ToyArtefact.documents.count
        @Sendable func ask(_ client: Client, _ body: [String: Any]) async throws -> Answer {
            try await client.post("/search", body.merging(["query": "w3 w4"]) { $1 })
        }
        @Sendable func refused(_ client: Client, _ body: [String: Any], _ words: String) async throws {
            let answer = try await ask(client, body)
            #expect(answer.status == 409 && answer.code == ServiceError.refusedChoice, "\(answer.text)")
            #expect(answer.message.contains(words), "\(answer.text)")
        }
        for threshold in [0, 0.999_999] {
            try await Self.service(toy, Self.options(askBelow: threshold), of: all).serving { client in
                let calls = toy.blackBox.calls.count
                let never = try await ask(client, ["ask_black_box": false])
                #expect(never.json["answered_by"] as? String == "stand-in" && never.json["sureness"] != nil)
                #expect(toy.blackBox.calls.count == calls)
                let always = try await ask(client, ["ask_black_box": true])
                #expect(always.json["answered_by"] as? String == "black-box" && always.json["sureness"] == nil)
                #expect(toy.blackBox.calls.count == calls + 1)
                // Nothing needs the black box.
                let words = try await ask(client, ["ask_black_box": false, "weights": ["black-box": 0]])
                #expect(words.status == 200 && words.json["answered_by"] == nil, "\(words.text)")
                try await refused(client, ["ask_black_box": false, "lambda": 0.5], "lambda")
                let wrong = try await ask(client, ["ask_black_box": "no"])
                #expect(wrong.status == 400)
            }
        }
        try await Self.service(toy, Self.options(), of: all).serving { client in
            let asked = try await ask(client, ["ask_black_box": true])
            #expect(asked.json["answered_by"] as? String == "black-box")
            try await refused(client, ["ask_black_box": false], "--ask-below")
        }
        try await Self.service(toy, Self.options(offline: true), of: all).serving { client in
            let answer = try await ask(client, ["ask_black_box": false])
            #expect(answer.json["answered_by"] as? String == "stand-in")
            try await refused(client, ["ask_black_box": true], "--offline")
        }
    }
}
