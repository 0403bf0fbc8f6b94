import MafinBlackBox
import MafinNumerics

/// A provider's model asked through its batch API: cheaper, and answered within a day.
///
/// It is used behind a ``CachedBlackBox`` with the same cache. A job is stored before it is sent, and its id before anything else is done. So
/// the next run with the same texts, or `mafin batch resume`, continues however a run has ended.
/// A batch that expires or is cancelled half-way delivers what it has; the rest goes into a new one. If the provider has no room for more, jobs
/// wait until others have ended. Texts of lines that the provider refuses are asked one by one in the ordinary way, so that the text
/// at fault is named; nothing else is ever asked at the full price.
public struct BatchedBlackBox: BlackBox {
    /// What to do once a job has been sent.
    public enum Waiting: Sendable {
        /// Ask now and then how it is, until it is answered.
        case untilAnswered
        /// End the call with ``ProviderError/batchPending(jobs:texts:)``.
        case no
    }

    /// The same server, asked and answered at once.
    let server: ProviderBlackBox
    private let collection: BatchCollection
    private let waiting: Waiting
    private let report: (@Sendable ([BatchJob]) -> Void)?

    /// So many lines refused and not one answered, and it is not the texts.
    private static let refusalsBeforeDoubt = 3
    /// Texts in a job at most: what is held in memory when its answers are read.
    public static let maximumTexts = BatchCourse.maximumKeys

    /// - Parameters:
    ///   - box: the provider's model.
    ///   - cache: where jobs and answers are kept.
    ///   - report: told how the jobs are each time they were asked after.
    /// - Throws: ``ProviderError/badEndpoint(_:reason:)`` where the provider has no batch API.
    public init(
        _ box: ProviderBlackBox, cache: EmbeddingCache, waiting: Waiting = .untilAnswered,
        report: (@Sendable ([BatchJob]) -> Void)? = nil
    ) throws {
        server = box
        collection = try BatchCollection(box, cache: cache)
        self.waiting = waiting
        self.report = report
    }

    /// That of the provider's model: the batch API gives no other vectors.
    public var identity: BlackBoxIdentity { server.identity }

    /// Vectors of the items, in order.
    /// - Throws: ``ProviderError``; ``ProviderError/batchPending(jobs:texts:)`` where it is not waited for.
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
        // Lines that the provider refuses are asked without a batch, so that the text at fault is found and its neighbours are answered.
        let asked = missing.map { items[texts.first[$0]] }
        do {
            try await server.embed(asked, as: role) { rows in
                try await answered(
                    lists.expanded(AnsweredRows(indices: rows.indices.map { missing[$0] }, vectors: rows.vectors)))
            }
        } catch ProviderError.textsRefused(let endpoint, let role, let refused) {
            // Positions of distinct texts become those of items.
            throw ProviderError.textsRefused(
                endpoint: endpoint, role: role,
                texts: refused.map { $0.at(texts.first[missing[$0.position]]) })
        }
    }

    /// Distinct texts cut into jobs, and those into lines.
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
    /// Begins the jobs of many texts before the first is waited for. A caller that then asks block by block waits for all jobs at once, and not for
    /// one after the other. Ends early if the provider has no room for more.
    /// - Parameters:
    ///   - box: one that stands on a ``BatchedBlackBox`` which does not wait.
    ///   - next: the next texts, some ten thousand at a time; nil at the end.
    /// - Returns: the provider's ids of the jobs that are under way, and how many texts are in them.
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
                // No room, or no answer. The next call waits for it, or throws.
                break
            }
        }
        return (jobs, texts)
    }
}

extension EmbeddingCache {
    /// Asks after all unfinished jobs that a provider's model has, and brings their answers into the cache.
    /// - Returns: the jobs as they are now.
    public func resumeJobs(of box: ProviderBlackBox) async throws -> [BatchJob] {
        let collection = try BatchCollection(box, cache: self)
        var jobs: [BatchJob] = []
        for job in try await pendingJobs() where job.belongs(to: box) {
            jobs.append(try await collection.runner.advance(job, collect: collection.collect).job)
        }
        return jobs
    }

    /// Ends an unfinished job of a provider's model; what was answered until then can be collected. Does nothing for jobs of others.
    public func cancelJob(_ job: BatchJob, of box: ProviderBlackBox) async throws {
        guard let remote = job.remote, job.belongs(to: box) else { return }
        _ = try await BatchCollection(box, cache: self).api.cancel(remote)
    }
}

extension BatchJob {
    /// Whether it is one of a model's own, and one of vectors.
    fileprivate func belongs(to box: ProviderBlackBox) -> Bool {
        provider == box.profile.name && model == box.identity.model && base == box.identity.endpoint
            && !source.hasPrefix(BatchedLanguageModel.sourceMark)
    }
}
