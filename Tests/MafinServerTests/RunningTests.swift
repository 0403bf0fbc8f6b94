import Foundation
import MafinBlackBox
import MafinImages
import MafinNumerics
import MafinPipeline
import MafinTestSupport
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import MafinServer

/// The tests wait for events however long these take; the limit only ends the wait for one that never comes.
@Suite(.timeLimit(.minutes(10))) struct RunningTests {
    private let toy: ToyArtefact

    init() throws { toy = try ToyArtefact() }

    /// Sends bytes on a new connection and returns everything that is received until the other side closes or `wait`
    /// has passed.
    private func raw(_ port: Int, _ text: String, wait: Duration = .seconds(10)) async throws -> String {
        let channel = try await connect(port)
        return try await channel.executeThenClose { inbound, outbound in
            try await outbound.write(ByteBuffer(string: text))
            return try await withThrowingTaskGroup(of: String?.self) { group in
                let received = Mutex("")
                group.addTask {
                    for try await part in inbound { received.withLock { $0 += String(buffer: part) } }
                    return received.withLock { $0 }
                }
                group.addTask {
                    try? await Task.sleep(for: wait)
                    return nil
                }
                let first = try await group.next() ?? nil
                group.cancelAll()
                return first ?? received.withLock { $0 }
            }
        }
    }

    private func connect(_ port: Int) async throws -> NIOAsyncChannel<ByteBuffer, ByteBuffer> {
        try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup).connect(host: "127.0.0.1", port: port) {
            channel in
            channel.eventLoop.makeCompletedFuture {
                try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
            }
        }
    }

    private func request(_ body: String, length: Int? = nil) -> String {
        "POST /v1/embeddings HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: \(length ?? body.utf8.count)\r\n\r\n\(body)"
    }

    @Test func workEndsWhenTheClientLeaves() async throws {
        let toy = toy
        // Nothing but the client can end the work: neither an answer nor a bound on time comes within a day.
        toy.blackBox.behaviour.withLock { $0.delay = .seconds(86_400) }
        var options = ServiceOptions()
        (options.deadline, options.upstreamTimeout) = (.seconds(86_400), .seconds(86_400))
        let service = try await toy.service(options)
        try await service.serving { client in
            let channel = try await self.connect(client.port)
            try await channel.executeThenClose { _, outbound in
                try await outbound.write(ByteBuffer(string: self.request("{\"input\":\"w1\"}")))
                while toy.blackBox.calls.isEmpty { try await Task.sleep(for: .milliseconds(5)) }
            }
            while service.requestsInFlight > 0 { try await Task.sleep(for: .milliseconds(5)) }
        }
    }

    /// A client that leaves in the middle of a body is not an error of the service.
    @Test func aBodyThatEndsEarlyIsNotAServerError() async throws {
        let lines = Mutex<[String]>([])
        let service = try await toy.service(log: ServiceLog { line in lines.withLock { $0.append(line) } })
        try await service.serving { client in
            for _ in 0..<10 {
                let channel = try await self.connect(client.port)
                try await channel.executeThenClose { _, outbound in
                    try await outbound.write(ByteBuffer(string: self.request("{\"input\":", length: 100)))
                    while service.requestsInFlight == 0 { try await Task.sleep(for: .milliseconds(5)) }
                }
                while service.requestsInFlight > 0 { try await Task.sleep(for: .milliseconds(5)) }
            }
        }
        let log = lines.withLock { $0 }
        #expect(log.count >= 10 && !log.contains { $0.contains("\"failure\"") }, "\(log)")
    }

    @Test func aRequestHasATimeAndASize() async throws {
        var options = ServiceOptions()
        options.deadline = .milliseconds(300)
        options.maximumBodyBytes = 1000
        let toy = toy
        try await toy.service(options).serving { client in
            // A body that never comes.
            let slow = try await self.raw(client.port, self.request("{\"input\":", length: 100))
            #expect(slow.hasPrefix("HTTP/1.1 504"), "\(slow)")
            // A body whose announced length is too long, and one that turns out to be too long.
            let announced = try await self.raw(client.port, self.request("{", length: 1001))
            #expect(announced.hasPrefix("HTTP/1.1 413") && announced.contains("1001 bytes"), "\(announced)")
            let chunk = "\(String(600, radix: 16))\r\n\(String(repeating: " ", count: 600))\r\n"
            let long = try await self.raw(
                client.port,
                "POST /v1/embeddings HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
                    + chunk + chunk + chunk)
            #expect(long.hasPrefix("HTTP/1.1 413") && long.contains("send fewer texts"), "\(long)")
            // Bytes that are not HTTP.
            let garbage = try await self.raw(client.port, "\u{1}\u{2} nonsense\r\n\r\n", wait: .seconds(1))
            #expect(garbage.hasPrefix("HTTP/1.1 400"), "\(garbage)")
            toy.blackBox.behaviour.withLock { $0.delay = .seconds(20) }
            let late = try await client.post("/v1/embeddings", ["input": "w1"])
            #expect(late.status == 504 && late.message.contains("0.3 s"), "\(late.text)")
            toy.blackBox.behaviour.withLock { $0.delay = .zero }
            // A busy machine may delay the test by more than 0.3 s.
            var status = 0
            for _ in 0..<30 where status != 200 {
                status = try await client.post("/v1/embeddings", ["input": "w1"]).status
                #expect(status == 200 || status == 504)
            }
            #expect(status == 200)
        }
    }

    @Test func moreThanCanBeAnsweredIsRefused() async throws {
        var options = ServiceOptions()
        options.maximumRequests = 4
        let toy = toy
        toy.blackBox.behaviour.withLock { $0.delay = .milliseconds(200) }
        try await toy.service(options).serving { client in
            let answers = try await (0..<30).concurrentMap { number in try await client.embed("w\(number)") }
            let answered = answers.filter { $0.status == 200 }
            let refused = answers.filter { $0.status == 429 }
            #expect(answered.count >= 4 && !refused.isEmpty)
            #expect(refused.allSatisfy { $0.header("retry-after") == "1" && $0.code == "too_many_requests" })
        }
    }

    @Test func reloadsLoseNoRequest() async throws {
        let toy = toy
        let service = try await toy.service()
        let before = try toy.expected("w1", .query)
        try await service.serving { client in
            let isEnding = Mutex(false)
            async let asked = (0..<8).concurrentMap { _ -> [Answer] in
                var answers: [Answer] = []
                while !isEnding.withLock({ $0 }) {
                    answers.append(try await client.embed("w1", as: .query))
                }
                return answers
            }
            for seed: UInt64 in 20..<24 {
                try await Task.sleep(for: .milliseconds(50))
                try toy.write(seed: seed)
                #expect(await service.reload())
            }
            let after = try toy.expected("w1", .query)
            #expect(distance(before, after) > 1e-3)
            let last = try await client.embed("w1", as: .query)
            #expect(distance(try last.vectors()[0], after) < 1e-5)
            // An artefact that cannot be loaded is not served.
            try toy.folder.write("{", to: "ART/manifest.json")
            #expect(await service.reload() == false)
            isEnding.withLock { $0 = true }
            let answers = try await asked.flatMap { $0 }
            #expect(answers.count >= 8 && answers.allSatisfy { $0.status == 200 })
            let still = try await client.embed("w1", as: .query)
            #expect(distance(try still.vectors()[0], after) < 1e-5)
            #expect(try await client.get("/metrics").text.contains("mafin_reloads_total{outcome=\"failed\"}"))
        }
    }

    /// A new artefact over the same index does not read the index again; a new index is read.
    @Test func theIndexIsSharedByReloads() async throws {
        let toy = toy
        try await toy.writeIndex()
        let service = try await toy.service(withIndex: true)
        let before = service.current
        try toy.write(seed: 55)
        #expect(await service.reload())
        #expect(service.current !== before && service.current.index?.search === before.index?.search)
        try await toy.writeIndex(.init(element: .float16))
        #expect(await service.reload())
        #expect(service.current.index?.search !== before.index?.search)
    }

    /// Loading computes for seconds: it must not block a thread that answers requests.
    @Test func loadingHasAThreadOfItsOwn() async throws {
        let toy = toy
        let isOwn = Mutex<[Bool]>([])
        let service = try await MafinService(options: ServiceOptions(), keys: KeyRing()) { _ in
            isOwn.withLock { $0.append(withUnsafeCurrentTask { $0?.unownedTaskExecutor != nil }) }
            return LoadedArtefact(model: try toy.model(), blackBox: toy.blackBox)
        }
        #expect(await service.reload())
        #expect(isOwn.withLock { $0 } == [true, true])
    }

    /// A change made while the artefact is read is read afterwards.
    @Test func aReloadThatIsAskedForMeanwhileFollows() async throws {
        let toy = toy
        let gate = AsyncStream<Void>.makeStream()
        let loads = Mutex(0)
        let service = try await MafinService(options: ServiceOptions(), keys: KeyRing()) { _ in
            let model = try toy.model()
            let number = loads.withLock { loads in
                loads += 1
                return loads
            }
            if number == 2 { for await _ in gate.stream { break } }
            return LoadedArtefact(model: model, blackBox: toy.blackBox)
        }
        let first = Task { await service.reload() }
        while loads.withLock({ $0 }) < 2 { try await Task.sleep(for: .milliseconds(1)) }
        try toy.write(seed: 31)
        #expect(await service.reload())
        gate.continuation.yield()
        #expect(await first.value)
        #expect(loads.withLock { $0 } == 3)
        let vector = try await service.current.embed(["w1"], as: .query, lambda: nil, maximumTokens: 100).vectors
        #expect(distance(vector.values, try toy.expected("w1", .query)) < 1e-5)
    }

    /// An artefact that was being written when it was read is read again, without a further change.
    @Test func aFailedReloadIsTriedAgain() async throws {
        let toy = toy
        let service = try await toy.service()
        let hash = service.current.hash
        var listening = MafinService.Listening(port: 0)
        listening.handlesSignals = false
        try await withThrowingTaskGroup(of: Void.self) { [listening] group in
            group.addTask { try await service.run(listening) }
            try toy.write(seed: 78)
            let manifest = try Data(contentsOf: toy.artefact.appendingPathComponent("manifest.json"))
            try toy.folder.write("{", to: "ART/manifest.json")
            #expect(await service.reload() == false)
            try manifest.write(to: toy.artefact.appendingPathComponent("manifest.json"))
            while service.current.hash == hash {
                try await Task.sleep(for: .milliseconds(50))
            }
            #expect(!service.isReloadDue)
            group.cancelAll()
            while let result = await group.nextResult() { _ = result }
        }
    }

    @Test func aChangedFileIsLoadedByItself() async throws {
        let toy = toy
        var options = ServiceOptions()
        options.watched = [toy.artefact.appendingPathComponent("manifest.json")]
        let service = try await toy.service(options)
        var listening = MafinService.Listening(port: 0)
        listening.handlesSignals = false
        let hash = service.current.hash
        // A change before the service listens is read, too.
        try toy.write(seed: 77)
        try await withThrowingTaskGroup(of: Void.self) { [listening] group in
            group.addTask { try await service.run(listening) }
            while service.current.hash == hash {
                try await Task.sleep(for: .milliseconds(50))
            }
            group.cancelAll()
            while let result = await group.nextResult() { _ = result }
        }
    }
}
