import Dispatch
import HTTPTypes
import MafinBlackBox
import MafinEncoder
import MafinImages
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinText
import Synchronization
import Testing

@testable import MafinServer

@Suite struct EngineTests {
    private func engine(
        _ toy: ToyArtefact, batch: Int = 64, queue: Int = 10_000,
        observer: @escaping LocalEngine.Observer = { _, _, _ in }
    ) throws -> LocalEngine {
        let engines = LocalEngine.engines(
            of: try toy.model(), limits: .init(batchTokens: batch, queueTokens: queue), observer: observer)
        return try #require(engines.local)
    }

    private func rows(_ engine: LocalEngine, _ texts: [String], _ role: TextRole = .query) throws -> ItemBatch {
        try engine.reader(role).inputs(of: texts.map { Item($0) }, parameter: "input")
    }

    @Test func batchedRequestsGetTheSameVectorsAsAlone() async throws {
        let toy = try ToyArtefact()
        let engine = try engine(toy)
        let alone = try toy.model()
        let requests = (0..<60).map { number in
            (0..<(1 + number % 9)).map { "w\((number * 7 + $0) % 58) " + String(repeating: "f3 ", count: $0) }
        }
        let answers = try await requests.enumerated().concurrentMap { number, texts in
            let role: TextRole = number % 2 == 0 ? .query : .document
            return try await engine.embed(try self.rows(engine, texts, role), as: role)
        }
        for (number, texts) in requests.enumerated() {
            let expected = try alone.localVectors(of: texts, as: number % 2 == 0 ? .query : .document)
            #expect(distance(answers[number].values, expected.values) < 1e-5)
        }
        #expect(engine.load == 0)
    }

    @Test func theQueueIsBounded() async throws {
        let toy = try ToyArtefact()
        let engine = try engine(toy, batch: 16, queue: 500)
        let answers = try await (0..<200).concurrentMap { number -> String in
            do {
                _ = try await engine.embed(try self.rows(engine, Array(repeating: "w1 w2 w3", count: 40)), as: .query)
                return "answered"
            } catch let error as ServiceError {
                #expect(error.status.code == 429 && (error.retryAfter ?? 0) >= 1)
                return "refused"
            }
        }
        #expect(answers.contains("answered") && answers.contains("refused"))
        #expect(engine.load == 0)
        // It has room again.
        #expect(try await engine.embed(try rows(engine, ["w1"]), as: .query).rows == 1)
    }

    @Test func rowsOfAClientThatLeftAreNotComputed() async throws {
        let toy = try ToyArtefact()
        // The first batch runs until the test lets it end.
        let gate = DispatchSemaphore(value: 0)
        let isFirst = Mutex(true)
        let rowsComputed = Mutex(0)
        let engine = try engine(
            toy, batch: 16, queue: 1_000_000,
            observer: { rows, _, _ in
                rowsComputed.withLock { $0 += rows }
                let waits = isFirst.withLock { isFirst in
                    defer { isFirst = false }
                    return isFirst
                }
                if waits { gate.wait() }
            })
        let batch = try rows(engine, Array(repeating: "w1 w2 w3", count: 2000))
        let task = Task { try await engine.embed(batch, as: .query) }
        while engine.load == 0 { try await Task.sleep(for: .milliseconds(1)) }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(engine.load == 0)
        gate.signal()
        _ = try await engine.embed(try rows(engine, ["w1"]), as: .query)
        #expect(rowsComputed.withLock { $0 } < 20)
        let late = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await engine.embed(try self.rows(engine, ["w1"]), as: .query)
        }
        await #expect(throws: CancellationError.self) { try await late.value }
    }

    /// Rows that arrive while a batch is computed go into the next batches, each with as many rows as the token limit
    /// allows.
    @Test func rowsOfSeveralRequestsShareABatch() async throws {
        let toy = try ToyArtefact()
        let gate = DispatchSemaphore(value: 0)
        let batches = Mutex<[(rows: Int, tokens: Int)]>([])
        let engine = try engine(
            toy, batch: 64, queue: 100_000,
            observer: { rows, tokens, _ in
                let isFirst = batches.withLock { batches in
                    batches.append((rows, tokens))
                    return batches.count == 1
                }
                if isFirst { gate.wait() }
            })
        let first = Task { try await engine.embed(try self.rows(engine, ["w0"]), as: .query) }
        while batches.withLock({ $0.isEmpty }) { try await Task.sleep(for: .milliseconds(1)) }
        let texts = (0..<299).map { "w\($0 % 50)" }
        let all = try engine.load + rows(engine, texts).tokenCount
        async let others = texts.concurrentMap { try await engine.embed(try self.rows(engine, [$0]), as: .query) }
        while engine.load < all { try await Task.sleep(for: .milliseconds(1)) }
        gate.signal()
        _ = try await (first.value, others)
        let made = batches.withLock { $0 }
        #expect(made.reduce(0) { $0 + $1.rows } == 300 && made.allSatisfy { $0.tokens <= 64 })
        #expect(made.count < 40, "\(made.count) batches")
    }
}

@Suite struct UpstreamTests {
    private func items(_ texts: String...) -> [EmbeddingItem] { texts.map { EmbeddingItem(id: "x", text: $0) } }

    private func batcher(_ box: ToyBlackBox, _ limits: UpstreamBatcher.Limits = .init()) -> UpstreamBatcher {
        UpstreamBatcher(box, limits: limits, classify: { UpstreamFailure(.unavailable, "\($0)") })
    }

    @Test func waitingTextsShareCalls() async throws {
        let box = ToyBlackBox()
        box.behaviour.withLock { $0.delay = .milliseconds(50) }
        let batcher = batcher(box, .init(calls: 2, textsPerCall: 40))
        let answers = try await (0..<64).concurrentMap { number in
            try await batcher.embed(self.items("a \(number)", "b \(number)"), as: number % 2 == 0 ? .query : .document)
        }
        for (number, answer) in answers.enumerated() {
            let role: TextRole = number % 2 == 0 ? .query : .document
            #expect(Array(answer.row(0)) == ToyBlackBox.vector("a \(number)", role))
            #expect(Array(answer.row(1)) == ToyBlackBox.vector("b \(number)", role))
        }
        #expect(box.calls.count < 16 && box.calls.allSatisfy { $0.count <= 40 }, "\(box.calls.map(\.count))")
    }

    @Test func aRefusedTextFailsAlone() async throws {
        let box = ToyBlackBox()
        box.behaviour.withLock { ($0.delay, $0.refusedWord) = (.milliseconds(20), "bad") }
        let batcher = batcher(box, .init(calls: 1))
        let failed = try await (0..<20).concurrentMap { number -> Bool in
            do {
                _ = try await batcher.embed(self.items(number == 11 ? "bad" : "good \(number)"), as: .query)
                return false
            } catch let failure as UpstreamFailure {
                #expect(failure.kind == .textRefused && failure.detail.contains("'bad'"))
                return true
            }
        }
        #expect(failed.indices.filter { failed[$0] } == [11])
        #expect(batcher.lastFailure == nil)
    }

    /// One refused text causes a few further calls for its batch, not one call per text.
    @Test func aRefusedCallIsHalvedUntilTheTextIsAlone() async throws {
        let box = ToyBlackBox()
        box.behaviour.withLock { ($0.delay, $0.refusedWord) = (.milliseconds(50), "bad") }
        let batcher = batcher(box, .init(calls: 1))
        // The first call delays the others, so that they are sent together.
        async let first = batcher.embed(items("first"), as: .query)
        while box.calls.isEmpty { try await Task.sleep(for: .milliseconds(1)) }
        let answered = try await (0..<64).concurrentMap { number in
            (try? await batcher.embed(self.items(number == 40 ? "bad" : "good \(number)"), as: .query)) != nil
        }
        _ = try await first
        #expect(answered.indices.filter { !answered[$0] } == [40])
        // The first call, one call with all 64, and two calls for each of six halvings.
        #expect(box.calls.count <= 14, "\(box.calls.map(\.count))")
        #expect(box.calls.map(\.count).max() == 64)
    }

    /// Refusals of every text do not show whether the API works: the known state stays.
    @Test func aRefusedTextIsNoAnswer() async throws {
        let box = ToyBlackBox()
        box.behaviour.withLock { $0.refusedWord = "a" }
        let batcher = batcher(box)
        await #expect(throws: UpstreamFailure.self) { try await batcher.embed(self.items("a"), as: .query) }
        #expect(batcher.lastAnswer == nil && batcher.lastFailure == nil)
        _ = try await batcher.embed(items("b"), as: .query)
        #expect(batcher.lastAnswer != nil)
    }

    @Test func callsFailAtOnceWhileTheBlackBoxIsUnavailable() async throws {
        let box = ToyBlackBox()
        box.behaviour.withLock { $0.isAway = true }
        let batcher = batcher(box, .init(firstPause: .seconds(60), longestPause: .seconds(60)))
        await #expect(throws: UpstreamFailure.self) { try await batcher.embed(self.items("a"), as: .query) }
        for _ in 0..<20 {
            do {
                _ = try await batcher.embed(items("a"), as: .query)
                Issue.record("it is away")
            } catch let failure as UpstreamFailure {
                #expect(failure.kind == .unavailable && (1...60).contains(failure.retryAfter ?? 0))
            }
        }
        #expect(box.calls.count == 1)
        // After a pause one call may try again.
        let short = self.batcher(box, .init(firstPause: .milliseconds(1)))
        await #expect(throws: UpstreamFailure.self) { try await short.embed(self.items("a"), as: .query) }
        box.behaviour.withLock { $0.isAway = false }
        try await Task.sleep(for: .milliseconds(50))
        #expect(try await short.embed(items("a"), as: .query).rows == 1)
        #expect(short.lastFailure == nil)
    }

    /// A black box with some cached texts.
    private struct Remembering: BlackBox {
        let base: ToyBlackBox
        let texts: Set<String>
        var identity: BlackBoxIdentity { base.identity }

        func embed(_ items: [EmbeddingItem], as role: TextRole) async throws -> Matrix {
            try await base.embed(items, as: role)
        }

        func known(_ items: [EmbeddingItem], as role: TextRole) async throws -> AnsweredRows {
            let held = items.indices.filter { texts.contains(items[$0].text) }
            let values = held.flatMap { ToyBlackBox.vector(items[$0].text, role) }
            return AnsweredRows(
                indices: held, vectors: Matrix(rows: held.count, columns: ToyBlackBox.dimension, values: values))
        }
    }

    @Test func cachedTextsAreAnsweredDuringCallsAndPauses() async throws {
        let box = ToyBlackBox()
        let batcher = UpstreamBatcher(
            Remembering(base: box, texts: ["a", "b"]), limits: .init(calls: 1, firstPause: .seconds(60)),
            classify: { UpstreamFailure(.unavailable, "\($0)") })
        // Only uncached texts are sent, and the rows are in order.
        let mixed = try await batcher.embed(items("c", "a", "d", "b", "a"), as: .query)
        for (row, text) in ["c", "a", "d", "b", "a"].enumerated() {
            #expect(Array(mixed.row(row)) == ToyBlackBox.vector(text, .query))
        }
        #expect(box.calls == [["c", "d"]])
        // Cached texts do not wait for a slow call.
        box.behaviour.withLock { $0.delay = .seconds(20) }
        let slow = Task { try await batcher.embed(self.items("e"), as: .query) }
        while box.calls.count < 2 { try await Task.sleep(for: .milliseconds(1)) }
        #expect(try await batcher.embed(items("b", "a"), as: .query).rows == 2)
        slow.cancel()
        // During the pause without calls, cached vectors are still returned.
        let away = UpstreamBatcher(
            Remembering(base: box, texts: ["a"]), limits: .init(firstPause: .seconds(60)),
            classify: { UpstreamFailure(.unavailable, "\($0)") })
        box.behaviour.withLock { ($0.delay, $0.isAway) = (.zero, true) }
        await #expect(throws: UpstreamFailure.self) { try await away.embed(self.items("c"), as: .query) }
        #expect(try await away.embed(items("a"), as: .query).row(0).elementsEqual(ToyBlackBox.vector("a", .query)))
    }

    /// The waiting time is the one that the black box gave, less the time that has passed.
    @Test func theDelayThatItAsksForIsPassedOn() async throws {
        let box = ToyBlackBox()
        box.behaviour.withLock { ($0.isAway, $0.retryAfter) = (true, 40) }
        let batcher = batcher(box)
        for _ in 0..<3 {
            do {
                _ = try await batcher.embed(items("a"), as: .query)
                Issue.record("it is away")
            } catch let failure as UpstreamFailure {
                #expect((39...40).contains(failure.retryAfter ?? 0))
            }
        }
        #expect(box.calls.count == 1)
    }

    @Test func aCallThatTakesTooLongIsGivenUp() async throws {
        let box = ToyBlackBox()
        box.behaviour.withLock { $0.delay = .seconds(30) }
        let batcher = batcher(box, .init(timeout: .milliseconds(50)))
        do {
            _ = try await batcher.embed(items("a"), as: .query)
            Issue.record("it takes too long")
        } catch let failure as UpstreamFailure {
            #expect(failure.detail.contains("0.05 s"))
        }
        while box.record.withLock({ $0.cancelled }) == 0 { try await Task.sleep(for: .milliseconds(1)) }
    }
}
