import Foundation

/// The error message of a server, read from any of the common forms.
struct ServerComplaint: Sendable, Equatable {
    /// What to do about it.
    enum Verdict: Sendable, Equatable {
        /// Send it again later.
        case retry
        /// Send smaller requests.
        case tooLarge(BatchLimits.Cause)
        /// Request another encoding of the vectors.
        case noEncoding
        /// The request is refused, perhaps because of one of its texts.
        case refused
        /// Give up.
        case final
    }

    /// The HTTP status, or the status that the body of a 200 names.
    var status: Int
    /// The vendor's message.
    var message: String
    /// The vendor's code and type of error, as far as given.
    var labels: [String] = []
    /// The pause that the body or the header asks for.
    var retryDelay: Duration?

    /// Reads `{"error":{"message","type","code"}}` (also as the only element of an array), `{"error":".."}`,
    /// `{"object":"error","message"}`, `{"detail":".."}`, `{"detail":[{"msg"}]}`, `{"message"}`, HTML of a proxy, plain text, or nothing.
    init(status: Int, body: some Collection<UInt8>) {
        self.status = status
        let parsed = try? JSONSerialization.jsonObject(with: Data(body), options: [.fragmentsAllowed])
        guard let object = parsed as? [String: Any] ?? (parsed as? [[String: Any]])?.first else {
            message = Self.readableText(String(decoding: body.prefix(4096), as: UTF8.self))
            retryDelay = Self.delay(inWords: message)
            return
        }
        let inner = object["error"] as? [String: Any] ?? object["detail"] as? [String: Any] ?? object
        let details = (object["detail"] as? [[String: Any]])?.compactMap { $0["msg"] as? String }.joined(
            separator: "; ")
        let found =
            inner["message"] as? String ?? object["error"] as? String ?? object["detail"] as? String ?? details
            ?? (inner["msg"] as? String)
        message = Self.shortened(found ?? String(decoding: body.prefix(400), as: UTF8.self))
        labels = [inner["code"], inner["type"], inner["status"], object["code"], object["error_type"]].compactMap {
            switch $0 {
            case let text as String: text
            case let number as NSNumber: number.stringValue
            default: nil
            }
        }
        retryDelay = Self.delay(inDetails: inner["details"]) ?? Self.delay(inWords: message)
    }

    /// Whether the request may be billed although it was not answered. These statuses come from gateways whose server was too slow.
    var mayBeBilled: Bool { [502, 504, 520, 524].contains(status) }

    /// An error with status 200. Its status is derived from its code, type and message.
    static func inSuccess(body: some Collection<UInt8>) -> ServerComplaint {
        var complaint = ServerComplaint(status: 400, body: body)
        if let code = complaint.labels.compactMap({ Int($0) }).first(where: { (400..<600).contains($0) }) {
            complaint.status = code
        } else if complaint.mentions(["rate_limit", "rate limit", "too many requests", "resource_exhausted"]) {
            complaint.status = 429
        } else if complaint.mentions(["overloaded", "server_error", "unavailable", "timeout", "timed out"]) {
            complaint.status = 503
        }
        return complaint
    }

    /// What to do about it, by the status and by the known messages of vendors.
    /// - Parameter words: further messages from a profile, which take precedence.
    func verdict(_ words: ErrorWords = ErrorWords()) -> Verdict {
        if mentions(words.final) { return .final }
        if mentions(words.retry) { return .retry }
        if status == 413 { return .tooLarge(sizeCause(words) ?? .bytes) }
        if [400, 422, 500].contains(status), let cause = sizeCause(words) { return .tooLarge(cause) }
        if [400, 422].contains(status), mentions(words.noEncoding + Self.noEncodingWords) { return .noEncoding }
        if status == 429 {
            if isOutOfQuota { return .final }
            // A single request exceeds the limit per minute, so waiting would not help.
            if mentions(["request too large"]) { return .tooLarge(.tokens) }
            return .retry
        }
        switch status {
        case 408, 409, 424, 425, 499: return .retry
        case 400, 422, 498: return isAboutTheAccount ? .final : .refused
        case 501, 505: return .final
        default: return status >= 500 ? .retry : .final
        }
    }

    /// Whether a 400 is about the model, the key or the quota, and not about the texts.
    private var isAboutTheAccount: Bool {
        if mentions(Self.quotaWords + ["api key", "api_key", "model_not_found", "unauthorized", "authentication"]) {
            return true
        }
        return mentions(["model"])
            && mentions(["not found", "does not exist", "no such model", "unknown model", "invalid model"])
    }

    /// Whether waiting does not help after a 429. Vendors also mention quotas and billing when they mean the rate per minute, so a message that
    /// names a pause or a rate is not final.
    private var isOutOfQuota: Bool {
        if labels.contains(where: { $0.lowercased().contains("insufficient_quota") }) { return true }
        return mentions(Self.quotaWords) && retryDelay == nil && !mentions(Self.rateWords)
    }

    private static let quotaWords = [
        "insufficient_quota", "exceeded your current quota", "credit balance", "billing_not_active",
        "billing_hard_limit", "billing hard limit",
    ]
    private static let rateWords = ["rpm", "tpm", "per min", "rate limit", "rate_limit", "try again in", "retry in"]
    private static let noEncodingWords = ["encoding_format", "base64", "embedding_type", "encoding format"]

    private func sizeCause(_ words: ErrorWords) -> BatchLimits.Cause? {
        // One text must fit into what llama.cpp calls its physical batch.
        let causes: [(BatchLimits.Cause, [String])] = [
            (.text, Self.physicalBatchWords), (.tokens, words.tooManyTokens + Self.tokenWords),
            (.items, words.tooManyItems + Self.itemWords), (.text, words.tooLong + Self.lengthWords),
        ]
        return causes.first { mentions($0.1) }?.0
    }

    private static let tokenWords = [
        "max_tokens_per_request", "tokens per request", "too many tokens", "tokens per submitted batch",
        "tokens in batch", "tokens per batch",
    ]
    private static let physicalBatchWords = ["physical batch size", "too large to process"]
    private static let itemWords = [
        "too many inputs", "batch size", "array too long", "number of texts", "number of inputs",
        "requests can be in one batch", "too many items", "batch too large", "maximum number of input",
    ]
    private static let lengthWords = [
        "context length", "context size", "too long", "too large", "input length", "should have at most",
        "maximum input", "must have less than",
    ]

    private func mentions(_ words: [String]) -> Bool {
        guard !words.isEmpty else { return false }
        let text = ([message] + labels).joined(separator: " ").lowercased()
        return words.contains { text.contains($0.lowercased()) }
    }

    // MARK: - Numbers in the vendor's words

    /// The limit that the message names, and what was sent: "Requested 453357 tokens, max 300000 tokens per request".
    var namedLimit: (allowed: Int, sent: Int?)? {
        func number(after words: Regex<(Substring, Substring)>) -> Int? {
            message.firstMatch(of: words.ignoresCase()).flatMap { Int($0.1.filter(\.isNumber)) }
        }
        let allowedWords =
            /(?:at most|maximum|max|less than|larger than|more than|limit|up to|current batch size)[^0-9]{0,60}?([0-9][0-9,_]*)/
        let sentWords =
            /(?:requested|received|resulted in|given|got|has|have|input \(|batch size)[^0-9]{0,20}?([0-9][0-9,_]*)/
        guard let allowed = number(after: allowedWords), allowed > 0 else { return nil }
        let sent = number(after: sentWords)
        return (allowed, sent.flatMap { $0 > allowed ? $0 : nil })
    }

    /// Gemini: `details: [{"@type": "…RetryInfo", "retryDelay": "34s"}]`.
    private static func delay(inDetails details: Any?) -> Duration? {
        guard let details = details as? [[String: Any]] else { return nil }
        return details.lazy.compactMap { $0["retryDelay"] as? String }.compactMap(RetryPolicy.duration).first
    }

    /// "Please retry after 9 seconds", "Please try again in 1m30.5s".
    private static func delay(inWords message: String) -> Duration? {
        let words = /(?:retry|try again) (?:after|in) ([0-9hms.]+) ?(seconds?|minutes?|milliseconds?)?/.ignoresCase()
        guard let match = message.firstMatch(of: words) else { return nil }
        let amount = match.1.hasSuffix(".") ? match.1.dropLast() : match.1
        guard let unit = match.2 else { return RetryPolicy.duration(String(amount)) }
        let suffix = unit.lowercased().hasPrefix("milli") ? "ms" : unit.lowercased().hasPrefix("m") ? "m" : "s"
        return RetryPolicy.duration(amount + suffix)
    }

    // MARK: - Readable text

    /// An HTML page without its tags; plain text as it is.
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

    /// The text with each run of white space replaced by one space, at most 300 characters.
    private static func shortened(_ text: String) -> String {
        let words = text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        return words.count > 300 ? words.prefix(300) + "…" : words
    }
}

/// A vendor's error messages, from its profile, besides those that are known for all vendors. Each list holds texts that are searched for in
/// message, code and type, ignoring case.
public struct ErrorWords: Sendable, Hashable {
    /// Sending the request again would not help.
    public var final: [String] = []
    /// Sending the request again later helps, whatever the status.
    public var retry: [String] = []
    /// The request holds too many texts.
    public var tooManyItems: [String] = []
    /// All texts together hold too many tokens.
    public var tooManyTokens: [String] = []
    /// One text alone is too long.
    public var tooLong: [String] = []
    /// The requested encoding is not supported.
    public var noEncoding: [String] = []
}
