import Foundation

/// A batch as the provider describes it.
struct BatchRemote: Sendable, Equatable {
    /// The provider's state of a batch.
    enum State: String, Sendable {
        case validating, failed
        case inProgress = "in_progress"
        case finalizing, completed, expired, cancelling, cancelled

        /// Whether the batch has ended.
        var isFinal: Bool { [.failed, .completed, .expired, .cancelled].contains(self) }
    }

    var id: String
    var state: State
    /// The addresses of its answers, those to refused requests included.
    var results: [String] = []
    /// The job's tag, if this form of batch can carry one.
    var tag: String?
    /// When it was begun, if the provider says so.
    var created: Date?
    /// The number of requests: answered, failed, and in all.
    var completed: Int
    var failed: Int
    var total: Int
    /// The provider's error message.
    var complaint: String?
    /// Whether the account's queue is full. Then it helps to wait until another batch has ended.
    var isQueueFull = false

    /// Reads a batch in OpenAI's form.
    /// - Parameter files: address before the ids of files.
    init?(ofFiles object: [String: Any], files: String, tagName: String) {
        guard let id = object["id"] as? String, let state = (object["status"] as? String).flatMap(State.init(rawValue:))
        else { return nil }
        let counts = object["request_counts"] as? [String: Any] ?? [:]
        let errors = (object["errors"] as? [String: Any])?["data"] as? [[String: Any]] ?? []
        self.id = id
        self.state = state
        results = [object["output_file_id"], object["error_file_id"]].compactMap { $0 as? String }
            .map { "\(files)/\($0)/content" }
        tag = (object["metadata"] as? [String: Any])?[tagName] as? String
        created = (object["created_at"] as? Double).map { Date(timeIntervalSince1970: $0) }
        completed = counts["completed"] as? Int ?? 0
        failed = counts["failed"] as? Int ?? 0
        total = counts["total"] as? Int ?? 0
        complaint = errors.compactMap { $0["message"] as? String }.first
        isQueueFull = errors.contains {
            Self.saysQueueFull(($0["message"] as? String ?? "") + " " + ($0["code"] as? String ?? ""))
        }
    }

    /// Reads a batch in Anthropic's form: `{"id","processing_status":"in_progress|canceling|ended","request_counts":{…},"results_url"}`.
    /// - Parameter batches: address before the ids of batches. Answers are always fetched from this server. An address at another
    ///   server is ignored, so that the key is sent nowhere else.
    init?(ofMessages object: [String: Any], batches: String) {
        guard let id = object["id"] as? String, let status = object["processing_status"] as? String else { return nil }
        switch status {
        case "in_progress": state = .inProgress
        case "canceling": state = .cancelling
        case "ended": state = .completed
        default: return nil
        }
        self.id = id
        let counts = object["request_counts"] as? [String: Any] ?? [:]
        func count(_ name: String) -> Int { counts[name] as? Int ?? 0 }
        completed = count("succeeded")
        failed = count("errored") + count("canceled") + count("expired")
        total = completed + failed + count("processing")
        created = (object["created_at"] as? String).flatMap(Self.date)
        if state.isFinal { results = [Self.results(object["results_url"] as? String, batch: "\(batches)/\(id)")] }
    }

    private static func results(_ named: String?, batch: String) -> String {
        let expected = URL(string: batch)
        guard let named, let url = URL(string: named), let host = url.host, url.scheme == expected?.scheme,
            host == expected?.host,
            url.port == expected?.port
        else { return "\(batch)/results" }
        return named
    }

    /// RFC 3339, with or without fractions of a second.
    private static func date(_ text: String) -> Date? {
        (try? Date(text, strategy: .iso8601))
            ?? (try? Date(text, strategy: Date.ISO8601FormatStyle(includingFractionalSeconds: true)))
    }

    /// OpenAI: "Enqueued token limit reached for MODEL in organization ORG. Limit: 3,000,000 enqueued tokens.", `token_limit_exceeded`.
    static func saysQueueFull(_ words: String) -> Bool {
        let words = words.lowercased()
        return words.contains("enqueued") || words.contains("token_limit_exceeded")
    }
}
