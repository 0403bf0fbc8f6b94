import Foundation
import Logging
import NIOCore

/// Begins jobs and asks how they are; each step is written down before the next, so that a run that ends anywhere is taken up by another.
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
    /// - Throws: ``ProviderError``; the job is then failed, or may have begun and is found again by its tag.
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
        let remote: BatchAPI.Remote
        do {
            remote = try await api.begin(file: job.file ?? "", tag: job.tag)
        } catch let error as ProviderError {
            if case .refused = error {
                job.state = .failed
                job.note = "was refused"
                try await cache.update(job)
                throw error
            }
            // The answer was lost: the provider may have begun it all the same.
            guard let found = try await api.find(tag: job.tag) else { throw error }
            remote = found
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
        _ given: BatchJob, collect: (BatchAPI.Remote, BatchJob) async throws -> Int
    ) async throws -> (job: BatchJob, ending: Ending?) {
        var job = given
        if job.state == .beginning {
            guard let remote = try await api.find(tag: job.tag) else {
                // It was never begun: nothing was paid, and its texts are free again.
                job.state = .failed
                job.note = "was not begun"
                try await cache.update(job)
                return (job, Ending())
            }
            job.remote = remote.id
            job.state = .running
            try await cache.update(job)
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

    /// Whether a job could not be begun for want of room.
    static func isQueueFull(_ error: any Error) -> Bool {
        switch error as? ProviderError {
        case .refused(_, _, let message): BatchAPI.saysQueueFull(message)
        case .unavailable(_, _, let reason, _): BatchAPI.saysQueueFull(reason)
        default: false
        }
    }

    private static func note(_ remote: BatchAPI.Remote) -> String {
        "\(remote.state.rawValue), \(remote.completed) of \(remote.total) requests answered"
            + (remote.failed > 0 ? ", \(remote.failed) failed" : "") + (remote.complaint.map { ": \($0)" } ?? "")
    }

    /// The lines of a batch's answers, those of refused requests too.
    func forEachLine(_ remote: BatchAPI.Remote, _ body: (BatchOutputLine) async throws -> Void) async throws {
        for file in [remote.outputFile, remote.errorFile].compactMap({ $0 }) {
            var content = try await api.content(of: file)
            while let line = Self.nextLine(&content) {
                guard let output = BatchOutputLine(line) else {
                    throw ProviderError.badAnswer(
                        endpoint: api.base, reason: "a line of the batch's answers has no custom_id of this job")
                }
                try await body(output)
            }
        }
    }

    /// The bytes up to the next end of a line; nil at the end of the file. Empty lines are stepped over.
    private static func nextLine(_ content: inout ByteBuffer) -> [UInt8]? {
        while content.readableBytes > 0 {
            let view = content.readableBytesView
            let length = view.firstIndex(of: UInt8(ascii: "\n")).map { $0 - view.startIndex } ?? view.count
            let line = content.readBytes(length: length) ?? []
            if content.readableBytes > 0 { content.moveReaderIndex(forwardBy: 1) }
            if !line.allSatisfy({ $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\r") }) { return line }
        }
        return nil
    }

    /// One line of a job's file.
    static func write(line number: Int, path: String, body: ByteBuffer, to file: inout ByteBuffer) {
        file.writeString("{\"custom_id\":\"\(BatchOutputLine.customID(number))\",\"method\":\"POST\",\"url\":\"")
        file.writeString("\(path)\",\"body\":")
        file.writeImmutableBuffer(body)
        file.writeString("}\n")
    }
}
