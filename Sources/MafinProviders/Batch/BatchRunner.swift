import Foundation
import Logging
import NIOCore

/// Begins jobs and asks for their state. Each step is stored before the next, so that another run can continue wherever one ended.
struct BatchRunner: Sendable {
    /// What a finished job has brought, and how it has ended.
    struct Result: Sendable {
        var answered = 0
        /// Tokens that were counted for the answers, as far as the provider says.
        var tokens = 0
        /// The keys of lines that bring nothing and would not the next time either, with the provider's words or what is wrong.
        var refused: [EmbeddingKey: String] = [:]
        /// How many lines the provider refuses.
        var refusedLines = 0
        /// Lines that were answered with something that cannot be used: they are billed.
        var hasUnusableAnswers = false
        /// What the provider says against the job, else of a line that may be asked again.
        var complaint: String?
        /// It was turned away for want of room: the same again, later, may go.
        var isQueueFull = false
        /// The provider refuses the whole of it; the same again would not help.
        var isRefused = false
    }

    let api: BatchAPI
    let cache: EmbeddingCache

    /// Uploads a job's file and begins it.
    /// - Throws: ``ProviderError`` where it was not begun. Whatever else is thrown, it may have begun, and is found again by its tag.
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
            // The answer was lost, and the provider may have begun it. If that cannot be found out now, it is found out later.
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

    /// Nothing was paid, and its keys are free again.
    private func ended(_ given: BatchJob, _ note: String) async throws -> BatchJob {
        var job = given
        job.state = .failed
        job.note = note
        try await cache.update(job)
        return job
    }

    /// Asks how a job is. When it has ended, `collect` brings its answers into the cache and says what they are.
    /// - Returns: the job as it is now, and what it has brought; nil: nothing yet.
    func advance(
        _ given: BatchJob, collect: (BatchRemote, BatchJob) async throws -> Result
    ) async throws -> (job: BatchJob, result: Result?) {
        var job = given
        if job.state == .beginning {
            switch try await search(for: job) {
            case .found(let remote): job = try await begun(job, remote)
            case .open:
                job.note =
                    "its beginning was not answered; a batch of its size is under way, and shows at its end whether it is this one"
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

    /// Whether a job could not be begun for want of room.
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

    /// The lines of a batch's answers, those of refused requests too, with the keys that each of them answers.
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
