import Foundation
import Logging
import NIOCore
import NIOHTTP1

/// OpenAI's batch API and those of the same form: a file of requests goes up, a file of answers comes down within a day.
struct BatchAPI: Sendable {
    /// A batch as the provider describes it.
    struct Remote: Sendable, Equatable {
        /// What becomes of it.
        enum State: String, Sendable {
            case validating, failed
            case inProgress = "in_progress"
            case finalizing, completed, expired, cancelling, cancelled

            /// Whether nothing more will come.
            var isFinal: Bool { [.failed, .completed, .expired, .cancelled].contains(self) }
        }

        var id: String
        var state: State
        var outputFile: String?
        var errorFile: String?
        var tag: String?
        /// Requests answered, failed, in all.
        var completed: Int
        var failed: Int
        var total: Int
        /// What the provider says is wrong.
        var complaint: String?
        /// Whether it is that no more tokens may be enqueued: it helps to wait until another batch has ended.
        var isQueueFull = false
    }

    /// The name under which a job's tag lies in a batch's metadata.
    private static let tagName = "mafin_job"

    let exchange: Exchange
    let form: BatchForm
    /// What stands as `url` in each line and as `endpoint` of a batch.
    let requestPath: String
    let base: String
    let retry: RetryPolicy
    let time: any TimeSource
    let logger: Logger?

    /// Uploads a file of requests and returns its id. An upload that is lost on the way is repeated; nothing is asked by it.
    func upload(_ lines: ByteBuffer, name: String) async throws -> String {
        let boundary = "mafin-\(name)"
        var body = ByteBuffer()
        body.writeString("--\(boundary)\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n")
        body.writeString(
            "--\(boundary)\r\nContent-Disposition: form-data; name=\"file\"; filename=\"\(name).jsonl\"\r\nContent-Type: application/jsonl\r\n\r\n"
        )
        body.writeImmutableBuffer(lines)
        body.writeString("\r\n--\(boundary)--\r\n")
        let answer = try await send(
            .POST, base + form.filesPath, contentType: "multipart/form-data; boundary=\(boundary)", body: body)
        guard let id = Self.object(answer)?["id"] as? String else {
            throw ProviderError.badAnswer(endpoint: base + form.filesPath, reason: "no id of the uploaded file")
        }
        return id
    }

    /// Begins a batch over an uploaded file. It is sent once: whether a lost answer has begun one is found out by ``find(tag:)``.
    func begin(file: String, tag: String) async throws -> Remote {
        let body: [String: Any] = [
            "input_file_id": file, "endpoint": requestPath, "completion_window": form.window,
            "metadata": [Self.tagName: tag],
        ]
        let json = try JSONSerialization.data(withJSONObject: body, options: [.sortedKeys, .withoutEscapingSlashes])
        let answer = try await send(
            .POST, base + form.batchesPath, contentType: "application/json", body: ByteBuffer(bytes: json), attempts: 1)
        return try remote(answer)
    }

    /// A batch as it is now.
    func status(of id: String) async throws -> Remote {
        try remote(try await send(.GET, "\(base)\(form.batchesPath)/\(id)"))
    }

    /// The batch that was begun with a tag, among the latest hundred; nil where there is none.
    func find(tag: String) async throws -> Remote? {
        let answer = try await send(.GET, "\(base)\(form.batchesPath)?limit=100")
        let batches = Self.object(answer)?["data"] as? [[String: Any]] ?? []
        return batches.lazy.compactMap(Self.remote).first { $0.tag == tag }
    }

    /// Ends a batch; what was answered until then can be collected.
    func cancel(_ id: String) async throws -> Remote {
        try remote(try await send(.POST, "\(base)\(form.batchesPath)/\(id)/cancel", contentType: "application/json"))
    }

    /// The content of a file.
    func content(of file: String) async throws -> ByteBuffer {
        try await send(.GET, "\(base)\(form.filesPath)/\(file)/content").body
    }

    // MARK: - Requests

    /// One request, repeated where that can help.
    private func send(
        _ method: HTTPMethod, _ url: String, contentType: String? = nil, body: ByteBuffer? = nil, attempts: Int? = nil
    ) async throws -> HTTPAnswer {
        let allowed = attempts ?? retry.maximumAttempts
        for attempt in 1... {
            var reason: String
            var delay: Duration?
            do {
                let answer = try await exchange.send(method, url, contentType: contentType, body: body)
                if (200..<300).contains(answer.status) { return answer }
                var complaint = ServerComplaint(status: answer.status, body: answer.body.readableBytesView)
                complaint.retryDelay = answer.retryDelay ?? complaint.retryDelay
                guard complaint.verdict() == .retry else {
                    throw ProviderError.refused(
                        endpoint: url, status: answer.status, message: exchange.redacted(complaint.message))
                }
                reason = exchange.redacted("\(answer.status) \(complaint.message)")
                delay = complaint.retryDelay
            } catch let failure as ConnectionFailure {
                reason = exchange.redacted(failure.description)
            }
            guard attempt < allowed, delay.map({ $0 <= retry.longestServerDelay }) ?? true else {
                throw ProviderError.unavailable(endpoint: url, attempts: attempt, reason: reason)
            }
            let wait = max(delay ?? .zero, retry.delay(afterFailures: attempt))
            logger?.warning(
                "asking again", metadata: ["url": "\(url)", "reason": "\(reason)", "after": "\(wait.logText)"])
            try await time.sleep(until: time.now + wait)
        }
        throw ProviderError.unavailable(endpoint: url, attempts: allowed, reason: "no attempt was made")
    }

    private static func object(_ answer: HTTPAnswer) -> [String: Any]? {
        (try? JSONSerialization.jsonObject(with: Data(answer.body.readableBytesView))) as? [String: Any]
    }

    private func remote(_ answer: HTTPAnswer) throws -> Remote {
        guard let remote = Self.object(answer).flatMap(Self.remote) else {
            throw ProviderError.badAnswer(endpoint: base + form.batchesPath, reason: "no batch with id and status")
        }
        return remote
    }

    private static func remote(_ object: [String: Any]) -> Remote? {
        guard let id = object["id"] as? String,
            let state = (object["status"] as? String).flatMap(Remote.State.init(rawValue:))
        else { return nil }
        let counts = object["request_counts"] as? [String: Any] ?? [:]
        let errors = (object["errors"] as? [String: Any])?["data"] as? [[String: Any]] ?? []
        return Remote(
            id: id, state: state, outputFile: object["output_file_id"] as? String,
            errorFile: object["error_file_id"] as? String,
            tag: (object["metadata"] as? [String: Any])?[tagName] as? String,
            completed: counts["completed"] as? Int ?? 0, failed: counts["failed"] as? Int ?? 0,
            total: counts["total"] as? Int ?? 0,
            complaint: errors.compactMap { $0["message"] as? String }.first,
            isQueueFull: errors.contains {
                saysQueueFull(($0["message"] as? String ?? "") + " " + ($0["code"] as? String ?? ""))
            })
    }

    /// OpenAI: "Enqueued token limit reached for MODEL in organization ORG. Limit: 3,000,000 enqueued tokens.", `token_limit_exceeded`.
    static func saysQueueFull(_ words: String) -> Bool {
        let words = words.lowercased()
        return words.contains("enqueued") || words.contains("token_limit_exceeded")
    }
}
