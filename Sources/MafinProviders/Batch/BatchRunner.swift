import Foundation
import Logging
import NIOCore

/// Begins jobs and asks for their state. Each step is stored before the next, so that another run can continue wherever one ended.
struct BatchRunner: Sendable {
    let api: BatchAPI
    let cache: EmbeddingCache

    /// How a job has ended.
    struct Ending: Sendable {
        /// Answers that it has brought.
        var answered = 0
        /// What the provider says against it.
        var complaint: String?
        /// It was turned away for want of room: the same again, later, may go.
        var isQueueFull = false
        /// The provider refuses the whole of it; the same again would not help.
        var isRefused = false
    }

    /// Uploads a job's file and begins it.
    ///
    /// - Throws: ``ProviderError`` where it was not begun. Whatever else is thrown, it may have begun, and is found again by its tag.
    func begin(_ given: BatchJob, file: ByteBuffer) async throws -> BatchJob {
        var job = given
        do {
            job.file = try await api.upload(file, name: job.tag)
        } catch {
            job.state = .failed
            job.note = "could not be uploaded"
            try await cache.update(job)
            throw error
        }
        job.state = .beginning
        try await cache.update(job)
        let remote: BatchRemote
        do {
            remote = try await api.begin(file, file: job.file, tag: job.tag)
        } catch let error as ProviderError {
            if case .refused = error {
                job.state = .failed
                job.note = "was refused"
                try await cache.update(job)
                throw error
            }
            // The answer was lost, and the provider may have begun it. If that cannot be found out now, it is found out later.
            switch (try? await search(for: job)) ?? .open {
            case .found(let found): remote = found
            case .open: return job
            case .none: throw error
            }
        }
        job.remote = remote.id
        job.state = .running
        try await cache.update(job)
        return job
    }

    /// Asks how a job is. When it has ended, `collect` brings its answers into the cache and says how many there were.
    ///
    /// - Returns: the job as it is now, and how it has ended; nil: not yet.
    func advance(
        _ given: BatchJob, collect: (BatchRemote, BatchJob) async throws -> Int
    ) async throws -> (job: BatchJob, ending: Ending?) {
        var job = given
        if job.state == .beginning {
            switch try await search(for: job) {
            case .found(let remote):
                job.remote = remote.id
                job.state = .running
                try await cache.update(job)
            case .open:
                job.note =
                    "its beginning was not answered; a batch of its size is under way, and shows at its end whether it is this one"
                try await cache.update(job)
                return (job, nil)
            case .none:
                // It was never begun: nothing was paid, and its texts are free again.
                job.state = .failed
                job.note = "was not begun"
                try await cache.update(job)
                return (job, Ending())
            }
        }
        guard let id = job.remote, job.state == .running else {
            job.state = .failed
            job.note = job.note ?? "was not begun"
            try await cache.update(job)
            return (job, Ending())
        }
        let remote = try await api.status(of: id)
        job.note = api.exchange.redacted(Self.note(remote))
        guard remote.state.isFinal else {
            try await cache.update(job)
            return (job, nil)
        }
        let answered = try await collect(remote, job)
        job.state = answered > 0 || remote.state == .completed ? .done : .failed
        try await cache.update(job)
        let hasFailed = answered == 0 && remote.state == .failed
        return (
            job,
            Ending(
                answered: answered, complaint: remote.complaint.map(api.exchange.redacted),
                isQueueFull: hasFailed && remote.isQueueFull,
                isRefused: hasFailed && !remote.isQueueFull && remote.complaint != nil)
        )
    }

    private func search(for job: BatchJob) async throws -> BatchAPI.Search {
        try await api.find(job, known: Set(try await cache.allJobs().compactMap(\.remote)))
    }

    /// An error about money, with what was begun before it.
    static func adding(_ begun: [BatchJob], to error: any Error) -> any Error {
        guard case ProviderError.overBudget(let endpoint, let reason) = error, !begun.isEmpty else { return error }
        let texts = begun.reduce(0) { $0 + $1.texts }
        return ProviderError.overBudget(
            endpoint: endpoint,
            reason: reason
                + "; before that, \(begun.count) batch\(begun.count == 1 ? "" : "es") of \(texts) texts \(begun.count == 1 ? "was" : "were") begun: the same command, with a higher limit, collects the answers"
        )
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

    /// The lines of a batch's answers, those of refused requests too.
    func forEachLine(_ remote: BatchRemote, _ body: (BatchOutputLine) async throws -> Void) async throws {
        for results in remote.results {
            var content = try await api.content(of: results)
            while let line = BatchOutputLine.next(in: &content) {
                guard let output = BatchOutputLine(line) else {
                    throw ProviderError.badAnswer(
                        endpoint: api.base, reason: "a line of the batch's answers has no custom_id of this job")
                }
                try await body(output)
            }
        }
    }
}
