import Foundation
import MafinNumerics

/// How often a request is repeated, and after which pauses.
public struct RetryPolicy: Sendable, Hashable {
    /// Attempts for one batch, the first included. Attempts after which the server named a time for the next do not count.
    public var maximumAttempts: Int
    /// Pause before the second attempt. It doubles before each further one.
    public var firstDelay: Duration
    /// The pause is never longer than this unless the server asks for more.
    public var longestDelay: Duration
    /// If the server asks for a longer pause than this, the call fails.
    public var longestServerDelay: Duration
    /// How long a server may keep asking for pauses without answering anything.
    public var patience: Duration
    /// How long a cancelled call still waits for requests in flight, because they are paid. Zero, the default, ends it at once.
    public var finishing: Duration

    /// Eight attempts within about a minute.
    public init(
        maximumAttempts: Int = 8, firstDelay: Duration = .milliseconds(500), longestDelay: Duration = .seconds(60),
        longestServerDelay: Duration = .seconds(600), patience: Duration = .seconds(1800),
        finishing: Duration = .zero
    ) {
        precondition(maximumAttempts >= 1, "at least one attempt")
        self.maximumAttempts = maximumAttempts
        self.firstDelay = firstDelay
        self.longestDelay = longestDelay
        self.longestServerDelay = longestServerDelay
        self.patience = patience
        self.finishing = finishing
    }

    /// Pause after a number of failures (≥ 1): `firstDelay · 2^(failures-1)`, times a random number between
    /// ½ and 1, so that clients that failed together do not retry together.
    func delay(afterFailures failures: Int, jitter: Double = .random(in: 0.5...1)) -> Duration {
        let doublings = min(max(failures - 1, 0), 30)
        return min(firstDelay * (1 << doublings), longestDelay) * jitter
    }

    /// The pause that a server has asked for plus a small random amount, so that clients that were refused together do not retry together.
    static func delay(asked: Duration) -> Duration { asked + min(asked * 0.1, .seconds(1)) * .random(in: 0...1) }

    /// The pause after an attempt, at least what the server asks for; nil: there is no further attempt.
    func delay(afterAttempt attempt: Int, of attempts: Int? = nil, asked: Duration? = nil) -> Duration? {
        let asked = asked ?? .zero
        guard attempt < attempts ?? maximumAttempts, asked <= longestServerDelay else { return nil }
        return max(asked, delay(afterFailures: attempt))
    }

    /// The pause that a server asks for: `retry-after-ms`, else `retry-after` in seconds or as an HTTP date; nil if it asks for none.
    static func serverDelay(milliseconds: String?, after: String?, now: Date = Date()) -> Duration? {
        func number(_ text: String?) -> Double? { text.flatMap { Double($0.trimmingCharacters(in: .whitespaces)) } }
        if let value = number(milliseconds), (0..<1e12).contains(value) {
            return .milliseconds(Int64(value.rounded(.up)))
        }
        guard let text = after?.trimmingCharacters(in: .whitespaces), !text.isEmpty else { return nil }
        if let seconds = number(text) {
            return (0..<1e9).contains(seconds) ? .milliseconds(Int64((seconds * 1000).rounded(.up))) : nil
        }
        if let duration = duration(text) { return duration }
        guard let date = httpDate(text) else { return nil }
        return .milliseconds(Int64(max(0, date.timeIntervalSince(now) * 1000).rounded(.up)))
    }

    /// Reads a duration in the format of Go and protocol buffers: `1s`, `6m0s`, `20ms`, `1h2m3.5s`; a number without unit is in seconds.
    static func duration(_ text: some StringProtocol) -> Duration? {
        let units = ["h": 3600, "m": 60, "s": 1, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9]
        if let seconds = Double(text) { return seconds >= 0 && seconds < 1e9 ? .seconds(seconds) : nil }
        var rest = text[...]
        var total = 0.0
        while !rest.isEmpty {
            let digits = rest.prefix { $0.isNumber || $0 == "." }
            rest = rest.dropFirst(digits.count)
            let unit = rest.prefix { !$0.isNumber && $0 != "." }
            rest = rest.dropFirst(unit.count)
            guard let amount = Double(digits), let factor = units[String(unit)] else { return nil }
            total += amount * factor
        }
        return text.isEmpty || total >= 1e9 ? nil : .seconds(total)
    }

    /// Reads a date in the format of HTTP: `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 §5.6.7; the two obsolete forms are not sent any more).
    private static func httpDate(_ text: String) -> Date? {
        // Not by a DateFormatter, which needs ICU's data of locales: the static program has none (`Scripts/static/icu_data.py`).
        let fields = text.split(separator: " ", omittingEmptySubsequences: false)
        guard fields.count == 6, fields[5] == "GMT", fields[0].count == 4, fields[0].hasSuffix(","),
            let day = Int32(fields[1]), (1...31).contains(day), let month = months.firstIndex(of: fields[2]),
            let year = Int32(fields[3]), (1970...9999).contains(year)
        else { return nil }
        let time = fields[4].split(separator: ":", omittingEmptySubsequences: false).map { Int32($0) ?? -1 }
        guard time.count == 3, (0..<24).contains(time[0]), (0..<60).contains(time[1]), (0...60).contains(time[2]) else {
            return nil
        }
        var parts = tm()
        (parts.tm_year, parts.tm_mon, parts.tm_mday) = (year - 1900, Int32(month), day)
        (parts.tm_hour, parts.tm_min, parts.tm_sec) = (time[0], time[1], time[2])
        return Date(timeIntervalSince1970: TimeInterval(timegm(&parts)))
    }

    private static let months: [Substring] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]
}

extension Duration {
    /// In seconds with one decimal, for log messages.
    var logText: String { String(format: "%.1f s", inSeconds) }
}
