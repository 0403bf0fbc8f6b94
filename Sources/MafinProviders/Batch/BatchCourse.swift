import Foundation
import Logging
import MafinBlackBox
import NIOCore

/// The jobs of one call, for texts or for prompts: begun, waited for, and begun again for what they have left open.
///
/// It decides how many jobs are under way at a time, how large they are, and when to give up.
struct BatchCourse {
    /// What is asked in one job.
    struct Part {
        let tag = UUID().uuidString.lowercased()
        /// The keys of each line.
        var lines: [[EmbeddingKey]] = []
        /// What the answers come from.
        var source = EmbeddingKey.Source(description: "")
        var file = ByteBuffer()
        /// The most that it may cost, without the discount.
        var tokens = 0
    }

    /// A job under way, and what was booked for it.
    private struct Begun: Sendable {
        var job: BatchJob
        var booking: Spending.Booking?
    }

    /// Keys in a job at most: what is held in memory when its answers are read.
    static let maximumKeys = 25_000
    /// Rounds in a row that answer nothing.
    private static let maximumFruitless = 4
    /// Times in a row that the provider has no room although no job of ours is under way. With the pauses between them this is about a day.
    private static let maximumTurnedAway = 300
    private static let longestPause: Duration = .seconds(300)
    private static let fewestKeys = 100

    private let client: any ProviderClient
    private let runner: BatchRunner
    private let model: String
    /// What is asked, in words: texts or prompts.
    private let subject: String
    private let waiting: BatchedBlackBox.Waiting
    private let report: (@Sendable ([BatchJob]) -> Void)?
    private let discount: Double

    /// Jobs that may be under way at a time: all, until the provider has no room for one.
    private var jobsAtOnce = Int.max
    private var keysPerJob: Int
    private var pause: Duration = .seconds(30)
    /// Two reasons to begin again, counted apart: a batch that answers nothing will not get better, but a full queue empties with time.
    private var fruitless = 0
    private var turnedAway = 0
    /// Jobs of this round, those of them that the provider had no room for, and what it said last about jobs or lines that brought nothing.
    private var round: (jobs: Int, turnedAway: Int, complaint: String?) = (0, 0, nil)

    /// - Parameters:
    ///   - keysPerJob: what the provider takes, at most.
    ///   - waiting: what to do once jobs are sent.
    ///   - report: told how the jobs are each time they were asked after.
    init(
        _ client: any ProviderClient, _ runner: BatchRunner, model: String, subject: String, keysPerJob: Int,
        waiting: BatchedBlackBox.Waiting, report: (@Sendable ([BatchJob]) -> Void)?
    ) {
        self.client = client
        self.runner = runner
        self.model = model
        self.subject = subject
        self.keysPerJob = min(keysPerJob, Self.maximumKeys)
        self.waiting = waiting
        self.report = report
        discount = client.profile.price.batchDiscount ?? 0
    }

    /// One round: jobs for the keys that no earlier job holds; waits until all have ended.
    /// - Parameters:
    ///   - parts: cuts the keys at some positions into jobs of at most so many.
    ///   - collect: brings a job's answers into the cache.
    /// - Returns: what the jobs have brought together.
    /// - Throws: ``ProviderError``; ``ProviderError/batchPending(jobs:texts:)`` where it is not waited for.
    mutating func run(
        _ keys: [EmbeddingKey], parts: ([Int], Int) -> AnyIterator<Part>,
        collect: (BatchRemote, BatchJob) async throws -> BatchRunner.Result
    ) async throws -> BatchRunner.Result { try await finish(try await begin(keys, parts), collect) }

    private mutating func begin(_ keys: [EmbeddingKey], _ parts: ([Int], Int) -> AnyIterator<Part>) async throws
        -> [Begun]
    {
        let (found, held) = try await runner.cache.jobs(holding: keys)
        var jobs = found.map { Begun(job: $0) }
        round = (jobs.count, 0, nil)
        let rest = parts(keys.indices.filter { !held.contains($0) }, keysPerJob)
        while jobs.count < jobsAtOnce, round.turnedAway == 0, let part = rest.next() {
            let booking = try await book(part, after: jobs.filter { $0.booking != nil }.map(\.job))
            let job = try await runner.cache.makeJob(
                part.tag, lines: part.lines, source: part.source, provider: client.profile.name, model: model,
                base: runner.api.base)
            round.jobs += 1
            do {
                let begun = try await runner.begin(job, file: part.file)
                jobs.append(Begun(job: begun, booking: booking))
                client.logger?.notice(
                    "batch begun",
                    metadata: [
                        "batch": "\(begun.remote ?? "")", subject: "\(job.texts)", "requests": "\(part.lines.count)",
                    ])
            } catch {
                if error is ProviderError { try await client.settle(booking, actual: 0) }
                guard BatchRunner.isQueueFull(error) else { throw error }
                round.turnedAway += 1
                round.complaint = "\(error)"
            }
        }
        report?(jobs.map(\.job))
        return jobs
    }

    /// Books a job before it is sent.
    /// - Throws: ``ProviderError/overBudget(endpoint:reason:)``, which says what was begun before.
    private func book(_ part: Part, after begun: [BatchJob]) async throws -> Spending.Booking {
        do {
            try await client.require(requests: 1, tokens: discounted(part.tokens))
            return try await client.book(discounted(part.tokens))
        } catch ProviderError.overBudget(let endpoint, let reason) where !begun.isEmpty {
            let batches = begun.count == 1 ? "1 batch" : "\(begun.count) batches"
            throw ProviderError.overBudget(
                endpoint: endpoint,
                reason: "\(reason); before that, \(batches) of \(begun.reduce(0) { $0 + $1.texts }) texts "
                    + "\(begun.count == 1 ? "was" : "were") begun: the same command, with a higher limit, collects the answers"
            )
        }
    }

    private func discounted(_ tokens: Int) -> Int { Int(Double(tokens) * (1 - discount)) }

    private mutating func finish(
        _ given: [Begun], _ collect: (BatchRemote, BatchJob) async throws -> BatchRunner.Result
    ) async throws -> BatchRunner.Result {
        var (jobs, sum) = (given, BatchRunner.Result())
        var pause = Duration.seconds(10)
        while !jobs.isEmpty {
            var pending: [Begun] = []
            for begun in jobs {
                let (job, result) = try await runner.advance(begun.job, collect: collect)
                guard let result else {
                    pending.append(Begun(job: job, booking: begun.booking))
                    continue
                }
                sum.answered += result.answered
                sum.refusedLines += result.refusedLines
                sum.refused.merge(result.refused) { $1 }
                if result.isQueueFull { round.turnedAway += 1 }
                round.complaint = result.complaint ?? round.complaint
                // If an answer cannot be used, or nobody says how many tokens it has taken, all of the booking stays.
                if let booking = begun.booking, !result.hasUnusableAnswers, result.answered == 0 || result.tokens > 0 {
                    try await client.settle(booking, actual: discounted(result.tokens))
                }
                if result.isRefused, let words = result.complaint {
                    throw ProviderError.refused(endpoint: client.exchange.url, status: 400, message: words)
                }
            }
            report?(pending.map(\.job))
            jobs = pending
            guard !jobs.isEmpty else { break }
            guard case .untilAnswered = waiting else {
                throw ProviderError.batchPending(
                    jobs: jobs.compactMap(\.job.remote), texts: jobs.reduce(0) { $0 + $1.job.texts })
            }
            try await client.time.sleep(until: client.time.now + pause)
            pause = min(pause * 1.5, Self.longestPause)
        }
        return sum
    }

    /// Waits before the next round where the provider has no room for it.
    /// - Parameters:
    ///   - hasProgress: whether less is open than before this round.
    ///   - left: how much is still open.
    /// - Throws: ``ProviderError/unavailable(endpoint:attempts:reason:)`` in the provider's words, where another round leads nowhere.
    mutating func rest(hasProgress: Bool, left: Int) async throws {
        if round.turnedAway > 0 { jobsAtOnce = max(1, min(jobsAtOnce, round.jobs - round.turnedAway)) }
        guard !hasProgress else {
            (fruitless, turnedAway) = (0, 0)
            return
        }
        let endpoint = client.exchange.url
        func giveUp(after attempts: Int) -> ProviderError {
            let last = round.complaint.map { "; the last: \($0)" } ?? ""
            return .unavailable(
                endpoint: endpoint, attempts: attempts,
                reason: "\(left) \(subject) were left unanswered by each batch" + last)
        }
        guard round.turnedAway > 0 else {
            fruitless += 1
            if fruitless >= Self.maximumFruitless { throw giveUp(after: fruitless) }
            return
        }
        turnedAway += 1
        if turnedAway >= Self.maximumTurnedAway { throw giveUp(after: turnedAway) }
        // Jobs of others fill the queue, or this one is larger than it.
        keysPerJob = max(Self.fewestKeys, keysPerJob / 2)
        pause = min(pause * 1.5, Self.longestPause)
        guard case .untilAnswered = waiting else {
            throw ProviderError.unavailable(
                endpoint: endpoint, attempts: 1, reason: round.complaint ?? "no room for another batch")
        }
        client.logger?.notice("no room for another batch", metadata: [subject: "\(left)", "after": "\(pause.logText)"])
        try await client.time.sleep(until: client.time.now + pause)
    }
}
