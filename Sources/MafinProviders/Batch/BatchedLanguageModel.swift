import MafinGeneration
import NIOCore

/// Sends prompts through a provider's batch API, which is cheaper and answers within a day.
///
/// Wrap it in a ``CachedLanguageModel`` with the same cache. It stores its jobs as ``BatchedBlackBox`` does, so the next run with the same
/// prompts continues after any interruption.
public struct BatchedLanguageModel: LanguageModel {
    private let model: ChatModel
    private let cache: EmbeddingCache
    private let runner: BatchRunner
    private let waiting: BatchedBlackBox.Waiting
    private let report: (@Sendable ([BatchJob]) -> Void)?

    /// - Parameters:
    ///   - model: the model that answers the prompts.
    ///   - cache: where jobs and replies are stored.
    ///   - waiting: what to do after jobs are sent.
    ///   - report: told the states of the jobs each time they were requested.
    /// - Throws: ``ProviderError/badEndpoint(_:reason:)`` if the provider has no batch API for chats.
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
        self.waiting = waiting
        self.report = report
        runner = BatchRunner(
            api: BatchAPI(
                exchange: model.exchange, form: form, requestPath: path, base: model.identity.endpoint ?? "",
                retry: model.retry, time: model.time, logger: model.logger),
            cache: cache)
    }

    /// The identity of the model: the batch API gives the same replies.
    public var identity: LanguageModelIdentity { model.identity }

    /// Marks the source of jobs of replies, so that nobody reads vectors from them.
    static let sourceMark = "kind=reply\n"
    /// The field of a job's source that holds the maximum number of tokens of a reply.
    private static let bound = "maximum_tokens"

    /// The replies, as jobs are answered.
    /// - Throws: ``ProviderError``; ``ProviderError/batchPending(jobs:texts:)`` if the call does not wait for the jobs.
    public func answer(
        _ prompts: [LanguagePrompt], answered: @escaping @Sendable (Int, LanguageReply) async throws -> Void
    ) async throws {
        let requests = prompts.map { ReplyRequest($0, of: identity) }
        let keys = requests.map(\.key)
        let form = runner.api.form
        var open = Array(prompts.indices)
        var refused: [EmbeddingKey: String] = [:]
        var course = BatchCourse(
            model, runner, model: identity.model, subject: "prompts", keysPerJob: min(form.lines, form.items),
            waiting: waiting, report: report)
        while !open.isEmpty {
            let before = open
            let result = try await course.run(before.map { keys[$0] }) { free, limit in
                parts(of: free.map { before[$0] }, prompts, keys, promptsPerJob: limit)
            } collect: {
                try await collect($0, $1)
            }
            refused.merge(result.refused) { $1 }
            let found = try await cache.replies(for: open.map { requests[$0] })
            for (place, reply) in found.sorted(by: { $0.key < $1.key }) { try await answered(open[place], reply) }
            open = open.indices.filter { found[$0] == nil }.map { open[$0] }
            if open.count == prompts.count, refused.count == Set(keys).count, let words = refused.values.first {
                // None was answered, so the prompts are not the cause.
                throw ProviderError.refused(endpoint: model.url, status: 400, message: words)
            }
            for index in open {
                if let words = refused[keys[index]] {
                    try await answered(index, LanguageReply(text: "", refusal: words))
                }
            }
            open = open.filter { refused[keys[$0]] == nil }
            if !open.isEmpty {
                try await course.rest(hasProgress: open.count < before.count, left: open.count)
            }
        }
    }

    /// Cuts prompts into jobs, one prompt per line.
    private func parts(
        of free: [Int], _ prompts: [LanguagePrompt], _ keys: [EmbeddingKey], promptsPerJob: Int
    ) -> AnyIterator<BatchCourse.Part> {
        var rest = free[...]
        return AnyIterator {
            var part = BatchCourse.Part()
            var maximumTokens = 0
            while let index = rest.first, part.lines.count < promptsPerJob {
                let prompt = prompts[index]
                let body = model.request.body(prompt, model.abilities.current)
                let bytes = part.file.readableBytes + body.readableBytes + 200
                guard part.lines.isEmpty || bytes <= runner.api.form.bytes else { break }
                runner.api.write(line: part.lines.count, of: part.tag, body: body, to: &part.file)
                part.lines.append([keys[index]])
                part.tokens += model.mostMillionths(of: prompt)
                maximumTokens = max(maximumTokens, prompt.maximumTokens)
                rest.removeFirst()
            }
            part.source = EmbeddingKey.Source(
                description: Self.sourceMark
                    + "model=\(identity.provider):\(identity.model)\n\(Self.bound)=\(maximumTokens)")
            return part.lines.isEmpty ? nil : part
        }
    }

    /// Stores the replies in the cache, line by line, even if the batch failed or was cancelled.
    private func collect(_ remote: BatchRemote, _ job: BatchJob) async throws -> BatchRunner.Result {
        let maximumTokens = EmbeddingKey.Source.fields(of: job.source)[Self.bound].flatMap(Int.init) ?? 0
        var result = BatchRunner.Result()
        try await runner.forEachLine(remote, of: job) { line, keys in
            guard let key = keys.first else { return }
            guard line.status == 200, let body = line.body, let reply = ChatRequest.reply(in: body),
                reply.refusal == nil
            else {
                let words = model.exchange.redacted(line.complaint)
                if line.isOpen { result.complaint = words } else { result.refused[key] = words }
                return
            }
            guard !reply.isLost else {
                result.hasUnusableAnswers = true
                result.refused[key] = ChatModel.lostReply(tokens: reply.outputTokens)
                return
            }
            try await cache.store(
                reply, key: key, maximumTokens: maximumTokens, model: "\(identity.provider):\(identity.model)")
            result.answered += 1
        }
        return result
    }
}
