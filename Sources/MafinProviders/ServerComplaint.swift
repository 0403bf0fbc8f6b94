import Foundation

/// What a server says when it does not answer with vectors, in whichever of the shapes that are about.
struct ServerComplaint: Sendable, Equatable {
    /// What to do about it.
    enum Verdict: Sendable, Equatable {
        /// Ask again later.
        case retry
        /// Ask for less at a time.
        case tooLarge(BatchLimits.Cause)
        /// Ask for numbers instead of base64.
        case noBase64
        /// Give up.
        case final
    }

    /// HTTP status, or what stands for it in the body of a 200.
    var status: Int
    /// The vendor's words.
    var message: String
    /// The vendor's code and type of error, as far as given.
    var labels: [String] = []

    /// Reads `{"error":{"message","type","code"}}`, `{"error":".."}`, `{"object":"error","message"}`, `{"detail":".."}`,
    /// `{"detail":[{"msg"}]}`, `{"message"}`, HTML of a proxy, plain text, or nothing.
    init(status: Int, body: some Collection<UInt8>) {
        self.status = status
        let object =
            (try? JSONSerialization.jsonObject(with: Data(body), options: [.fragmentsAllowed])) as? [String: Any]
        guard let object else {
            message = Self.readableText(String(decoding: body.prefix(4096), as: UTF8.self))
            return
        }
        let inner = object["error"] as? [String: Any] ?? object
        let details = (object["detail"] as? [[String: Any]])?.compactMap { $0["msg"] as? String }.joined(
            separator: "; ")
        let found =
            inner["message"] as? String ?? object["error"] as? String ?? object["detail"] as? String ?? details
            ?? (inner["msg"] as? String)
        message = Self.shortened(found ?? String(decoding: body.prefix(400), as: UTF8.self))
        labels = [inner["code"], inner["type"], object["code"], object["error_type"]].compactMap { value in
            switch value {
            case let text as String: text
            case let number as NSNumber: number.stringValue
            default: nil
            }
        }
    }

    /// Whether a JSON body of a 200 is an error all the same.
    static func isError(memberNames: Set<String>) -> Bool {
        !memberNames.contains("data") && !memberNames.isDisjoint(with: ["error", "detail", "message", "msg"])
    }

    /// An error that came with status 200: its status is read from its code or type.
    static func inSuccess(body: some Collection<UInt8>) -> ServerComplaint {
        var complaint = ServerComplaint(status: 400, body: body)
        if let code = complaint.labels.compactMap({ Int($0) }).first(where: { (400..<600).contains($0) }) {
            complaint.status = code
        } else if complaint.mentions("rate_limit", "rate limit", "too many requests") {
            complaint.status = 429
        } else if complaint.mentions("overloaded", "server_error", "unavailable", "timeout", "timed out") {
            complaint.status = 503
        }
        return complaint
    }

    /// What to do about it, by status and by the words of the vendors that we know.
    var verdict: Verdict {
        if status == 413 { return .tooLarge(sizeCause ?? .bytes) }
        if [400, 422, 500].contains(status), let cause = sizeCause { return .tooLarge(cause) }
        if [400, 422].contains(status), mentions("encoding_format", "base64") { return .noBase64 }
        if status == 429 {
            if mentions("insufficient_quota", "exceeded your current quota", "billing") { return .final }
            // One request alone is above the limit of a minute: waiting would not help.
            if mentions("request too large") { return .tooLarge(.tokens) }
            return .retry
        }
        if [408, 409].contains(status) { return .retry }
        return status >= 500 && ![501, 505].contains(status) ? .retry : .final
    }

    private var sizeCause: BatchLimits.Cause? {
        if mentions(
            "max_tokens_per_request", "tokens per request", "too many tokens", "tokens per submitted batch",
            "tokens in batch")
        {
            return .tokens
        }
        if mentions(
            "too many inputs", "batch size", "array too long", "number of texts", "number of inputs",
            "requests can be in one batch", "too many items")
        {
            return .items
        }
        if mentions("context length", "too long", "too large", "input length", "should have at most", "maximum input") {
            return .text
        }
        return nil
    }

    private func mentions(_ words: String...) -> Bool {
        let text = ([message] + labels).joined(separator: " ").lowercased()
        return words.contains { text.contains($0) }
    }

    /// A page of HTML without its tags, plain text as it is.
    private static func readableText(_ text: String) -> String {
        guard text.contains("<") else {
            return text.allSatisfy(\.isWhitespace) ? "no explanation (empty body)" : shortened(text)
        }
        var kept = text
        for pattern in ["(?is)<(script|style)[^>]*>.*?</\\1>", "(?s)<[^>]*>"] {
            kept = kept.replacingOccurrences(of: pattern, with: " ", options: .regularExpression)
        }
        return "HTML page: " + shortened(kept)
    }

    /// White space run together, at most 300 characters.
    private static func shortened(_ text: String) -> String {
        let words = text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        return words.count > 300 ? words.prefix(300) + "…" : words
    }
}
