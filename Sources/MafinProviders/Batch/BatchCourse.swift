import Foundation
import Logging
import MafinBlackBox
import NIOCore

/// Runs the jobs of one call, for texts or for prompts: begins them, waits for them, and begins new ones for what is still unanswered.
///
/// It decides how many jobs run at a time, how large they are, and when to give up.
struct BatchCourse {
    /// The content of one job.
    struct Part {
        let tag = UUID().uuidString.lowercased()
        /// The keys of each line.
        var lines: [[EmbeddingKey]] = []
        /// The source of the answers, as the cache describes it.
        var source = EmbeddingKey.Source(description: "")
        var file = ByteBuffer()
        /// An upper bound on its cost, without the discount.
        var tokens = 0
    }

    /// A running job, and what was booked for it.
    private struct Begun: Sendable {
        var job: BatchJob
        var booking: Spending.Booking?
    }

    /// Maximum number of keys in a job. They are held in memory while its answers are read.
    static let maximumKeys = 25_000
    /// The call ends after this many rounds in a row without an answer.
    private static let maximumStalledRounds = 4
    /// The call ends if the provider's queue is full this many times in a row although none of our jobs runs. With the pauses between them
    /// this is about a day.
    private static let maximumFullQueues = 300
    private static let longestPause: Duration = .seconds(300)
    private static let fewestKeys = 100

    private let client: any ProviderClient
    private let runner: BatchRunner
    private let model: String
    /// What is sent, in words: texts or prompts.
    private let subject: String
    private let waiting: BatchedBlackBox.Waiting
    private let report: (@Sendable ([BatchJob]) -> Void)?
    private let discount: Double

    /// Jobs that may run at a time: all, until the provider's queue is full.
    private var jobsAtOnce = Int.max
    private var keysPerJob: Int
    private var pause: Duration = .seconds(30)
    /// Two reasons to begin again, counted apart: a batch that answers nothing will not get better, but a full queue empties with time.
    private var stalledRounds = 0
    private var fullQueues = 0
    /// Jobs of this round, those refused because the queue was full, and the provider's last complaint about a job or a line.
    private var round: (jobs: Int, refused: Int, complaint: String?) = (0, 0, nil)

    /// - Parameters:
    ///   - keysPerJob: the provider's maximum.
    ///   - waiting: what to do after the jobs are sent.
    ///   - report: told the states of the jobs each time they were requested.
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

    /// Runs one round: begins jobs for the keys that no earlier job holds, and waits until all have ended.
    /// - Parameters:
    ///   - parts: cuts the keys at some positions into jobs of at most a given size.
    ///   - collect: stores a job's answers in the cache.
    /// - Returns: the combined result of the jobs.
    /// - Throws: ``ProviderError``; ``ProviderError/batchPending(jobs:texts:)`` if the call does not wait for them.
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
        while jobs.count < jobsAtOnce, round.refused == 0, let part = rest.next() {
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
                round.refused += 1
                round.complaint = "\(error)"
            }
        }
        report?(jobs.map(\.job))
        return jobs
    }

    /// Books a job before it is sent.
    /// - Throws: ``ProviderError/overBudget(endpoint:reason:)``, which names the jobs that were begun before.
    private func book(_ part: Part, after begun: [BatchJob]) async throws -> Spending.Booking {
        do {
            try await client.require(requests: 1, tokens: discounted(part.tokens))
            return try await client.book(discounted(part.tokens))
        } catch ProviderError.overBudget(let endpoint, let reason) where !begun.isEmpty {
            let batches = begun.count == 1 ? "1 batch" : "\(begun.count) batches"
            throw ProviderError.overBudget(
                endpoint: endpoint,
                reason: "\(reason); before that, \(batches) of \(begun.reduce(0) { $0 + $1.texts }) texts "
                    + "\(begun.count == 1 ? "was" : "were") begun; run the same command with a higher limit to collect the answers"
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
                if result.isQueueFull { round.refused += 1 }
                round.complaint = result.complaint ?? round.complaint
                // If an answer cannot be used, or its tokens were not counted, the booking is not reduced.
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

    /// Waits before the next round if the provider's queue is full.
    /// - Parameters:
    ///   - hasProgress: whether this round has answered something.
    ///   - left: how much is still unanswered.
    /// - Throws: ``ProviderError/unavailable(endpoint:attempts:reason:)`` with the provider's message, if another round would not help.
    mutating func rest(hasProgress: Bool, left: Int) async throws {
        if round.refused > 0 { jobsAtOnce = max(1, min(jobsAtOnce, round.jobs - round.refused)) }
        guard !hasProgress else {
            (stalledRounds, fullQueues) = (0, 0)
            return
        }
        let endpoint = client.exchange.url
        func giveUp(after attempts: Int) -> ProviderError {
            let last = round.complaint.map { "; the last: \($0)" } ?? ""
            return .unavailable(
                endpoint: endpoint, attempts: attempts,
                reason: "no batch has answered the last \(left) \(subject)" + last)
        }
        guard round.refused > 0 else {
            stalledRounds += 1
            if stalledRounds >= Self.maximumStalledRounds { throw giveUp(after: stalledRounds) }
            return
        }
        fullQueues += 1
        if fullQueues >= Self.maximumFullQueues { throw giveUp(after: fullQueues) }
        // Other jobs fill the queue, or this job is larger than the queue.
        keysPerJob = max(Self.fewestKeys, keysPerJob / 2)
        pause = min(pause * 1.5, Self.longestPause)
        guard case .untilAnswered = waiting else {
            throw ProviderError.unavailable(
                endpoint: endpoint, attempts: 1, reason: round.complaint ?? "the provider's queue of batches is full")
        }
        client.logger?.notice("the queue is full", metadata: [subject: "\(left)", "after": "\(pause.logText)"])
        try await client.time.sleep(until: client.time.now + pause)
    }
}
