import Foundation
import Logging
import MafinBlackBox
import MafinNumerics
import NIOCore

/// Brings jobs forward: finds those whose beginning was interrupted, asks how they are, and brings their answers into the cache.
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
        /// How the job has ended.
        var ending = BatchRunner.Ending()
    }

    let box: ProviderBlackBox
    let api: BatchAPI
    let cache: EmbeddingCache

    var runner: BatchRunner { BatchRunner(api: api, cache: cache) }

    /// - Throws: ``ProviderError/badEndpoint(_:reason:)`` where the provider has no batch API.
    init(_ box: ProviderBlackBox, cache: EmbeddingCache) throws {
        guard let form = box.profile.batch else {
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

    /// Brings what was answered into the cache, line by line, whatever the batch ended as.
    private func collect(_ remote: BatchAPI.Remote, of job: BatchJob) async throws -> Result {
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
            for key in keys { result.refused[key] = fault.reason }
            return
        }
        guard case .vectors(let vectors) = decoded else {
            for key in keys { result.refused[key] = "no vectors in its answer" }
            return
        }
        for fault in vectors.faults { result.refused[keys[fault.item]] = fault.reason }
        guard !vectors.items.isEmpty else { return }
        var rows = vectors.rows
        if EmbeddingKey.Source.fields(of: source.description)["normalisation"] == VectorNormalisation.unit.rawValue {
            rows.bringRowsToUnitLength()
        }
        try await cache.store(
            AnsweredRows(indices: vectors.items, vectors: rows), keys: vectors.items.map { keys[$0] }, source: source)
        result.answered += vectors.items.count
        result.tokens += vectors.tokens ?? 0
    }
}

/// One line of a batch's answers: `{"custom_id":"12","response":{"status_code":200,"body":{…}},"error":null}`.
struct BatchOutputLine {
    /// Which line of the job it answers.
    let number: Int
    let status: Int
    /// The answer as it would have come by itself.
    let body: Data?
    /// The provider's words, where it is a refusal.
    let complaint: String
    /// Whether it says nothing against what was asked: the batch has expired before it, or the server was overloaded. It may be asked again.
    let isOpen: Bool

    /// nil for anything else.
    init?(_ line: [UInt8]) {
        var number: Int?
        var status = 0
        var body: Range<Int>?
        var error: ServerComplaint?
        let isRead = line.withUnsafeBufferPointer { bytes -> Bool in
            var scanner = JSONScanner(bytes)
            do {
                try scanner.members { scanner, name in
                    switch name {
                    case "custom_id": number = BatchOutputLine.number(of: try scanner.string())
                    case "response" where scanner.peek() == UInt8(ascii: "{"):
                        try scanner.members { scanner, name in
                            switch name {
                            case "status_code": status = try scanner.integer()
                            case "body":
                                _ = scanner.peek()
                                let start = scanner.offset
                                try scanner.skipValue()
                                body = start..<scanner.offset
                            default: try scanner.skipValue()
                            }
                        }
                    case "error" where scanner.peek() == UInt8(ascii: "{"):
                        let start = scanner.offset
                        try scanner.skipValue()
                        error = ServerComplaint(status: 0, body: bytes[start..<scanner.offset])
                    default: try scanner.skipValue()
                    }
                }
                return true
            } catch {
                return false
            }
        }
        guard isRead, let number else { return nil }
        self.number = number
        self.status = status
        self.body = body.map { Data(line[$0]) }
        let answer = body.map { ServerComplaint(status: status, body: line[$0]) }
        complaint = error?.message ?? answer?.message ?? "it was not answered"
        if status == 0 {
            isOpen = error.map(Self.isPassing) ?? true
        } else {
            isOpen = status != 200 && (answer ?? ServerComplaint(status: status, body: [])).verdict() == .retry
        }
    }

    /// `{"response":null,"error":{"code":"batch_expired","message":"This request could not be executed before the completion window expired."}}`
    private static func isPassing(_ error: ServerComplaint) -> Bool {
        let words = (error.labels + [error.message]).joined(separator: " ").lowercased()
        return [
            "expired", "cancel", "server_error", "rate_limit", "rate limit", "overloaded", "unavailable", "timeout",
        ]
        .contains(where: words.contains)
    }

    /// What stands as `custom_id` of a line.
    static func customID(_ number: Int) -> String { "line-\(number)" }

    private static func number(of customID: String) -> Int? {
        customID.hasPrefix("line-") ? Int(customID.dropFirst(5)) : nil
    }
}

extension Matrix {
    /// Divides each row by its length where that is not 1.
    mutating func bringRowsToUnitLength() {
        let columns = columns
        values.withUnsafeMutableBufferPointer { values in
            for start in stride(from: 0, to: values.count, by: max(1, columns)) {
                _ = VectorCheck.normalise(UnsafeMutableBufferPointer(rebasing: values[start..<start + columns]))
            }
        }
    }
}
