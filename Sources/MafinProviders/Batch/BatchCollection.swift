import Foundation
import MafinBlackBox
import MafinNumerics
import NIOCore

/// Follows jobs: finds those whose beginning was interrupted, asks for their state, and stores their answers in the cache.
struct BatchCollection: Sendable {
    /// What a finished job has brought.
    struct Result: Sendable {
        var answered = 0
        /// Tokens that were counted for them, as far as the provider says.
        var tokens = 0
        /// Texts of lines that the provider refuses, with its words.
        var refused: [EmbeddingKey: String] = [:]
        /// How many lines those are.
        var refusedLines = 0
        /// What is said of lines that were not answered and may be asked again.
        var left: String?
        /// Lines that were answered with something that is no vector: they are billed.
        var hasUnusableAnswers = false
        /// How the job has ended.
        var ending = BatchRunner.Ending()
    }

    let box: ProviderBlackBox
    let api: BatchAPI
    let cache: EmbeddingCache

    var runner: BatchRunner { BatchRunner(api: api, cache: cache) }

    /// - Throws: ``ProviderError/badEndpoint(_:reason:)`` where the provider has no batch API.
    init(_ box: ProviderBlackBox, cache: EmbeddingCache) throws {
        guard let form = box.profile.batch, form.shape == .files else {
            throw ProviderError.badEndpoint(box.profile.name, reason: "no batch API of this provider is known")
        }
        self.box = box
        self.cache = cache
        api = BatchAPI(
            exchange: box.exchange, form: form, requestPath: form.requestPath, base: box.identity.endpoint ?? "",
            retry: box.options.retry,
            time: box.time, logger: box.options.logger)
    }

    /// Asks how a job is. When it has ended, its answers are in the cache on return and its state says so.
    func advance(_ given: BatchJob) async throws -> (job: BatchJob, result: Result?) {
        var result = Result()
        let (job, ending) = try await runner.advance(given) { remote, job in
            result = try await collect(remote, of: job)
            return result.answered
        }
        guard let ending else { return (job, nil) }
        result.ending = ending
        result.ending.complaint = ending.complaint ?? result.left
        return (job, result)
    }

    /// Stores the answers in the cache, line by line, however the batch has ended.
    private func collect(_ remote: BatchRemote, of job: BatchJob) async throws -> Result {
        let lines = try await cache.lines(of: job)
        let source = EmbeddingKey.Source(description: job.source)
        var result = Result()
        try await runner.forEachLine(remote) { output in
            guard lines.indices.contains(output.number) else {
                throw ProviderError.badAnswer(
                    endpoint: api.base, reason: "a line of the batch's answers has no custom_id of this job")
            }
            try await take(output, keys: lines[output.number], source: source, &result)
        }
        return result
    }

    private func take(
        _ output: BatchOutputLine, keys: [EmbeddingKey], source: EmbeddingKey.Source, _ result: inout Result
    ) async throws {
        guard let body = output.body, output.status == 200 else {
            let words = box.exchange.redacted(output.complaint)
            if output.isOpen {
                result.left = words
            } else {
                for key in keys { result.refused[key] = words }
                result.refusedLines += 1
            }
            return
        }
        let known = try await cache.dimension(of: source).map { (expected: $0, why: "are in the cache") }
        let decoded: EmbeddingAnswer
        do {
            decoded = try body.withUnsafeBytes {
                try EmbeddingAnswer.decode(
                    $0.assumingMemoryBound(to: UInt8.self), shape: box.profile.answer.shape, count: keys.count,
                    dimension: known)
            }
        } catch let fault as EmbeddingAnswer.Fault {
            result.hasUnusableAnswers = true
            for key in keys { result.refused[key] = fault.reason }
            return
        }
        guard case .vectors(let vectors) = decoded else {
            result.hasUnusableAnswers = true
            for key in keys { result.refused[key] = "no vectors in its answer" }
            return
        }
        if !vectors.faults.isEmpty { result.hasUnusableAnswers = true }
        for fault in vectors.faults { result.refused[keys[fault.item]] = fault.reason }
        guard !vectors.items.isEmpty else { return }
        var rows = vectors.rows
        if EmbeddingKey.Source.fields(of: source.description)["normalisation"] == VectorNormalisation.unit.rawValue {
            rows = rows.normalizedRows().matrix
        }
        try await cache.store(
            AnsweredRows(indices: vectors.items, vectors: rows), keys: vectors.items.map { keys[$0] }, source: source)
        result.answered += vectors.items.count
        result.tokens += vectors.tokens ?? 0
    }
}
