import Foundation
import MafinBlackBox
import MafinNumerics
import NIOCore

/// The batch API of an embedding model. It stores the answers of a job in the cache.
struct BatchCollection: Sendable {
    let box: ProviderBlackBox
    let api: BatchAPI
    let cache: EmbeddingCache

    var runner: BatchRunner { BatchRunner(api: api, cache: cache) }

    /// - Throws: ``ProviderError/badEndpoint(_:reason:)`` if the provider has no batch API.
    init(_ box: ProviderBlackBox, cache: EmbeddingCache) throws {
        guard let form = box.profile.batch, form.shape == .files else {
            throw ProviderError.badEndpoint(box.profile.name, reason: "no batch API of this provider is known")
        }
        self.box = box
        self.cache = cache
        api = BatchAPI(
            exchange: box.exchange, form: form, requestPath: form.requestPath, base: box.identity.endpoint ?? "",
            retry: box.retry, time: box.time, logger: box.logger)
    }

    /// Stores the answers in the cache, line by line, even if the batch failed or was cancelled.
    func collect(_ remote: BatchRemote, of job: BatchJob) async throws -> BatchRunner.Result {
        let source = EmbeddingKey.Source(description: job.source)
        var result = BatchRunner.Result()
        try await runner.forEachLine(remote, of: job) { try await take($0, keys: $1, source: source, &result) }
        return result
    }

    private func take(
        _ output: BatchOutputLine, keys: [EmbeddingKey], source: EmbeddingKey.Source, _ result: inout BatchRunner.Result
    ) async throws {
        guard let body = output.body, output.status == 200 else {
            let words = box.exchange.redacted(output.complaint)
            if output.isOpen {
                result.complaint = words
            } else {
                for key in keys { result.refused[key] = words }
                result.refusedLines += 1
            }
            return
        }
        func refuse(_ reason: String) {
            result.hasUnusableAnswers = true
            for key in keys { result.refused[key] = reason }
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
            return refuse(fault.reason)
        }
        guard case .vectors(let vectors) = decoded else { return refuse("no vectors in its answer") }
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
