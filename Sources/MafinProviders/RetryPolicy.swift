import Foundation

/// How often and after which pauses a request is repeated.
public struct RetryPolicy: Sendable, Hashable {
    /// Attempts in all, the first included.
    public var maximumAttempts: Int
    /// Pause before the second attempt; doubled before each further one.
    public var firstDelay: Duration
    /// The pause is never longer than this unless the server asks for more.
    public var longestDelay: Duration
    /// A server that asks for a longer pause than this is not waited for.
    public var longestServerDelay: Duration

    /// Eight attempts within about a minute.
    public init(
        maximumAttempts: Int = 8, firstDelay: Duration = .milliseconds(500), longestDelay: Duration = .seconds(60),
        longestServerDelay: Duration = .seconds(600)
    ) {
        precondition(maximumAttempts >= 1, "at least one attempt")
        self.maximumAttempts = maximumAttempts
        self.firstDelay = firstDelay
        self.longestDelay = longestDelay
        self.longestServerDelay = longestServerDelay
    }

    /// Pause after so many failures (≥ 1): `firstDelay · 2^(failures-1)`, of which a random half to whole is taken so that clients that
    /// failed together do not come back together.
    func delay(afterFailures failures: Int, jitter: Double = .random(in: 0.5...1)) -> Duration {
        let doublings = min(failures - 1, 30)
        return min(firstDelay * (1 << doublings), longestDelay) * jitter
    }

    /// The pause that a server asks for: `retry-after-ms`, else `retry-after` in seconds or as an HTTP date; nil where it asks for none.
    static func serverDelay(milliseconds: String?, after: String?, now: Date = Date()) -> Duration? {
        if let text = milliseconds, let value = Double(text.trimmingCharacters(in: .whitespaces)), value >= 0,
            value < 1e12
        {
            return .milliseconds(Int64(value.rounded(.up)))
        }
        guard let text = after?.trimmingCharacters(in: .whitespaces), !text.isEmpty else { return nil }
        if let seconds = Double(text) {
            return seconds >= 0 && seconds < 1e9 ? .milliseconds(Int64((seconds * 1000).rounded(.up))) : nil
        }
        guard let date = httpDate(text) else { return nil }
        return .milliseconds(Int64(max(0, date.timeIntervalSince(now) * 1000).rounded(.up)))
    }

    /// A date as HTTP writes it: `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 §5.6.7; the two obsolete forms are not sent any more).
    private static func httpDate(_ text: String) -> Date? {
        let formatter = DateFormatter()
        formatter.locale = Locale(identifier: "en_US_POSIX")
        formatter.timeZone = TimeZone(secondsFromGMT: 0)
        formatter.dateFormat = "EEE, dd MMM yyyy HH:mm:ss zzz"
        return formatter.date(from: text)
    }
}
