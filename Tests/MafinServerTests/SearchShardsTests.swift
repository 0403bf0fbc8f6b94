import Foundation
import HTTPTypes
import MafinImages
import MafinMethod
import Synchronization
import Testing

@testable import MafinServer

/// How the answers of several services become one. `Tools/check_shards_of.py` compares real ones with a single index.
@Suite struct SearchShardsTests {
    private final class Recorder: SearchShards {
        let body = Mutex(Data())

        func answers(to body: Data) async throws -> [Data] {
            self.body.withLock { $0 = body }
            throw CancellationError()
        }

        func document(_ id: String) async throws -> Data? { nil }
    }

    private static let weights = SourceWeights([(.blackBox, 0.6), (.local, 0.4)])

    private static func hit(_ id: String, _ rank: Int, _ score: Float) -> ServedModel.Hit {
        ServedModel.Hit(
            rank: rank, id: id, title: "", text: "", score: score,
            parts: [.init(source: .blackBox, score: -score, part: 0)])
    }

    private static func answer(_ hits: [ServedModel.Hit], degraded: String? = nil) -> ShardAnswer {
        ShardAnswer(
            weights: weights.byName, answeredBy: .blackBox, degraded: degraded, results: hits, blackBoxRanking: hits,
            usage: .init(tokens: 3))
    }

    @Test func theBestOfAllAreRankedAndEqualScoresKeepTheOrderOfTheShards() throws {
        let merged = try Recorder.merged(
            [
                Self.answer([Self.hit("a", 1, 0.9), Self.hit("b", 2, 0.5)]),
                Self.answer([Self.hit("c", 1, 0.9), Self.hit("d", 2, 0.7)]),
            ], count: 3, expected: [Self.weights])
        #expect(merged.hits.map(\.id) == ["a", "c", "d"] && merged.hits.map(\.rank) == [1, 2, 3])
        // In the black box's own ranking the order is that of its part.
        #expect(merged.blackBoxRanking.map(\.id) == ["b", "d", "a"])
        #expect(merged.hits.map(\.blackBoxRank) == [3, nil, 2] && merged.tokens == 3)
    }

    @Test func anAnswerIsApproximateIfThatOfAShardIs() throws {
        let exact = Self.answer([Self.hit("a", 1, 0.9)])
        var approximate = Self.answer([Self.hit("b", 1, 0.8)])
        approximate.approximate = true
        #expect(try Recorder.merged([exact, approximate], count: 2, expected: [Self.weights]).isApproximate)
        #expect(try !Recorder.merged([exact, exact], count: 1, expected: [Self.weights]).isApproximate)
    }

    @Test func shardsThatDoNotGoTogetherAreRefused() throws {
        let good = Self.answer([Self.hit("a", 1, 0.9)])
        var other = good
        other.weights["local"] = 0.5
        let differing = #expect(throws: ServiceError.self) {
            try Recorder.merged([good, other], count: 1, expected: [Self.weights])
        }
        #expect(differing?.status == .badGateway && differing?.code == "shards_differ")
        // One without the black box's vector may have it a moment later.
        let degraded = #expect(throws: ServiceError.self) {
            try Recorder.merged([good, Self.answer([], degraded: "timeout")], count: 1, expected: [Self.weights])
        }
        #expect(degraded?.status == .serviceUnavailable && degraded?.retryAfter == 1)
        let foreign = #expect(throws: ServiceError.self) { try Recorder.merged([good], count: 1, expected: []) }
        #expect(foreign?.code == "shards_differ")
    }

    /// Nothing of the request is lost on the way.
    @Test func theWholeRequestIsPassedOn() async throws {
        let png = Data([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13, 0x49, 0x48, 0x44, 0x52])
        var request = ServedModel.SearchRequest(query: "words", image: try ItemImage(bytes: png, name: "image"))
        (request.wantsThumbnails, request.count, request.lambda, request.weights) = (true, 7, 0.25, ["bm25": 0.5])
        (request.asksBlackBox, request.isExact) = (false, true)
        let recorder = Recorder()
        await #expect(throws: CancellationError.self) { try await recorder.search(request, expected: []) }
        let sent = try #require(
            try JSONSerialization.jsonObject(with: recorder.body.withLock { $0 }) as? [String: Any])
        #expect(sent["query"] as? String == "words" && sent["top"] as? Int == 7 && sent["lambda"] as? Double == 0.25)
        #expect(sent["image"] as? String == "data:image/png;base64,\(png.base64EncodedString())")
        #expect(sent["ask_black_box"] as? Bool == false && sent["exact"] as? Bool == true)
        #expect(sent["thumbnails"] as? Bool == true && sent["weights"] as? [String: Double] == ["bm25": 0.5])
    }
}
