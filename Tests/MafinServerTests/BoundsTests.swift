import Dispatch
import Foundation
import HTTPTypes
import MafinBlackBox
import MafinNumerics
import MafinTestSupport
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import MafinServer

/// Limits on the memory and the time that all requests together may use.
@Suite struct BoundsTests {
    // MARK: Bodies

    /// Peak memory of this process in bytes, since it was last reset; `nil` where the system does not tell.
    private static func peak() -> Int? {
        let text = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)
        return text?.firstMatch(of: #/VmHWM:\s+(\d+) kB/#).flatMap { Int($0.1) }.map { $0 << 10 }
    }

    /// An array of numbers takes forty times its size if each number becomes an object. A member that the service does
    /// not read must take no memory. The test runs in a separate process, because other tests use memory at the same
    /// time.
    @Test func aBodyCostsNoMoreThanItsSize() async {
        await #expect(processExitsWith: .success) {
            let size = 48 << 20
            var body = ByteBuffer()
            body.reserveCapacity(size + 100)
            body.writeString(#"{"input":"w1","a":["#)
            body.writeRepeatingByte(UInt8(ascii: "0"), count: 1)
            while body.readableBytes < size { body.writeString(String(repeating: ",0", count: 4096)) }
            body.writeString("]}")
            // The kernel then counts the peak from here on.
            try? Data("5".utf8).write(to: URL(fileURLWithPath: "/proc/self/clear_refs"))
            guard let before = BoundsTests.peak() else { return }
            let fields = try RequestFields(body)
            let text = try fields.text("input")
            #expect(text == "w1")
            let after = try #require(BoundsTests.peak())
            #expect(after - before < 2 * size, "\((after - before) >> 20) MiB")
        }
    }

    @Test func scanningEndsWhenTheClientHasLeft() async throws {
        let body = ByteBuffer(string: #"{"input":["a","b"],"a":1}"#)
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            _ = try RequestFields(body)
        }
        await #expect(throws: CancellationError.self) { try await task.value }
    }

    @Test func fieldsAreReadStrictly() throws {
        func fields(_ text: String) throws -> RequestFields { try RequestFields(ByteBuffer(string: text)) }
        let read = try fields(#" {"a":"x\n\u00e9","b":[1],"n":null,"i":3,"f":1.5,"t":true,"a":"y"} "#)
        #expect(try read.text("a") == "y" && read.text("n") == nil && read.text("missing") == nil)
        #expect(try read.integer("i") == 3 && read.number("f") == 1.5 && read.boolean("t") == true)
        #expect(try read.has("b") && !read.has("n"))
        for (name, words) in [("b", "an array"), ("i", "a number"), ("t", "a boolean")] {
            #expect {
                try read.text(name)
            } throws: { error in
                (error as? ServiceError)?.message == "\(name) must be a string, found \(words)"
            }
        }
        for text in [#"{"a":NaN}"#, #"{"a":0x10}"#, #"{"a":inf}"#, #"{"a":1e999}"#, #"{"a":--1}"#] {
            #expect(throws: ServiceError.self, "\(text)") { try fields(text).number("a") }
        }
        let many = "{" + (0..<65).map { "\"f\($0)\":1" }.joined(separator: ",") + "}"
        #expect(throws: ServiceError.self) { try fields(many) }
    }

    @Test func bodiesTogetherAreBounded() async throws {
        let toy = try ToyArtefact()
        toy.blackBox.behaviour.withLock { $0.delay = .milliseconds(400) }
        var options = ServiceOptions()
        options.bodyBytes = 30_000
        let service = try await toy.service(options)
        try await service.serving { client in
            let text = String(repeating: "w1 ", count: 4000)
            let answers = try await (0..<6).concurrentMap { number in
                try await client.post("/v1/embeddings", ["input": "w\(number) \(text)"])
            }
            #expect(answers.contains { $0.status == 200 })
            let refused = answers.filter { $0.status != 200 }
            #expect(!refused.isEmpty)
            for answer in refused {
                #expect(answer.status == 503 && answer.code == "too_many_bytes" && answer.header("retry-after") == "1")
            }
            #expect(try await client.embed("w1").status == 200)
        }
        #expect(service.bodies.inUse == 0)
    }

    @Test func aBudgetIsGivenBack() throws {
        let budget = Budget(10)
        var first = budget.share(6)
        #expect(first != nil && budget.share(5) == nil && budget.inUse == 6)
        let second = try #require(budget.share(4))
        #expect(!second.grow(by: 1))
        first = nil
        #expect(second.grow(by: 6) && budget.inUse == 10)
        // A request that runs alone gets the memory that it needs.
        #expect(second.grow(by: 100) && budget.share(1) == nil)
    }

    // MARK: Searches

    /// A search whose client has left is not run, and other searches do not wait for its time.
    @Test func searchesWhoseClientHasLeftAreNotMade() async throws {
        let queue = SearchQueue(longestWait: .seconds(60))
        let gate = DispatchSemaphore(value: 0)
        let made = Numbers()
        let first = Task { try await queue.run { _ in gate.wait() } }
        while queue.count == 0 { try await Task.sleep(for: .milliseconds(1)) }
        let others = (1...50).map { number in
            Task { try await queue.run { _ in made.all.withLock { $0.append(number) } } }
        }
        while queue.count < 51 { try await Task.sleep(for: .milliseconds(1)) }
        for task in others.dropLast() { task.cancel() }
        for task in others.dropLast() { await #expect(throws: CancellationError.self) { try await task.value } }
        #expect(queue.count == 2)
        gate.signal()
        try await first.value
        try await others[49].value
        #expect(made.all.withLock { $0 } == [50] && queue.count == 0)
    }

    /// A running search stops at its next step after its client has left.
    @Test func aSearchStopsBetweenItsSteps() async throws {
        let queue = SearchQueue(longestWait: .seconds(60))
        let gate = DispatchSemaphore(value: 0)
        let steps = Mutex(0)
        let task = Task {
            try await queue.run { check in
                steps.withLock { $0 += 1 }
                gate.wait()
                try check()
                steps.withLock { $0 += 1 }
            }
        }
        while steps.withLock({ $0 }) == 0 { try await Task.sleep(for: .milliseconds(1)) }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        gate.signal()
        try await queue.run { _ in }
        #expect(steps.withLock { $0 } == 1)
    }

    /// A search that would wait too long is refused, and the answer tells the waiting time in seconds.
    @Test func searchesAreRefusedByTheWorkBeforeThem() async throws {
        let queue = SearchQueue(longestWait: .milliseconds(100))
        try await queue.run { _ in Thread.sleep(forTimeInterval: 0.06) }
        let gate = DispatchSemaphore(value: 0)
        let first = Task { try await queue.run { _ in gate.wait() } }
        while queue.count < 1 { try await Task.sleep(for: .milliseconds(1)) }
        try await Task.sleep(for: .milliseconds(150))
        do {
            try await queue.run { _ in }
            Issue.record("150 ms of work wait")
        } catch let error as ServiceError {
            #expect(error.status.code == 429 && error.code == "queue_full" && error.retryAfter == 1)
        }
        gate.signal()
        try await first.value
        try await queue.run { _ in }
    }

    /// The answer comes at the deadline, although the call to the black box continues.
    @Test func theAnswerComesAtTheDeadline() async throws {
        let queue = SearchQueue(longestWait: .seconds(60))
        let gate = DispatchSemaphore(value: 0)
        do {
            try await withDeadline(.milliseconds(50)) {
                try await queue.run { _ in gate.wait() }
            } late: {
                ServiceError.deadline(seconds: 0.05)
            }
            Issue.record("it is late")
        } catch let error as ServiceError {
            #expect(error.status.code == 504)
        }
        gate.signal()
    }

    /// Explanations may hold a quarter of the local queue together. Beyond that the next is refused, and other requests are not.
    @Test func explanationsTogetherAreBounded() async throws {
        let toy = try ToyArtefact()
        try await toy.writeIndex()
        let service = try await toy.service(withIndex: true)
        try await service.serving { client in
            do {
                let others = try #require(service.explanations.share(service.options.queueTokens / 4))
                defer { withExtendedLifetime(others) {} }
                let refused = try await client.post("/explain", ["query": "w3", "document": "d2"])
                #expect(refused.status == 429 && refused.code == "queue_full", "\(refused.text)")
                #expect(Int(refused.header("retry-after") ?? "") ?? 0 >= 1)
                #expect(try await client.embed("w1").status == 200)
            }
            #expect(try await client.post("/explain", ["query": "w3", "document": "d2"]).status == 200)
        }
    }

    // MARK: Answers

    /// Clients that do not read their answers are disconnected. Until then all of them together use no more memory than
    /// the limit.
    @Test func answersThatNobodyReadsAreBounded() async throws {
        let toy = try ToyArtefact()
        let file = toy.folder.url.appendingPathComponent("report.html")
        let size = 24 << 20
        try Data(repeating: UInt8(ascii: "x"), count: size).write(to: file)
        var options = ServiceOptions()
        options.report = file
        // Long enough that all requests arrive before the first client is disconnected, on a busy machine too.
        options.writeTimeout = .seconds(10)
        options.responseBytes = 2 * size
        let lines = Mutex<[String]>([])
        let service = try await toy.service(options, log: ServiceLog { line in lines.withLock { $0.append(line) } })
        try await service.serving { client in
            let channels = try await (0..<6).concurrentMap { _ -> any Channel in
                let channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
                    .channelOption(.autoRead, value: false)
                    .channelOption(.socketOption(.so_rcvbuf), value: 8192)
                    .connect(host: "127.0.0.1", port: client.port).get()
                try await channel.writeAndFlush(ByteBuffer(string: "GET /report HTTP/1.1\r\nhost: x\r\n\r\n"))
                return channel
            }
            var most = 0
            while lines.withLock({ $0.count { $0.contains("\"/report\"") } }) < 6 {
                most = max(most, service.responses.inUse)
                try await Task.sleep(for: .milliseconds(5))
            }
            #expect(most > 0 && most <= 2 * size + 1000, "\(most)")
            // They are disconnected, and their memory is released.
            while service.requestsInFlight > 0 || service.responses.inUse > 0 {
                try await Task.sleep(for: .milliseconds(10))
            }
            // Other clients are answered in the meantime.
            #expect(try await client.embed("w1").status == 200)
            for channel in channels { try? await channel.close() }
        }
        let reports = lines.withLock { $0.filter { $0.contains("\"/report\"") } }
        #expect(reports.contains { $0.contains("\"status\":503") })
    }
}

/// Numbers that several tasks add to.
private final class Numbers: Sendable {
    let all = Mutex<[Int]>([])
}
