import Foundation
import Logging
import MafinBlackBox
import MafinNumerics
import NIOCore

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

    private let box: ProviderBlackBox
    private let cache: EmbeddingCache
    private let waiting: Waiting
    private let report: (@Sendable ([BatchJob]) -> Void)?

    /// So many lines refused and not one answered, and it is not the texts.
    private static let refusalsBeforeDoubt = 3
    /// Texts in a job at most: what is held in memory when its answers are read.
    public static let maximumTexts = 25_000
    private static let firstPause: Duration = .seconds(10)
    private static let longestPause: Duration = .seconds(300)

    /// - Parameters:
    ///   - box: the provider's model.
    ///   - cache: where jobs and answers are kept.
    ///   - report: told how the jobs are each time they were asked after.
    /// - Throws: ``ProviderError/badEndpoint(_:reason:)`` where the provider has no batch API.
    public init(
        _ box: ProviderBlackBox, cache: EmbeddingCache, waiting: Waiting = .untilAnswered,
        report: (@Sendable ([BatchJob]) -> Void)? = nil
    ) throws {
        _ = try BatchCollection(box, cache: cache)
        self.box = box
        self.cache = cache
        self.waiting = waiting
        self.report = report
    }

    /// That of the provider's model: the batch API gives no other vectors.
    public var identity: BlackBoxIdentity { box.identity }

    /// The same server, asked and answered at once.
    var server: ProviderBlackBox { box }

    /// Vectors of the items, in order.
    ///
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
        let empty = items.filter(\.text.isEmpty)
        guard empty.isEmpty else {
            throw ProviderError.emptyTexts(role: role, count: empty.count, first: empty.prefix(5).map(\.id))
        }
        var open = Array(0..<texts.count)
        var refused: [EmbeddingKey: String] = [:]
        var course = BatchCourse(textsPerJob: min(box.profile.batch?.items ?? .max, Self.maximumTexts))
        while !open.isEmpty {
            var round = BatchRound()
            let begun = try await jobs(for: open, items, texts, as: role, course, &round)
            let lines = try await finish(begun, &round)
            refused.merge(lines.refused) { $1 }
            let before = open.count
            open = try await cache.absent(open.map { texts.keys[$0] }).map { open[$0] }
                .filter { refused[texts.keys[$0]] == nil }
            if lines.answered == 0, lines.refusedLines >= Self.refusalsBeforeDoubt, refused.count == texts.count,
                let words = refused.values.first
            {
                throw ProviderError.refused(endpoint: box.url, status: 400, message: words)
            }
            guard !open.isEmpty else { break }
            let pause = try course.pause(
                after: round, hasProgress: open.count < before, endpoint: box.url, left: "\(open.count) texts")
            guard let pause else { continue }
            guard case .untilAnswered = waiting else {
                throw ProviderError.unavailable(
                    endpoint: box.url, attempts: 1, reason: round.complaint ?? "no room for another batch")
            }
            box.options.logger?.notice(
                "no room for another batch", metadata: ["texts": "\(open.count)", "after": "\(pause.logText)"])
            try await box.time.sleep(until: box.time.now + pause)
        }
        let lists = texts.itemsOfDistinct()
        let missing = try await deliver(texts, lists, answered)
        guard !missing.isEmpty else { return }
        // Lines that the provider refuses are asked without a batch, so that the text at fault is found and its neighbours are answered.
        let asked = missing.map { items[texts.first[$0]] }
        do {
            try await box.embed(asked, as: role) { rows in
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

    // MARK: - Jobs

    /// Jobs that hold the texts: those of earlier runs, and new ones for the rest.
    private func jobs(
        for open: [Int], _ items: [EmbeddingItem], _ texts: DistinctTexts, as role: TextRole, _ course: BatchCourse,
        _ round: inout BatchRound
    ) async throws -> [Begun] {
        let keys = open.map { texts.keys[$0] }
        let (found, held) = try await cache.jobs(holding: keys)
        var jobs = found.map { Begun(job: $0) }
        round.jobs = jobs.count
        let free = open.indices.filter { !held.contains($0) }.map { open[$0] }
        let form = box.exchange.form(for: role, identity: identity, encoding: box.knowledge.current.encoding)
        let prefix = identity.prefix(for: role)
        for part in parts(of: free, items, texts, form, role, textsPerJob: course.textsPerJob)
        where jobs.count < course.jobsAtOnce && round.turnedAway == 0 {
            let booking = try await book(
                part.joined().map { items[texts.first[$0]].text }, role, form, begun: jobs.filter { $0.booking != nil })
            let lines = part.map { line in line.map { prefix + items[texts.first[$0]].text } }
            let job = try await cache.makeJob(
                BatchJob.makeTag(), lines: part.map { $0.map { texts.keys[$0] } }, source: texts.source,
                provider: box.profile.name,
                model: identity.model, base: identity.endpoint ?? "")
            round.jobs += 1
            do {
                jobs.append(try await begin(job, lines: lines, form: form, booking))
            } catch {
                if error is ProviderError {
                    try await box.spending.settle(booking, actual: 0, ledger: box.ledger)
                }
                guard BatchRunner.isQueueFull(error) else { throw error }
                round.turnedAway += 1
                round.complaint = "\(error)"
            }
        }
        report?(jobs.map(\.job))
        return jobs
    }

    /// A job under way, and what was booked for it.
    private struct Begun: Sendable {
        var job: BatchJob
        var booking: Spending.Booking?
    }

    /// Books a job before it is sent.
    /// - Throws: ``ProviderError/overBudget(endpoint:reason:)``, which says what was begun before.
    private func book(
        _ texts: [String], _ role: TextRole, _ form: BoundRequest, begun: [Begun]
    ) async throws -> Spending.Booking {
        let tokens = box.costs(of: texts, as: role, in: form).reduce(0) { $0 + $1.maximumTokens }
        do {
            try await box.spending.require(
                requests: 1, tokens: discounted(tokens), ledger: box.ledger, endpoint: box.url)
            return try await box.spending.book(
                tokens: discounted(tokens), account: box.exchange.account, ledger: box.ledger, endpoint: box.url)
        } catch {
            throw BatchRunner.adding(begun.map(\.job), to: error)
        }
    }

    private func discounted(_ tokens: Int) -> Int {
        Int(Double(tokens) * (1 - (box.profile.price.batchDiscount ?? 0)))
    }

    /// Distinct texts cut into jobs, and those into lines.
    private func parts(
        of free: [Int], _ items: [EmbeddingItem], _ texts: DistinctTexts, _ form: BoundRequest, _ role: TextRole,
        textsPerJob: Int
    ) -> [[[Int]]] {
        guard let limits = box.profile.batch else { return [] }
        let costs = box.costs(of: free.map { items[texts.first[$0]].text }, as: role, in: form)
        var schedule = BatchSchedule(
            costs: costs, limits: box.knowledge.current.limits, requestBytes: form.emptyLength)
        var (parts, part): ([[[Int]]], [[Int]]) = ([], [])
        var (bytes, count) = (0, 0)
        while let batch = schedule.next(at: .zero) {
            let lineBytes = batch.items.reduce(form.emptyLength + 120) { $0 + costs[$1].bytes }
            let isFull =
                count + batch.items.count > textsPerJob || part.count + 1 > limits.lines
                || bytes + lineBytes > limits.bytes
            if isFull, !part.isEmpty {
                parts.append(part)
                (part, bytes, count) = ([], 0, 0)
            }
            part.append(batch.items.map { free[$0] })
            (bytes, count) = (bytes + lineBytes, count + batch.items.count)
        }
        return part.isEmpty ? parts : parts + [part]
    }

    /// Uploads a job and begins it; each step is written down before the next.
    private func begin(
        _ given: BatchJob, lines: [[String]], form: BoundRequest, _ booking: Spending.Booking
    ) async throws -> Begun {
        let collection = try BatchCollection(box, cache: cache)
        var file = ByteBuffer()
        for (number, texts) in lines.enumerated() {
            collection.api.write(line: number, of: given.tag, body: form.body(texts), to: &file)
        }
        let job = try await collection.runner.begin(given, file: file)
        box.options.logger?.notice(
            "batch begun",
            metadata: ["batch": "\(job.remote ?? "")", "texts": "\(job.texts)", "requests": "\(lines.count)"])
        return Begun(job: job, booking: booking)
    }

    /// Waits until all jobs have ended, and returns what they have brought together.
    private func finish(_ given: [Begun], _ round: inout BatchRound) async throws -> BatchCollection.Result {
        let collection = try BatchCollection(box, cache: cache)
        var (jobs, sum) = (given, BatchCollection.Result())
        var pause = Self.firstPause
        while !jobs.isEmpty {
            var pending: [Begun] = []
            for begun in jobs {
                let (job, result) = try await collection.advance(begun.job)
                guard let result else {
                    pending.append(Begun(job: job, booking: begun.booking))
                    continue
                }
                sum.answered += result.answered
                sum.refusedLines += result.refusedLines
                sum.refused.merge(result.refused) { $1 }
                round.take(result.ending)
                try await settle(begun, result)
                if result.ending.isRefused, let words = result.ending.complaint {
                    throw ProviderError.refused(endpoint: box.url, status: 400, message: words)
                }
            }
            report?(pending.map(\.job))
            jobs = pending
            guard !jobs.isEmpty else { break }
            guard case .untilAnswered = waiting else {
                throw ProviderError.batchPending(
                    jobs: jobs.compactMap(\.job.remote), texts: jobs.reduce(0) { $0 + $1.job.texts })
            }
            try await box.time.sleep(until: box.time.now + pause)
            pause = min(pause * 1.5, Self.longestPause)
        }
        return sum
    }

    /// Corrects a job's booking: to nothing if no line was answered. If an answer cannot be used, all of the booking stays.
    private func settle(_ begun: Begun, _ result: BatchCollection.Result) async throws {
        guard let booking = begun.booking, !result.hasUnusableAnswers else { return }
        guard result.answered == 0 || result.tokens > 0 else { return }
        try await box.spending.settle(booking, actual: discounted(result.tokens), ledger: box.ledger)
    }

    // MARK: - Delivering

    /// Delivers what is in the cache, and returns the distinct texts that are not.
    private func deliver(
        _ texts: DistinctTexts, _ lists: DistinctTexts.ItemLists,
        _ answered: @Sendable (AnsweredRows) async throws -> Void
    ) async throws -> [Int] {
        var missing: [Int] = []
        for start in stride(from: 0, to: texts.count, by: EmbeddingCache.readingWindow) {
            let window = Array(start..<min(start + EmbeddingCache.readingWindow, texts.count))
            let (found, absent) = try await cache.vectors(for: window.map { texts.keys[$0] }, of: texts.source)
            missing += absent.map { window[$0] }
            guard !found.indices.isEmpty else { continue }
            try await answered(
                lists.expanded(AnsweredRows(indices: found.indices.map { window[$0] }, vectors: found.vectors)))
        }
        return missing
    }
}

extension BatchedBlackBox {
    /// Begins the jobs of many texts before the first is waited for. A caller that then asks block by block waits for all jobs at once, and not for
    /// one after the other. Ends early if the provider has no room for more.
    ///
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
    ///
    /// - Returns: the jobs as they are now.
    public func resumeJobs(of box: ProviderBlackBox) async throws -> [BatchJob] {
        let collection = try BatchCollection(box, cache: self)
        var jobs: [BatchJob] = []
        for job in try await pendingJobs() where job.belongs(to: box) {
            jobs.append(try await collection.advance(job).job)
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
