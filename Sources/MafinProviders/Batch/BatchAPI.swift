import Foundation
import Logging
import NIOCore
import NIOHTTP1

/// A provider's batch API: requests are sent together and answered within a day.
struct BatchAPI: Sendable {
    /// The key of a job's tag in a batch's metadata.
    private static let tagName = "mafin_job"

    let exchange: Exchange
    let form: BatchForm
    /// The `url` of each line and the `endpoint` of a batch.
    let requestPath: String
    let base: String
    let retry: RetryPolicy
    let time: any TimeSource
    let logger: Logger?

    /// Adds a request to those of a job.
    func write(line number: Int, of tag: String, body: ByteBuffer, to file: inout ByteBuffer) {
        switch form.shape {
        case .files:
            file.writeString("{\"custom_id\":\"line-\(number)\",\"method\":\"POST\",")
            file.writeString("\"url\":\"\(requestPath)\",\"body\":")
        case .messages:
            // Batches of this form carry no tag. The job is recognised by the names of its lines.
            file.writeString("{\"custom_id\":\"\(tag)-\(number)\",\"params\":")
        }
        file.writeImmutableBuffer(body)
        file.writeString("}\n")
    }

    /// Uploads a job's requests if the API takes them as a file, and returns the file's id. nil: they are sent with ``begin(_:file:tag:)``.
    /// If the upload fails, it is repeated: uploading costs nothing.
    func upload(_ lines: ByteBuffer, name: String) async throws -> String? {
        guard form.shape == .files else { return nil }
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

    /// Begins a batch. The request is sent once. If its answer is lost, ``find(_:known:)`` finds out whether a batch was begun.
    /// - Parameter file: the id of the uploaded file; nil: the lines are sent with this request.
    func begin(_ lines: ByteBuffer, file: String?, tag: String) async throws -> BatchRemote {
        let begun = try file.map { file in
            let body: [String: Any] = [
                "input_file_id": file, "endpoint": requestPath, "completion_window": form.window,
                "metadata": [Self.tagName: tag],
            ]
            return try JSONSerialization.data(withJSONObject: body, options: [.sortedKeys, .withoutEscapingSlashes])
        }
        let json = begun.map { ByteBuffer(bytes: $0) } ?? Self.list(lines)
        return try remote(
            try await send(.POST, base + form.batchesPath, contentType: "application/json", body: json, attempts: 1))
    }

    /// `{"requests":[…]}`, from one request per line.
    private static func list(_ lines: ByteBuffer) -> ByteBuffer {
        var json = ByteBuffer()
        json.reserveCapacity(lines.readableBytes + 20)
        json.writeString("{\"requests\":[")
        let all = lines.readableBytesView
        json.writeBytes(all.dropLast().lazy.map { $0 == UInt8(ascii: "\n") ? UInt8(ascii: ",") : $0 })
        json.writeString("]}")
        return json
    }

    /// A batch as it is now.
    func status(of id: String) async throws -> BatchRemote {
        try remote(try await send(.GET, "\(base)\(form.batchesPath)/\(id)"))
    }

    /// The result of the search for a batch after the answer to its start was lost.
    enum Search: Sendable {
        case found(BatchRemote)
        case none
        /// It may be a batch that is still running. That can be checked only when that batch has ended.
        case open
    }

    /// Searches for the batch of a job, page by page, from the latest batch back to the time when the job was made.
    /// - Parameter known: ids of the batches of other jobs.
    func find(_ job: BatchJob, known: Set<String>) async throws -> Search {
        // Clocks differ by minutes at most.
        let earliest = job.made.addingTimeInterval(-600)
        var isOpen = false
        var page = "?limit=100"
        for _ in 0..<Self.maximumPages {
            let answer = Self.object(try await send(.GET, base + form.batchesPath + page)) ?? [:]
            let batches = (answer["data"] as? [[String: Any]] ?? []).compactMap(read)
            switch try await find(job, among: batches.filter { $0.created ?? .now >= earliest }, known: known) {
            case .found(let batch): return .found(batch)
            case .open: isOpen = true
            case .none: break
            }
            guard answer["has_more"] as? Bool ?? false, let last = batches.last, last.created ?? .now >= earliest else {
                break
            }
            page = "?limit=100&" + (form.shape == .files ? "after" : "after_id") + "=" + last.id
        }
        return isOpen ? .open : .none
    }

    /// Maximum number of pages, of 100 batches each, that are searched.
    private static let maximumPages = 100

    private func find(_ job: BatchJob, among batches: [BatchRemote], known: Set<String>) async throws -> Search {
        guard form.shape == .messages else {
            return batches.first { $0.tag == job.tag }.map { .found($0) } ?? .none
        }
        var isOpen = false
        for batch in batches where batch.total == job.texts && !known.contains(batch.id) {
            guard batch.state.isFinal else {
                isOpen = true
                continue
            }
            for results in batch.results {
                var content = try await content(of: results)
                guard let line = BatchOutputLine.next(in: &content) else { continue }
                if BatchOutputLine(line)?.tag == job.tag { return .found(batch) }
            }
        }
        return isOpen ? .open : .none
    }

    /// Cancels a batch. The answers so far can be collected.
    func cancel(_ id: String) async throws -> BatchRemote {
        try remote(try await send(.POST, "\(base)\(form.batchesPath)/\(id)/cancel", contentType: "application/json"))
    }

    /// The lines of answers at an address that a batch names.
    func content(of results: String) async throws -> ByteBuffer {
        try await send(.GET, results).body
    }

    // MARK: - Requests

    /// Sends one request, and repeats it if that can help.
    private func send(
        _ method: HTTPMethod, _ url: String, contentType: String? = nil, body: ByteBuffer? = nil, attempts: Int? = nil
    ) async throws -> HTTPAnswer {
        for attempt in 1... {
            var reason: String
            var delay: Duration?
            do {
                let answer = try await exchange.send(method, url, contentType: contentType, body: body)
                if (200..<300).contains(answer.status) { return answer }
                let complaint = exchange.complaint(in: answer)
                guard complaint.verdict() == .retry else {
                    throw ProviderError.refused(endpoint: url, status: answer.status, message: complaint.message)
                }
                reason = "\(answer.status) \(complaint.message)"
                delay = complaint.retryDelay
            } catch let failure as ConnectionFailure {
                reason = exchange.redacted(failure.description)
            }
            guard let wait = retry.delay(afterAttempt: attempt, of: attempts, asked: delay) else {
                throw ProviderError.unavailable(endpoint: url, attempts: attempt, reason: reason)
            }
            logger?.warning(
                "asking again", metadata: ["url": "\(url)", "reason": "\(reason)", "after": "\(wait.logText)"])
            try await time.sleep(until: time.now + wait)
        }
        throw CancellationError()
    }

    private static func object(_ answer: HTTPAnswer) -> [String: Any]? {
        (try? JSONSerialization.jsonObject(with: Data(answer.body.readableBytesView))) as? [String: Any]
    }

    private func remote(_ answer: HTTPAnswer) throws -> BatchRemote {
        guard let remote = Self.object(answer).flatMap(read) else {
            throw ProviderError.badAnswer(endpoint: base + form.batchesPath, reason: "no batch with id and status")
        }
        return remote
    }

    private func read(_ object: [String: Any]) -> BatchRemote? {
        switch form.shape {
        case .files: BatchRemote(ofFiles: object, files: base + form.filesPath, tagName: Self.tagName)
        case .messages: BatchRemote(ofMessages: object, batches: base + form.batchesPath)
        }
    }
}
