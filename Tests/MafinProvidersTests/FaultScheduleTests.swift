import Foundation
import MafinBlackBox
import MafinNumerics
import MafinTestSupport
import Synchronization
import Testing

@testable import MafinProviders

/// Seeded schedules of faults, over as many runs as are needed: no answer is lost, and no answered text is sent again.
@Suite struct FaultScheduleTests {
    /// The slow suite runs all of them (about three minutes); every other run a part of them.
    static let isSlow = ProcessInfo.processInfo.environment["MAFIN_SLOW_TESTS"] == "1"
    static let blocks = isSlow ? 100 : 5
    static let schedulesInBlock = 100

    @Test(arguments: 0..<blocks)
    func nothingIsLostOrAskedTwice(block: Int) async throws {
        try await TemporaryFolder.with { folder in
            let cache = try EmbeddingCache(file: folder.url.appendingPathComponent("cache.sqlite"))
            try cache.trustDisk()
            for seed in block * Self.schedulesInBlock..<(block + 1) * Self.schedulesInBlock {
                try await Schedule(seed: seed).run(cache)
            }
        }
    }

    /// One random server, one random client, one random set of texts.
    struct Schedule {
        let seed: Int
        let dialect: Dialect
        let texts: [String]
        let poison: String?
        let itemCap: Int
        let byteCap: Int
        let faultRate: Float
        let concurrency: Int
        let batch: Int

        init(seed: Int) {
            var random = RandomGenerator(seed: UInt64(seed))
            self.seed = seed
            dialect = Dialect.allCases[random.index(below: Dialect.allCases.count)]
            let count = 1 + random.index(below: 24)
            var texts: [String] = []
            for _ in 0..<count {
                texts.append(
                    "t\(random.index(below: 30)) " + String(repeating: "word ", count: random.index(below: 12)))
            }
            poison = random.uniform() < 0.2 ? texts[random.index(below: count)] : nil
            self.texts = texts
            itemCap = 1 + random.index(below: 12)
            byteCap = 60 + random.index(below: 400)
            faultRate = random.uniform() * 0.6
            concurrency = 1 + random.index(below: 5)
            batch = 1 + random.index(below: 12)
        }

        /// The server's answer to a request: limits are checked first, then a fault may be drawn at random.
        func reaction(_ number: Int, _ call: Dialect.Call) -> FakeTransport.Reaction {
            var random = RandomGenerator(seed: UInt64(seed) &* 1_000_003 &+ UInt64(number))
            func refuse(_ words: String, _ status: Int, _ headers: [String: String] = [:]) -> FakeTransport.Reaction {
                .respond(status: status, headers: headers, body: dialect.refusal(words, status: status))
            }
            if call.texts.count > itemCap { return refuse("batch size too large: at most \(itemCap) inputs", 413) }
            if call.texts.count > 1, call.texts.reduce(0, { $0 + $1.utf8.count }) > byteCap {
                return refuse("too many tokens in batch", 400)
            }
            if let poison, call.texts.contains(poison) { return refuse("cannot process", seed % 2 == 0 ? 400 : 422) }
            guard random.uniform() < faultRate else { return .answer }
            switch random.index(below: 14) {
            case 0: return refuse("slow down", 429, ["retry-after-ms": "\(random.index(below: 3000))"])
            case 1: return refuse("slow down", 429, ["retry-after": "\(random.index(below: 4))"])
            case 2: return refuse("Please try again in \(random.index(below: 900))ms.", 429)
            case 3: return refuse("slow down", 429)
            case 4: return refuse("overloaded", 529)
            case 5: return refuse("internal", 500)
            case 6: return .respond(status: 502, body: "<html>bad gateway</html>")
            case 7: return .respond(status: 200, body: dialect.refusal("the server is overloaded", status: 503))
            case 8: return .fail("the answer ended after 17 of 300 bytes")
            case 9: return .fail("no complete answer within 300 seconds")
            case 10: return .respond(status: 408, body: "")
            case 11 where random.uniform() < 0.2: return refuse("not today", 403)
            case 12 where random.uniform() < 0.2: return .respond(status: 200, body: "<html>sign in</html>")
            case 13 where random.uniform() < 0.2: return .fail("nothing at all")
            default: return .answer
            }
        }

        func run(_ cache: EmbeddingCache) async throws {
            let model = "m\(seed)"
            let transport = FakeTransport(dialect, model: model) { reaction($0, $1) }
            let good = Set(texts).subtracting([poison].compactMap { $0 })
            var vectors: Matrix?
            var refused: [RefusedText] = []
            for attempt in 0..<200 where vectors == nil {
                var options = ProviderBlackBox.Options(
                    limits: BatchLimits(items: batch), maximumConcurrentRequests: concurrency)
                options.retry.maximumAttempts = 30
                let box = try ProviderBlackBox(
                    ProfileCatalog.builtIn.profile(dialect.rawValue), model: model, baseURL: "http://fake",
                    apiKey: APIKey(Dialect.key), options: options, transport: transport, time: VirtualTime())
                let cached = CachedBlackBox(box, cache: cache)
                let asking = Task { try await cached.embed(items(texts), as: .document) }
                // Some runs are interrupted, at a random moment.
                if (seed + attempt) % 5 == 0 { Task { asking.cancel() } }
                do {
                    vectors = try await asking.value
                } catch is CancellationError {
                    continue
                } catch ProviderError.textsRefused(_, _, let texts) {
                    refused = texts
                    break
                } catch ProviderError.refused(_, 403, "not today") {
                    continue
                } catch ProviderError.refused(_, 400...422, "cannot process") where good.count < 2 || attempt < 150 {
                    // Two texts in a row are refused before any text is answered: the client takes the whole call to be
                    // at fault.
                    if good.isEmpty { break }
                    continue
                } catch ProviderError.badAnswer(_, let reason) where reason.contains("sign in") {
                    continue
                }
            }
            #expect(transport.paid.sorted() == good.sorted(), "seed \(seed)")
            #expect(transport.highestInFlight <= concurrency, "seed \(seed)")
            if let vectors {
                let expected = EmbeddingServer.vectors(texts)
                #expect(
                    poison == nil && vectors.values.count == expected.count
                        && zip(vectors.values, expected).allSatisfy { abs($0 - $1) < 1e-6 }, "seed \(seed)")
            } else {
                #expect(poison != nil && (refused.allSatisfy { texts[$0.position] == poison }), "seed \(seed)")
            }
        }
    }
}
