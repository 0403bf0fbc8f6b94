import Foundation
import MafinBlackBox
import MafinNumerics
import Synchronization
import Testing

@testable import MafinServer

@Suite struct ReadinessTests {
    private func probe(
        _ box: ToyBlackBox, belief: Duration = .seconds(30), timeout: Duration = .seconds(10)
    ) -> BlackBoxProbe {
        BlackBoxProbe(
            UpstreamBatcher(
                box, limits: .init(timeout: timeout, firstPause: .milliseconds(1)),
                classify: { UpstreamFailure(.unavailable, "\($0)") }), belief: belief, pause: .seconds(60))
    }

    @Test func callsAtTheSameTimeShareOneProbe() async throws {
        let box = ToyBlackBox()
        box.behaviour.withLock { ($0.delay, $0.isAway) = (.milliseconds(100), true) }
        let ill = probe(box)
        let failures = await (0..<10).concurrently { _ in await ill.failure() }
        #expect(failures.allSatisfy { $0?.detail == "the toy is away" } && box.calls.count == 1, "\(failures)")

        box.behaviour.withLock { $0.isAway = false }
        let well = probe(box)
        let none = await (0..<10).concurrently { _ in await well.failure() }
        #expect(none.allSatisfy { $0 == nil } && none.count == 10)
        #expect(box.calls.count == 2)
    }

    @Test func anAnswerIsBelievedForATime() async throws {
        let box = ToyBlackBox()
        let believing = probe(box, belief: .seconds(600))
        let doubting = probe(box, belief: .milliseconds(1))
        for _ in 0..<5 { #expect(await believing.failure() == nil) }
        #expect(box.calls.count == 1)
        #expect(await doubting.failure() == nil)
        box.behaviour.withLock { $0.isAway = true }
        try await Task.sleep(for: .milliseconds(20))
        #expect(await believing.failure() == nil)
        #expect(await doubting.failure()?.detail == "the toy is away")
    }

    @Test func aFailureStaysUntilThereIsAnAnswer() async throws {
        let box = ToyBlackBox()
        box.behaviour.withLock { $0.delay = .seconds(30) }
        let probe = probe(box, timeout: .milliseconds(50))
        #expect(await probe.failure()?.detail.contains("0.05 s") == true)
        // There was no other call, so the result of the probe is still valid.
        for _ in 0..<3 { #expect(await probe.failure() != nil) }
        #expect(box.calls.count == 1)
    }

    @Test func aClientThatHangsUpDoesNotChangeReadiness() async throws {
        let box = ToyBlackBox()
        box.behaviour.withLock { $0.delay = .milliseconds(200) }
        let probe = probe(box)
        let task = Task { await probe.failure() }
        while box.calls.isEmpty { try await Task.sleep(for: .milliseconds(1)) }
        task.cancel()
        #expect(await probe.failure() == nil)
        #expect(box.record.withLock { $0.cancelled } == 0 && box.calls.count == 1)
    }

    /// A black box that refuses every text, including the probe's word, is not ready.
    @Test func aBlackBoxThatRefusesEveryTextIsNotReady() async throws {
        let toy = try ToyArtefact()
        toy.blackBox.behaviour.withLock { $0.refusesAll = true }
        let lines = Mutex<[String]>([])
        try await toy.service(log: ServiceLog { line in lines.withLock { $0.append(line) } }).serving { client in
            #expect(try await client.embed("w1").status == 422)
            let ready = try await client.get("/readyz")
            #expect(ready.status == 503 && ready.json["status"] as? String == "not ready", "\(ready.text)")
            #expect((ready.json["black_box"] as? String)?.contains("refuses the service's requests") == true)
        }
        #expect(lines.withLock { $0 }.contains { $0.contains("\"event\":\"readiness\"") && $0.contains("no text") })
        // A file of stored vectors is ready, even without a vector of the probe's word.
        let stored = BlackBoxProbe(
            UpstreamBatcher(
                KnownTexts(toy.blackBox, queries: [], documents: []),
                classify: { UpstreamFailure(.unavailable, "\($0)") }))
        #expect(await stored.failure() == nil)
    }

    /// Readiness is checked at most once a second, however often clients ask.
    @Test func readinessIsRemembered() async throws {
        let toy = try ToyArtefact()
        try await toy.service().serving { client in
            let begun = ContinuousClock.now
            let states = try await (0..<200).concurrentMap { _ in try await client.get("/readyz").status }
            let seconds = (ContinuousClock.now - begun).inSeconds
            #expect(states.allSatisfy { $0 == 200 })
            let metrics = try await client.get("/metrics").text
            let batches = try #require(metrics.firstMatch(of: #/\nmafin_local_batches_total (\d+)/#)).1
            #expect(Double(batches).map { $0 <= seconds + 2 } == true, "\(batches) batches in \(seconds) s")
        }
    }

    /// If the cache cannot be written, the service still answers, but pays again.
    @Test func theServiceIsReadyIfTheCacheCannotBeWritten() async throws {
        let toy = try ToyArtefact()
        let figures = Mutex(CacheFigures(bytes: 4096, writeFailures: 0, evictedVectors: 3, isWritable: true))
        try await toy.service(cache: { figures.withLock { $0 } }).serving { client in
            let well = try await client.get("/readyz")
            #expect(well.status == 200 && well.json["status"] as? String == "ready", "\(well.text)")
            #expect(well.json["cache"] as? String == "ok")
            figures.withLock { ($0.writeFailures, $0.isWritable) = (2, false) }
            // The result of a check is valid for a second.
            try await Task.sleep(for: .milliseconds(1100))
            let full = try await client.get("/readyz")
            #expect(full.status == 200 && full.json["status"] as? String == "degraded", "\(full.text)")
            #expect((full.json["cache"] as? String)?.contains("cannot be written") == true)
            let metrics = try await client.get("/metrics").text
            #expect(metrics.contains("\nmafin_cache_bytes 4096\n"))
            #expect(metrics.contains("# TYPE mafin_cache_write_failures_total counter\n"))
            #expect(metrics.contains("\nmafin_cache_write_failures_total 2\n"))
            #expect(metrics.contains("\nmafin_cache_evicted_vectors_total 3\n"))
        }
        try await toy.service().serving { client in
            let (ready, metrics) = (try await client.get("/readyz"), try await client.get("/metrics"))
            #expect(ready.status == 200 && ready.json["cache"] == nil && !metrics.text.contains("mafin_cache_"))
        }
    }

    /// If there are keys, only clients with a key are told what is served.
    @Test func clientsWithoutAKeyGetOnlyTheStatus() async throws {
        let toy = try ToyArtefact()
        try await toy.service(keys: try KeyRing(keys: "a-key-of-the-test")).serving { client in
            let key = ["authorization": "Bearer a-key-of-the-test"]
            let (ready, metrics) = (try await client.get("/readyz"), try await client.get("/metrics"))
            #expect(ready.json.keys.sorted() == ["status"])
            #expect(!metrics.text.contains("mafin_build_info"))
            let (details, all) = (try await client.get("/readyz", key), try await client.get("/metrics", key))
            #expect(details.json["artefact"] != nil)
            #expect(all.text.contains("mafin_build_info"))
        }
    }

    /// A full queue causes no paid call, and the service stays ready for the load balancer.
    @Test func theServiceIsReadyIfTheQueueIsFull() async throws {
        let toy = try ToyArtefact()
        var options = ServiceOptions()
        (options.batchTokens, options.queueTokens) = (16, 500)
        let service = try await toy.service(options)
        try await service.serving { client in
            async let states = (0..<40).concurrentMap { _ in try await client.get("/readyz") }
            let answers = try await (0..<200).concurrentMap { number in
                let name = "w\(number % 50) w\(number / 50) own"
                return (
                    name,
                    try await client.post("/v1/embeddings", ["input": [name] + Array(repeating: "w1 w2", count: 60)])
                )
            }
            let refused = answers.filter { $0.1.status == 429 }
            #expect(!refused.isEmpty && answers.contains { $0.1.status == 200 })
            #expect(refused.allSatisfy { ["queue_full"].contains($0.1.code) && $0.1.header("retry-after") != nil })
            let asked = Set(toy.blackBox.calls.flatMap { $0 })
            #expect(refused.allSatisfy { !asked.contains($0.0) })
            for state in try await states { #expect(state.status == 200, "\(state.text)") }
        }
    }
}

extension Sequence where Element: Sendable {
    /// All at the same time, results in no order.
    fileprivate func concurrently<Result: Sendable>(
        _ body: @escaping @Sendable (Element) async -> Result
    ) async -> [Result] {
        await withTaskGroup(of: Result.self) { group in
            for element in self { group.addTask { await body(element) } }
            var results: [Result] = []
            for await result in group { results.append(result) }
            return results
        }
    }
}
