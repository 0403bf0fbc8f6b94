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

    @Test func whoeverAsksFirstAllWait() async throws {
        let box = ToyBlackBox()
        box.behaviour.withLock { ($0.delay, $0.isAway) = (.milliseconds(100), true) }
        let ill = probe(box)
        let failures = await (0..<10).concurrently { _ in await ill.failure() }
        #expect(failures.allSatisfy { $0 == "the toy is away" } && box.calls.count == 1, "\(failures)")

        box.behaviour.withLock { $0.isAway = false }
        let well = probe(box)
        let none = await (0..<10).concurrently { _ in await well.failure() }
        #expect(none == [String?](repeating: nil, count: 10))
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
        #expect(await doubting.failure() == "the toy is away")
    }

    @Test func aFailureStaysUntilThereIsAnAnswer() async throws {
        let box = ToyBlackBox()
        box.behaviour.withLock { $0.delay = .seconds(30) }
        let probe = probe(box, timeout: .milliseconds(50))
        #expect(await probe.failure()?.contains("0.05 s") == true)
        // Nobody has asked anything else: what was found out is still true.
        for _ in 0..<3 { #expect(await probe.failure() != nil) }
        #expect(box.calls.count == 1)
    }

    @Test func whoHangsUpChangesNothing() async throws {
        let box = ToyBlackBox()
        box.behaviour.withLock { $0.delay = .milliseconds(200) }
        let probe = probe(box)
        let task = Task { await probe.failure() }
        while box.calls.isEmpty { try await Task.sleep(for: .milliseconds(1)) }
        task.cancel()
        #expect(await probe.failure() == nil)
        #expect(box.record.withLock { $0.cancelled } == 0 && box.calls.count == 1)
    }

    /// A queue that is full costs nothing, neither money nor the place behind the load balancer.
    @Test func aFullQueueIsNoIllness() async throws {
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
