import MafinBlackBox
import MafinNumerics

/// Embeds texts through a provider's batch API, which is cheaper and answers within a day.
///
/// Wrap it in a ``CachedBlackBox`` with the same cache. A job is stored before it is sent, and its id is stored at once. So the next run with
/// the same texts, or `mafin batch resume`, continues after any interruption.
/// If a batch expires or is cancelled, its answers are used and the rest goes into a new batch. If the provider's queue is full, jobs wait
/// until others have ended. Texts of lines that the provider refuses are sent without a batch, to find the text at fault; nothing else is
/// sent at the full price.
public struct BatchedBlackBox: BlackBox {
    /// What to do after a job has been sent.
    public enum Waiting: Sendable {
        /// Ask for its state from time to time until it is answered.
        case untilAnswered
        /// End the call with ``ProviderError/batchPending(jobs:texts:)``.
        case no
    }

    /// The same model without the batch API.
    let server: ProviderBlackBox
    private let collection: BatchCollection
    private let waiting: Waiting
    private let report: (@Sendable ([BatchJob]) -> Void)?

    /// If this many lines are refused and none is answered, the texts are not the cause.
    private static let refusalsBeforeDoubt = 3
    /// Maximum number of texts in a job. Their keys are held in memory while its answers are read.
    public static let maximumTexts = BatchCourse.maximumKeys

    /// - Parameters:
    ///   - box: the provider's model.
    ///   - cache: where jobs and answers are stored.
    ///   - report: told the states of the jobs each time they were requested.
    /// - Throws: ``ProviderError/badEndpoint(_:reason:)`` if the provider has no batch API.
    public init(
        _ box: ProviderBlackBox, cache: EmbeddingCache, waiting: Waiting = .untilAnswered,
        report: (@Sendable ([BatchJob]) -> Void)? = nil
    ) throws {
        server = box
        collection = try BatchCollection(box, cache: cache)
        self.waiting = waiting
        self.report = report
    }

    /// The identity of the model: the batch API gives the same vectors.
    public var identity: BlackBoxIdentity { server.identity }

    /// Vectors of the items, in order.
    /// - Throws: ``ProviderError``; ``ProviderError/batchPending(jobs:texts:)`` if the call does not wait for the jobs.
    public func embed(_ items: [EmbeddingItem], as role: TextRole) async throws -> Matrix {
        let rows = RowCollector(count: items.count)
        try await embed(items, as: role) { rows.fill($0) }
        return rows.matrix
    }

    /// Vectors of the items as jobs are answered.
    public func embed(
        _ items: [EmbeddingItem], as role: TextRole, answered: @escaping @Sendable (AnsweredRows) async throws -> Void
    ) async throws {
        let texts = DistinctTexts(items, identity: identity, role: role)
        try ProviderError.refuseEmpty(items, role)
        // Vendors' batch APIs are described for texts alone.
        try BlackBoxError.refuseImages(items, model: "the batch API of \(identity.provider)")
        var open = Array(0..<texts.count)
        var refused: [EmbeddingKey: String] = [:]
        var course = BatchCourse(
            server, collection.runner, model: identity.model, subject: "texts", keysPerJob: collection.api.form.items,
            waiting: waiting, report: report)
        while !open.isEmpty {
            let before = open
            let result = try await course.run(before.map { texts.keys[$0] }) { free, limit in
                parts(of: free.map { before[$0] }, items, texts, role, textsPerJob: limit)
            } collect: {
                try await collection.collect($0, of: $1)
            }
            refused.merge(result.refused) { $1 }
            open = try await collection.cache.absent(open.map { texts.keys[$0] }).map { open[$0] }
                .filter { refused[texts.keys[$0]] == nil }
            if result.answered == 0, result.refusedLines >= Self.refusalsBeforeDoubt, refused.count == texts.count,
                let words = refused.values.first
            {
                throw ProviderError.refused(endpoint: server.url, status: 400, message: words)
            }
            if !open.isEmpty {
                try await course.rest(hasProgress: open.count < before.count, left: open.count)
            }
        }
        let lists = texts.itemsOfDistinct()
        let missing = try await collection.cache.deliver(
            Array(0..<texts.count), of: texts.keys, source: texts.source
        ) { try await answered(lists.expanded($0)) }
        guard !missing.isEmpty else { return }
        // The texts of refused lines are sent without a batch, so that the text at fault is found and the others are answered.
        let asked = missing.map { items[texts.first[$0]] }
        do {
            try await server.embed(asked, as: role) { rows in
                try await answered(
                    lists.expanded(AnsweredRows(indices: rows.indices.map { missing[$0] }, vectors: rows.vectors)))
            }
        } catch ProviderError.textsRefused(let endpoint, let role, let refused) {
            // Positions among the distinct texts become positions among the items.
            throw ProviderError.textsRefused(
                endpoint: endpoint, role: role,
                texts: refused.map { $0.at(texts.first[missing[$0.position]]) })
        }
    }

    /// Cuts distinct texts into jobs, and each job into lines.
    private func parts(
        of free: [Int], _ items: [EmbeddingItem], _ texts: DistinctTexts, _ role: TextRole, textsPerJob: Int
    ) -> AnyIterator<BatchCourse.Part> {
        let (api, knowledge) = (collection.api, server.knowledge.current)
        let form = server.exchange.form(for: role, identity: identity, encoding: knowledge.encoding)
        let prefix = identity.prefix(for: role)
        let asked = free.map { items[texts.first[$0]].text }
        let costs = server.costs(of: asked, as: role, in: form)
        var schedule = BatchSchedule(costs: costs, limits: knowledge.limits, requestBytes: form.emptyLength)
        var next = schedule.next(at: .zero)
        return AnyIterator {
            var part = BatchCourse.Part(source: texts.source)
            var (bytes, count) = (0, 0)
            while let line = next?.items {
                let lineBytes = line.reduce(form.emptyLength + 120) { $0 + costs[$1].bytes }
                let isFull =
                    count + line.count > textsPerJob || part.lines.count + 1 > api.form.lines
                    || bytes + lineBytes > api.form.bytes
                if isFull, !part.lines.isEmpty { break }
                api.write(
                    line: part.lines.count, of: part.tag, body: form.body(line.map { prefix + asked[$0] }),
                    to: &part.file)
                part.lines.append(line.map { texts.keys[free[$0]] })
                part.tokens += line.reduce(0) { $0 + costs[$1].maximumTokens }
                (bytes, count) = (bytes + lineBytes, count + line.count)
                next = schedule.next(at: .zero)
            }
            return part.lines.isEmpty ? nil : part
        }
    }
}

extension BatchedBlackBox {
    /// Begins the jobs of many texts without waiting for them. A caller that then embeds block by block waits for all jobs at the same time, and
    /// not for one after the other. It ends early if the provider's queue is full.
    /// - Parameters:
    ///   - box: a black box that wraps a ``BatchedBlackBox`` which does not wait.
    ///   - next: returns the next texts, some ten thousand at a time; nil at the end.
    /// - Returns: the provider's ids of the running jobs, and the number of texts in them.
    /// - Throws: ``ProviderError``.
    public static func begin(
        with box: any BlackBox, as role: TextRole, next: () throws -> [EmbeddingItem]?
    ) async throws -> (jobs: [String], texts: Int) {
        var (jobs, texts): ([String], Int) = ([], 0)
        while let items = try next() {
            try Task.checkCancellation()
            do {
                try await box.embed(items, as: role) { _ in }
            } catch ProviderError.batchPending(let pending, let count) {
                jobs += pending.filter { !jobs.contains($0) }
                texts += count
            } catch ProviderError.unavailable {
                // The queue is full, or there is no answer. The next call waits for it, or throws.
                break
            }
        }
        return (jobs, texts)
    }
}

extension EmbeddingCache {
    /// Asks for the state of all unfinished jobs of a provider's model, and stores their answers in the cache.
    /// - Returns: the jobs with their new states.
    public func resumeJobs(of box: ProviderBlackBox) async throws -> [BatchJob] {
        let collection = try BatchCollection(box, cache: self)
        var jobs: [BatchJob] = []
        for job in try await pendingJobs() where job.belongs(to: box) {
            jobs.append(try await collection.runner.advance(job, collect: collection.collect).job)
        }
        return jobs
    }

    /// Cancels an unfinished job of a provider's model. The answers so far can be collected. Does nothing for jobs of other models.
    public func cancelJob(_ job: BatchJob, of box: ProviderBlackBox) async throws {
        guard let remote = job.remote, job.belongs(to: box) else { return }
        _ = try await BatchCollection(box, cache: self).api.cancel(remote)
    }
}

extension BatchJob {
    /// Whether the job is for vectors of this model.
    fileprivate func belongs(to box: ProviderBlackBox) -> Bool {
        provider == box.profile.name && model == box.identity.model && base == box.identity.endpoint
            && !source.hasPrefix(BatchedLanguageModel.sourceMark)
    }
}
