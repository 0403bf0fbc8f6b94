import Foundation
import Logging
import MafinBlackBox
import NIOCore

/// A language model asked through its provider's batch API: cheaper, and answered within a day.
///
/// It stands behind a ``CachedLanguageModel`` on the same cache, and keeps its jobs as ``BatchedBlackBox`` does: a run that ends, however it
/// ends, is taken up by the next one with the same prompts.
public struct BatchedLanguageModel: LanguageModel {
    private let model: ChatModel
    private let cache: EmbeddingCache
    private let form: BatchForm
    private let path: String
    private let runner: BatchRunner
    private let waiting: BatchedBlackBox.Waiting
    private let report: (@Sendable ([BatchJob]) -> Void)?

    private static let maximumRounds = 4
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
        self.path = path
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

    /// The replies, as jobs are answered.
    ///
    /// - Throws: ``ProviderError``; ``ProviderError/batchPending(jobs:texts:)`` where it is not waited for.
    public func answer(
        _ prompts: [LanguagePrompt], answered: @escaping @Sendable (Int, LanguageReply) async throws -> Void
    ) async throws {
        let keys = prompts.map { EmbeddingKey($0, of: identity) }
        var open = Array(prompts.indices)
        var refused: [EmbeddingKey: String] = [:]
        for _ in 0..<Self.maximumRounds where !open.isEmpty {
            try await finish(try await jobs(for: open, prompts, keys), &refused)
            let found = try await cache.replies(for: open.map { keys[$0] })
            for (place, reply) in found.sorted(by: { $0.key < $1.key }) { try await answered(open[place], reply) }
            open = open.indices.filter { found[$0] == nil }.map { open[$0] }
            if !found.isEmpty || open.count < prompts.count || refused.isEmpty {
                for index in open {
                    if let words = refused[keys[index]] {
                        try await answered(index, LanguageReply(text: "", refusal: words))
                    }
                }
                open = open.filter { refused[keys[$0]] == nil }
            } else if let words = refused.values.first {
                // Not one was answered: it is not the prompts.
                throw ProviderError.refused(endpoint: model.url, status: 400, message: words)
            }
        }
        guard open.isEmpty else {
            throw ProviderError.unavailable(
                endpoint: model.url, attempts: Self.maximumRounds,
                reason: "\(open.count) prompts were left unanswered by each batch")
        }
    }

    /// Jobs in which the prompts are: those of earlier runs, and new ones for the rest.
    private func jobs(for open: [Int], _ prompts: [LanguagePrompt], _ keys: [EmbeddingKey]) async throws -> [BatchJob] {
        let (found, held) = try await cache.jobs(holding: open.map { keys[$0] })
        var jobs = found
        var free = open.indices.filter { !held.contains($0) }.map { open[$0] }[...]
        while !free.isEmpty {
            var file = ByteBuffer()
            var part: [Int] = []
            var cost = 0
            while let index = free.first, part.count < min(form.lines, form.items, Self.maximumPrompts) {
                let body = model.request.body(prompts[index], model.abilities.current)
                guard part.isEmpty || file.readableBytes + body.readableBytes + 200 <= form.bytes else { break }
                BatchRunner.write(line: part.count, path: path, body: body, to: &file)
                part.append(index)
                free.removeFirst()
                cost += model.options.price.millionths(
                    input: ChatModel.estimatedTokens(of: prompts[index]), output: prompts[index].maximumTokens)
            }
            let booked = Int(Double(cost) * (1 - (model.profile.price.batchDiscount ?? 0)))
            if let objection = model.spending.book(tokens: booked) {
                throw ProviderError.overBudget(endpoint: model.url, reason: objection)
            }
            let job = try await cache.makeJob(
                lines: part.map { [keys[$0]] },
                source: EmbeddingKey.Source(
                    description: Self.sourceMark + "model=\(identity.provider):\(identity.model)"),
                provider: model.profile.name, model: identity.model, base: identity.endpoint ?? "")
            jobs.append(try await runner.begin(job, file: file))
            model.options.logger?.notice("batch begun", metadata: ["prompts": "\(part.count)"])
        }
        report?(jobs)
        return jobs
    }

    /// Waits until all jobs have ended; replies are then in the cache.
    private func finish(_ given: [BatchJob], _ refused: inout [EmbeddingKey: String]) async throws {
        var jobs = given
        var pause = Self.firstPause
        while !jobs.isEmpty {
            var pending: [BatchJob] = []
            for job in jobs {
                var words: [EmbeddingKey: String] = [:]
                let (job, hasEnded) = try await runner.advance(job) { try await collect($0, $1, &words) }
                refused.merge(words) { $1 }
                if !hasEnded { pending.append(job) }
            }
            report?(pending)
            jobs = pending
            guard !jobs.isEmpty else { break }
            guard case .untilAnswered = waiting else {
                throw ProviderError.batchPending(
                    jobs: jobs.compactMap(\.remote), texts: jobs.reduce(0) { $0 + $1.texts })
            }
            try await model.time.sleep(until: model.time.now + pause)
            pause = min(pause * 1.5, Self.longestPause)
        }
    }

    private func collect(
        _ remote: BatchAPI.Remote, _ job: BatchJob, _ refused: inout [EmbeddingKey: String]
    ) async throws -> Int {
        let keys = try await cache.lines(of: job).map(\.first)
        var count = 0
        var words: [EmbeddingKey: String] = [:]
        try await runner.forEachLine(remote) { line in
            guard keys.indices.contains(line.number), let key = keys[line.number] else {
                throw ProviderError.badAnswer(
                    endpoint: model.url, reason: "a line of the batch's answers belongs to no prompt")
            }
            guard line.status == 200, let body = line.body, let reply = ChatRequest.reply(in: body),
                reply.refusal == nil
            else {
                words[key] = model.exchange.redacted(line.complaint)
                return
            }
            try await cache.store(reply, key: key, model: "\(identity.provider):\(identity.model)")
            count += 1
        }
        refused.merge(words) { $1 }
        return count
    }
}
