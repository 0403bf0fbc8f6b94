import Foundation
import Logging
import NIOCore

/// Begins jobs and asks for their state. Each step is stored before the next, so that another run can continue from any step.
struct BatchRunner: Sendable {
    /// The result of a finished job.
    struct Result: Sendable {
        var answered = 0
        /// Tokens that the provider has counted for the answers; 0 if it does not say.
        var tokens = 0
        /// The keys of lines that failed for good, with the provider's message or what is wrong with the answer.
        var refused: [EmbeddingKey: String] = [:]
        /// How many lines the provider refuses.
        var refusedLines = 0
        /// Whether there were answers that cannot be used. They are billed all the same.
        var hasUnusableAnswers = false
        /// The provider's message about the job, else about a line that may be sent again.
        var complaint: String?
        /// The job was refused because the provider's queue is full. It may be accepted later.
        var isQueueFull = false
        /// The provider refuses the whole job. Sending it again would not help.
        var isRefused = false
    }

    let api: BatchAPI
    let cache: EmbeddingCache

    /// Uploads a job's file and begins it.
    /// - Throws: ``ProviderError`` if it was not begun. After any other error it may have begun, and is found again by its tag.
    func begin(_ given: BatchJob, file: ByteBuffer) async throws -> BatchJob {
        var job = given
        do {
            job.file = try await api.upload(file, name: job.tag)
        } catch {
            _ = try await ended(job, "could not be uploaded")
            throw error
        }
        job.state = .beginning
        try await cache.update(job)
        let remote: BatchRemote
        do {
            remote = try await api.begin(file, file: job.file, tag: job.tag)
        } catch let error as ProviderError {
            if case .refused = error {
                _ = try await ended(job, "was refused")
                throw error
            }
            // The answer was lost, and the provider may have begun it. If the search fails now, a later run searches again.
            switch (try? await search(for: job)) ?? .open {
            case .found(let found): remote = found
            case .open: return job
            case .none: throw error
            }
        }
        return try await begun(job, remote)
    }

    private func begun(_ given: BatchJob, _ remote: BatchRemote) async throws -> BatchJob {
        var job = given
        job.remote = remote.id
        job.state = .running
        try await cache.update(job)
        return job
    }

    /// Marks a job as failed. Nothing was paid, and its keys are free for other jobs.
    private func ended(_ given: BatchJob, _ note: String) async throws -> BatchJob {
        var job = given
        job.state = .failed
        job.note = note
        try await cache.update(job)
        return job
    }

    /// Asks for the state of a job. When it has ended, `collect` stores its answers in the cache.
    /// - Returns: the job with its new state, and its result; nil: it has not ended.
    func advance(
        _ given: BatchJob, collect: (BatchRemote, BatchJob) async throws -> Result
    ) async throws -> (job: BatchJob, result: Result?) {
        var job = given
        if job.state == .beginning {
            switch try await search(for: job) {
            case .found(let remote): job = try await begun(job, remote)
            case .open:
                job.note =
                    "the answer to its start was lost; a batch of the same size is running and may be this one, which shows only when it ends"
                try await cache.update(job)
                return (job, nil)
            case .none: return (try await ended(job, "was not begun"), Result())
            }
        }
        guard let id = job.remote, job.state == .running else {
            return (try await ended(job, job.note ?? "was not begun"), Result())
        }
        let remote = try await api.status(of: id)
        job.note = api.exchange.redacted(Self.note(remote))
        guard remote.state.isFinal else {
            try await cache.update(job)
            return (job, nil)
        }
        var result = try await collect(remote, job)
        job.state = result.answered > 0 || remote.state == .completed ? .done : .failed
        try await cache.update(job)
        let hasFailed = result.answered == 0 && remote.state == .failed
        result.complaint = remote.complaint.map(api.exchange.redacted) ?? result.complaint
        result.isQueueFull = hasFailed && remote.isQueueFull
        result.isRefused = hasFailed && !remote.isQueueFull && remote.complaint != nil
        return (job, result)
    }

    private func search(for job: BatchJob) async throws -> BatchAPI.Search {
        try await api.find(job, known: Set(try await cache.allJobs().compactMap(\.remote)))
    }

    /// Whether a job could not be begun because the provider's queue is full.
    static func isQueueFull(_ error: any Error) -> Bool {
        switch error as? ProviderError {
        case .refused(_, _, let message): BatchRemote.saysQueueFull(message)
        case .unavailable(_, _, let reason, _): BatchRemote.saysQueueFull(reason)
        default: false
        }
    }

    private static func note(_ remote: BatchRemote) -> String {
        "\(remote.state.rawValue), \(remote.completed) of \(remote.total) requests answered"
            + (remote.failed > 0 ? ", \(remote.failed) failed" : "") + (remote.complaint.map { ": \($0)" } ?? "")
    }

    /// Calls `body` for each line of a batch's answers, refusals included, with the keys that it answers.
    func forEachLine(
        _ remote: BatchRemote, of job: BatchJob, _ body: (BatchOutputLine, [EmbeddingKey]) async throws -> Void
    ) async throws {
        let lines = try await cache.lines(of: job)
        for results in remote.results {
            var content = try await api.content(of: results)
            while let line = BatchOutputLine.next(in: &content) {
                guard let output = BatchOutputLine(line), lines.indices.contains(output.number) else {
                    throw ProviderError.badAnswer(
                        endpoint: api.base, reason: "a line of the batch's answers has no custom_id of this job")
                }
                try await body(output, lines[output.number])
            }
        }
    }
}
