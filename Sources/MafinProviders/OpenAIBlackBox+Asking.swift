import Logging
import MafinBlackBox
import MafinNumerics
import NIOCore
import NIOHTTP1

extension OpenAIBlackBox {
    /// One call: its batches, those in flight, and what came of them.
    ///
    /// Requests run as child tasks that make one attempt each; everything else (what is sent next, pauses, halving, handing over) is
    /// decided by the one task that waits for them, so there is no state to guard.
    struct Asking {
        private typealias Batch = BatchSchedule.Batch

        fileprivate enum Event: Sendable {
            case answered(BatchSchedule.Batch, Matrix)
            /// The request got no answer, or was asked to come back.
            case retry(BatchSchedule.Batch, reason: String, after: Duration?)
            case tooLarge(BatchSchedule.Batch, BatchLimits.Cause, message: String)
            case noBase64(BatchSchedule.Batch, reason: String)
            case failed(any Error)
            case wake
        }

        private let box: OpenAIBlackBox
        private let items: [EmbeddingItem]
        private let role: TextRole
        private let prefix: String
        private let clock = ContinuousClock()
        private var schedule: BatchSchedule
        private var failure: (any Error)?
        private var refused: [(item: Int, message: String)] = []

        init(of box: OpenAIBlackBox, items: [EmbeddingItem], role: TextRole) {
            self.box = box
            self.items = items
            self.role = role
            let prefix = box.identity.prefix(for: role)
            self.prefix = prefix
            let (tokens, bytes) = (ItemCost.estimatedTokens(prefix), EmbeddingRequest.length(of: prefix))
            let costs = items.map {
                ItemCost(
                    tokens: tokens + ItemCost.estimatedTokens($0.text),
                    bytes: bytes + EmbeddingRequest.length(of: $0.text))
            }
            schedule = BatchSchedule(costs: costs, limits: box.knowledge.current.limits)
        }

        mutating func run(_ answered: @Sendable (AnsweredRows) async throws -> Void) async throws {
            try await withThrowingTaskGroup(of: Event.self) { group in
                var inFlight = 0
                var timerDue: BatchSchedule.Instant?
                while true {
                    while failure == nil, inFlight < box.options.maximumConcurrentRequests,
                        let batch = schedule.next(at: clock.now)
                    {
                        let (box, texts) = (box, batch.items.map { prefix + items[$0].text })
                        let ids = batch.items.map { items[$0].id }
                        group.addTask { try await box.attempt(batch, texts: texts, ids: ids) }
                        inFlight += 1
                    }
                    if inFlight == 0, failure != nil || schedule.isExhausted { break }
                    if failure == nil, let due = schedule.wakeTime, timerDue.map({ due < $0 }) ?? true {
                        timerDue = due
                        let clock = clock
                        group.addTask {
                            try await clock.sleep(until: due)
                            return .wake
                        }
                    }
                    guard let event = try await group.next() else { break }
                    if case .wake = event { timerDue = nil } else { inFlight -= 1 }
                    do {
                        try await handle(event, answered)
                    } catch {
                        failure = failure ?? error
                    }
                }
                group.cancelAll()  // timers that nobody waits for
            }
            try Task.checkCancellation()
            if let failure { throw failure }
            if !refused.isEmpty { throw refusal }
        }

        private var refusal: ProviderError {
            .textsRefused(
                endpoint: box.url, role: role, count: refused.count, first: refused.prefix(5).map { items[$0.item].id },
                message: refused.first?.message ?? "")
        }

        private mutating func handle(
            _ event: Event, _ answered: @Sendable (AnsweredRows) async throws -> Void
        ) async throws {
            switch event {
            case .wake: return
            case .failed(let error): throw error
            case .answered(let batch, var vectors):
                try checkDimension(of: vectors, batch)
                if box.identity.normalisation == .unit { Self.normalise(&vectors) }
                try await answered(AnsweredRows(indices: batch.items, vectors: vectors))
            case .retry(var batch, let reason, let delay):
                batch.failures += 1
                try retry(batch, reason: reason, serverDelay: delay)
            case .noBase64(let batch, let reason):
                guard batch.askedBase64 else {
                    throw ProviderError.badAnswer(endpoint: box.url, reason: reason)
                }
                box.options.logger?.warning(
                    "server gives no base64, asking for numbers", metadata: ["url": "\(box.url)"])
                box.knowledge.update { $0.base64 = false }
                schedule.retry(batch, after: nil)
            case .tooLarge(let batch, let cause, let message):
                guard schedule.halve(batch, because: cause) else {
                    refused.append((batch.items[0], message))
                    if refused.count == OpenAIBlackBox.maximumRefusedTexts { throw refusal }
                    return
                }
                let limits = schedule.limits
                box.knowledge.update { $0.limits = limits }
                box.options.logger?.notice(
                    "request too large for the server, halved",
                    metadata: ["texts": "\(batch.items.count)", "message": "\(message)"])
            }
        }

        private mutating func retry(_ batch: Batch, reason: String, serverDelay: Duration?) throws {
            let policy = box.options.retry
            guard batch.failures < policy.maximumAttempts else {
                throw ProviderError.unavailable(endpoint: box.url, attempts: batch.failures, reason: reason)
            }
            if let serverDelay, serverDelay > policy.longestServerDelay {
                throw ProviderError.unavailable(
                    endpoint: box.url, attempts: batch.failures,
                    reason: "\(reason) (asks to come back after \(serverDelay))")
            }
            let delay = max(policy.delay(afterFailures: batch.failures), serverDelay ?? .zero)
            box.options.logger?.warning(
                "asking again",
                metadata: ["reason": "\(reason)", "after": "\(delay.logText)", "failures": "\(batch.failures)"])
            schedule.retry(batch, after: clock.now + delay)
        }

        private func checkDimension(of vectors: Matrix, _ batch: Batch) throws {
            if let expected = box.knowledge.current.dimension, expected != vectors.columns {
                let reason =
                    box.identity.dimension == nil
                    ? "\(vectors.columns) numbers where earlier answers had \(expected)"
                    : "\(vectors.columns) numbers where \(expected) were asked for"
                throw ProviderError.badVector(endpoint: box.url, id: items[batch.items[0]].id, reason: reason)
            }
            box.knowledge.update { $0.dimension = vectors.columns }
        }

        private static func normalise(_ vectors: inout Matrix) {
            let columns = vectors.columns
            vectors.values.withUnsafeMutableBufferPointer { values in
                for start in stride(from: 0, to: values.count, by: columns) {
                    _ = VectorCheck.normalise(UnsafeMutableBufferPointer(rebasing: values[start..<start + columns]))
                }
            }
        }
    }

    /// One request: what came of it, as far as one attempt can tell.
    private func attempt(_ batch: BatchSchedule.Batch, texts: [String], ids: [String]) async throws -> Asking.Event {
        var batch = batch
        batch.askedBase64 = knowledge.current.base64
        let body = EmbeddingRequest.body(
            model: identity.model, input: texts, dimensions: identity.dimension, base64: batch.askedBase64)
        var headers = HTTPHeaders([("content-type", "application/json"), ("accept", "application/json")])
        if let apiKey { headers.add(name: "authorization", value: "Bearer \(apiKey.secret)") }
        let transport = options.client.map(HTTPTransport.init(client:)) ?? .forAPIs
        let answer: HTTPTransport.Answer
        do {
            answer = try await transport.send(
                .POST, url, headers: headers, body: body, timeout: options.timeout, maximumBytes: 1 << 30)
        } catch let failure as HTTPTransport.ConnectionFailure {
            return .retry(batch, reason: failure.description, after: nil)
        }
        guard answer.status == 200 else {
            if (300..<400).contains(answer.status) {
                let target = answer.headers.first(name: "location") ?? "nowhere"
                return .failed(refusal(ServerComplaint(status: answer.status, body: "redirects to \(target)".utf8)))
            }
            return event(
                for: ServerComplaint(status: answer.status, body: answer.body.readableBytesView), batch, answer)
        }
        do {
            let decoded = try answer.body.withUnsafeReadableBytes {
                try EmbeddingAnswer.decode($0.assumingMemoryBound(to: UInt8.self), count: texts.count)
            }
            switch decoded {
            case .vectors(let vectors): return .answered(batch, vectors)
            case .noVectors: return .noBase64(batch, reason: "no vectors in it, asked as base64 and as numbers")
            case .complaint(let complaint): return event(for: complaint, batch, answer)
            }
        } catch let fault as EmbeddingAnswer.Fault {
            switch fault {
            case .answer(let reason): return .failed(ProviderError.badAnswer(endpoint: url, reason: redacted(reason)))
            case .vector(let item, let reason):
                return .failed(ProviderError.badVector(endpoint: url, id: ids[item], reason: reason))
            }
        }
    }

    private func event(
        for complaint: ServerComplaint, _ batch: BatchSchedule.Batch, _ answer: HTTPTransport.Answer
    ) -> Asking.Event {
        switch complaint.verdict {
        case .retry:
            return .retry(
                batch, reason: redacted("\(complaint.status) \(complaint.message)"), after: answer.retryDelay)
        case .tooLarge(let cause): return .tooLarge(batch, cause, message: redacted(complaint.message))
        case .noBase64 where batch.askedBase64: return .noBase64(batch, reason: redacted(complaint.message))
        case .noBase64, .final: return .failed(refusal(complaint))
        }
    }

    private func refusal(_ complaint: ServerComplaint) -> ProviderError {
        .refused(endpoint: url, status: complaint.status, message: redacted(complaint.message))
    }

    private func redacted(_ text: String) -> String { apiKey?.redacting(text) ?? text }
}
