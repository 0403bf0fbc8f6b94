import Foundation
import MafinNumerics
import MafinReport

/// The progress of a job, and the lines that show it. ``ProgressBar`` adds the clock and the stream.
struct ProgressLine: Equatable, Sendable {
    var title: String
    var completed: Int
    var total: Int
    /// The part of `completed` that was done before the job began (cached, resumed). It does not count for the rate.
    var skipped = 0
    /// The unit that is counted: "texts", "queries", "tokens".
    var unit: String
    /// Time since the job began.
    var elapsed: Duration
    /// More to show, such as the loss.
    var detail: String = ""

    /// The part that is done, in 0…1; 1 for an empty job.
    var fraction: Double {
        total > 0 ? min(1, max(0, Double(completed) / Double(total))) : 1
    }

    /// Units a second on average; nil before anything is done.
    var rate: Double? {
        completed > skipped && elapsed.inSeconds > 0 ? Double(completed - skipped) / elapsed.inSeconds : nil
    }

    /// Time left at that rate.
    var remaining: Duration? {
        guard let rate, completed < total else { return nil }
        return .milliseconds(Int(min(Double(total - completed) / rate, 1e9) * 1000))
    }

    /// The line for a terminal: title, bar, percent, rate, time left, detail. It is never wider than the terminal, because a line that wraps
    /// cannot be rewritten. The bar takes the remaining columns, up to 30.
    func bar(columns: Int, colour: Bool = false) -> String {
        let title = title.safeForTerminal
        let tail = ([percent] + facts).joined(separator: "  ")
        let room = min(30, columns - 1 - title.displayWidth - 2 - tail.displayWidth - 2)
        guard room >= 5 else { return plain.truncated(toWidth: max(0, columns - 1)) }
        let filled = Int((fraction * Double(room)).rounded(.down))
        let full = String(repeating: "█", count: filled)
        let empty = String(repeating: "░", count: room - filled)
        return "\(title)  \(colour ? "\u{1B}[36m\(full)\u{1B}[0m" : full)\(empty)  \(tail)"
    }

    /// The line for a log file: the same in words, without a bar.
    var plain: String {
        "\(title): " + (["\(percent.drop { $0 == " " }) of \(total) \(unit)"] + facts).joined(separator: ", ")
    }

    /// The last line: amount, time and rate.
    var summary: String {
        var words = "\(title): \(completed) \(unit) in \(elapsed.shortText)"
        if let rate { words += ", \(Self.short(rate)) \(unit)/s" }
        return detail.isEmpty ? words : words + ", \(detail)"
    }

    private var percent: String {
        let number = String(Int((fraction * 100).rounded(.down)))
        return String(repeating: " ", count: 3 - number.utf8.count) + number + "%"
    }

    private var facts: [String] {
        var facts: [String] = []
        if let rate { facts.append("\(Self.short(rate)) \(unit)/s") }
        if let remaining { facts.append("\(remaining.shortText) left") }
        if !detail.isEmpty { facts.append(detail) }
        return facts
    }

    /// Three significant digits and a suffix: `0.42`, `7.1`, `128`, `12.3k`, `4.56M`.
    static func short(_ value: Double) -> String {
        let (scaled, suffix): (Double, String) =
            switch abs(value) {
            case 999_500...: (value / 1e6, "M")
            case 999.5...: (value / 1e3, "k")
            default: (value, "")
            }
        let digits = abs(scaled) >= 99.95 ? 0 : abs(scaled) >= 9.995 ? 1 : 2
        return String(format: "%.\(digits)f", scaled) + suffix
    }
}

/// Decides which updates get a line in a log file: each tenth of the job, at most one every two seconds, at least one every thirty.
struct ProgressThrottle: Equatable, Sendable {
    private var lastTenth = 0
    private var lastTime: Duration = .zero

    /// Whether to print now. If so, the time is remembered.
    mutating func shouldPrint(_ line: ProgressLine) -> Bool {
        let tenth = Int(line.fraction * 10)
        let waited = line.elapsed - lastTime
        guard (tenth > lastTenth && waited >= .seconds(2)) || waited >= .seconds(30) else { return false }
        lastTenth = tenth
        lastTime = line.elapsed
        return true
    }
}
