import Foundation
import Logging
import MafinBlackBox
import MafinGeneration
import NIOCore

/// A language model asked through its provider's batch API: cheaper, and answered within a day.
///
/// It is used behind a ``CachedLanguageModel`` with the same cache, and stores its jobs as ``BatchedBlackBox`` does: the next run with the same
/// prompts continues however a run has ended.
public struct BatchedLanguageModel: LanguageModel {
    private let model: ChatModel
    private let cache: EmbeddingCache
    private let form: BatchForm
    private let runner: BatchRunner
    private let waiting: BatchedBlackBox.Waiting
    private let report: (@Sendable ([BatchJob]) -> Void)?

    private static let maximumPrompts = 25_000
    private static let firstPause: Duration = .seconds(10)
    private static let longestPause: Duration = .seconds(300)

    /// - Parameters:
    ///   - model: whom the prompts are for.
    ///   - cache: where jobs and replies are kept.
    ///   - waiting: what to do once jobs are sent.
    ///   - report: told how the jobs are each time they were asked after.
    /// - Throws: ``ProviderError/badEndpoint(_:reason:)`` where the provider has no batch API for chats.
    public init(
        _ model: ChatModel, cache: EmbeddingCache, waiting: BatchedBlackBox.Waiting = .untilAnswered,
        report: (@Sendable ([BatchJob]) -> Void)? = nil
    ) throws {
        guard let form = model.profile.batch, let path = model.form.batchRequestPath else {
            throw ProviderError.badEndpoint(
                model.profile.name, reason: "no batch API for chats of this provider is known")
        }
        self.model = model
        self.cache = cache
        self.form = form
        self.waiting = waiting
        self.report = report
        runner = BatchRunner(
            api: BatchAPI(
                exchange: model.exchange, form: form, requestPath: path, base: model.identity.endpoint ?? "",
                retry: model.options.retry, time: model.time, logger: model.options.logger),
            cache: cache)
    }

    /// That of the model: the batch API gives no other replies.
    public var identity: LanguageModelIdentity { model.identity }

    /// What jobs of replies are marked with, so that nobody reads vectors from them.
    static let sourceMark = "kind=reply\n"
    /// Under which a job says how many tokens its replies may have at most.
    private static let bound = "maximum_tokens"

    /// The replies, as jobs are answered.
    ///
    /// - Throws: ``ProviderError``; ``ProviderError/batchPending(jobs:texts:)`` where it is not waited for.
    public func answer(
        _ prompts: [LanguagePrompt], answered: @escaping @Sendable (Int, LanguageReply) async throws -> Void
    ) async throws {
        let requests = prompts.map { ReplyRequest($0, of: identity) }
        let keys = requests.map(\.key)
        var open = Array(prompts.indices)
        var refused: [EmbeddingKey: String] = [:]
        var course = BatchCourse(textsPerJob: min(form.lines, form.items, Self.maximumPrompts))
        while !open.isEmpty {
            var round = BatchRound()
            try await finish(try await jobs(for: open, prompts, keys, course, &round), &refused, &round)
            let before = open.count
            let found = try await cache.replies(for: open.map { requests[$0] })
            for (place, reply) in found.sorted(by: { $0.key < $1.key }) { try await answered(open[place], reply) }
            open = open.indices.filter { found[$0] == nil }.map { open[$0] }
            if open.count == prompts.count, refused.count == Set(keys).count, let words = refused.values.first {
                // Not one was answered: it is not the prompts.
                throw ProviderError.refused(endpoint: model.url, status: 400, message: words)
            }
            for index in open {
                if let words = refused[keys[index]] {
                    try await answered(index, LanguageReply(text: "", refusal: words))
                }
            }
            open = open.filter { refused[keys[$0]] == nil }
            guard !open.isEmpty else { break }
            let pause = try course.pause(
                after: round, hasProgress: open.count < before, endpoint: model.url, left: "\(open.count) prompts")
            guard let pause else { continue }
            guard case .untilAnswered = waiting else {
                throw ProviderError.unavailable(
                    endpoint: model.url, attempts: 1, reason: round.complaint ?? "no room for another batch")
            }
            model.options.logger?.notice(
                "no room for another batch", metadata: ["prompts": "\(open.count)", "after": "\(pause.logText)"])
            try await model.time.sleep(until: model.time.now + pause)
        }
    }

    /// A job under way, and what was booked for it.
    private struct Begun: Sendable {
        var job: BatchJob
        var booking: Spending.Booking?
    }

    /// Jobs that hold the prompts: those of earlier runs, and new ones for the rest.
    private func jobs(
        for open: [Int], _ prompts: [LanguagePrompt], _ keys: [EmbeddingKey], _ course: BatchCourse,
        _ round: inout BatchRound
    ) async throws -> [Begun] {
        let (found, held) = try await cache.jobs(holding: open.map { keys[$0] })
        var jobs = found.map { Begun(job: $0) }
        round.jobs = jobs.count
        var free = open.indices.filter { !held.contains($0) }.map { open[$0] }[...]
        while !free.isEmpty, jobs.count < course.jobsAtOnce, round.turnedAway == 0 {
            let tag = BatchJob.makeTag()
            var file = ByteBuffer()
            var part: [Int] = []
            var cost = 0
            while let index = free.first, part.count < course.textsPerJob {
                let body = model.request.body(prompts[index], model.abilities.current)
                guard part.isEmpty || file.readableBytes + body.readableBytes + 200 <= form.bytes else { break }
                runner.api.write(line: part.count, of: tag, body: body, to: &file)
                part.append(index)
                free.removeFirst()
                cost += model.options.price.millionths(
                    input: ChatModel.estimatedTokens(of: prompts[index]), output: prompts[index].maximumTokens)
            }
            let booked = Int(Double(cost) * (1 - (model.profile.price.batchDiscount ?? 0)))
            let booking: Spending.Booking
            do {
                booking = try await model.spending.book(
                    tokens: booked, account: model.exchange.account, ledger: model.ledger, endpoint: model.url)
            } catch {
                throw BatchRunner.adding(jobs.filter { $0.booking != nil }.map(\.job), to: error)
            }
            let job = try await cache.makeJob(
                tag, lines: part.map { [keys[$0]] },
                source: EmbeddingKey.Source(
                    description: Self.sourceMark + "model=\(identity.provider):\(identity.model)\n\(Self.bound)="
                        + "\(part.map { prompts[$0].maximumTokens }.max() ?? 0)"),
                provider: model.profile.name, model: identity.model, base: identity.endpoint ?? "")
            round.jobs += 1
            do {
                jobs.append(Begun(job: try await runner.begin(job, file: file), booking: booking))
            } catch {
                if error is ProviderError {
                    try await model.spending.settle(booking, actual: 0, ledger: model.ledger)
                }
                guard BatchRunner.isQueueFull(error) else { throw error }
                round.turnedAway += 1
                round.complaint = "\(error)"
                continue
            }
            model.options.logger?.notice("batch begun", metadata: ["prompts": "\(part.count)"])
        }
        report?(jobs.map(\.job))
        return jobs
    }

    /// Waits until all jobs have ended; replies are then in the cache.
    private func finish(
        _ given: [Begun], _ refused: inout [EmbeddingKey: String], _ round: inout BatchRound
    ) async throws {
        var jobs = given
        var pause = Self.firstPause
        while !jobs.isEmpty {
            var pending: [Begun] = []
            for begun in jobs {
                var lines = Lines()
                let (job, ending) = try await runner.advance(begun.job) { try await collect($0, $1, &lines) }
                refused.merge(lines.refused) { $1 }
                guard var ending else {
                    pending.append(Begun(job: job, booking: begun.booking))
                    continue
                }
                ending.complaint = ending.complaint ?? lines.left
                round.take(ending)
                if let booking = begun.booking, ending.answered == 0, !lines.hasLostReplies {
                    try await model.spending.settle(booking, actual: 0, ledger: model.ledger)
                }
                if ending.isRefused, let words = ending.complaint {
                    throw ProviderError.refused(endpoint: model.url, status: 400, message: words)
                }
            }
            report?(pending.map(\.job))
            jobs = pending
            guard !jobs.isEmpty else { break }
            guard case .untilAnswered = waiting else {
                throw ProviderError.batchPending(
                    jobs: jobs.compactMap(\.job.remote), texts: jobs.reduce(0) { $0 + $1.job.texts })
            }
            try await model.time.sleep(until: model.time.now + pause)
            pause = min(pause * 1.5, Self.longestPause)
        }
    }

    /// What is said of lines that brought no reply.
    private struct Lines {
        var refused: [EmbeddingKey: String] = [:]
        /// Of those that may be asked again.
        var left: String?
        /// Whether there were replies that bring nothing: they are billed.
        var hasLostReplies = false
    }

    private func collect(_ remote: BatchRemote, _ job: BatchJob, _ lines: inout Lines) async throws -> Int {
        let keys = try await cache.lines(of: job).map(\.first)
        let maximumTokens = EmbeddingKey.Source.fields(of: job.source)[Self.bound].flatMap(Int.init) ?? 0
        var count = 0
        var found = Lines()
        try await runner.forEachLine(remote) { line in
            guard keys.indices.contains(line.number), let key = keys[line.number] else {
                throw ProviderError.badAnswer(
                    endpoint: model.url, reason: "a line of the batch's answers belongs to no prompt")
            }
            guard line.status == 200, let body = line.body, let reply = ChatRequest.reply(in: body),
                reply.refusal == nil
            else {
                let words = model.exchange.redacted(line.complaint)
                if line.isOpen { found.left = words } else { found.refused[key] = words }
                return
            }
            guard !reply.isLost else {
                found.hasLostReplies = true
                found.refused[key] = ChatModel.lostReply(tokens: reply.outputTokens)
                return
            }
            try await cache.store(
                reply, key: key, maximumTokens: maximumTokens, model: "\(identity.provider):\(identity.model)")
            count += 1
        }
        lines = found
        return count
    }
}
