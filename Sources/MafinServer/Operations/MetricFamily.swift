import Synchronization

/// One metric of Prometheus' text format (version 0.0.4) with all its label values.
final class MetricFamily: Sendable {
    /// The types of metrics.
    enum Kind: Sendable {
        case counter, gauge
        /// Cumulative counts at these upper bounds, in ascending order.
        case histogram(bounds: [Double])

        var word: String {
            switch self {
            case .counter: "counter"
            case .gauge: "gauge"
            case .histogram: "histogram"
            }
        }
    }

    private struct Histogram {
        var counts: [UInt64]
        var sum = 0.0
        var count: UInt64 = 0
    }

    private struct State {
        var values: [[String]: Double] = [:]
        var histograms: [[String]: Histogram] = [:]
    }

    let name: String
    private let help: String
    private let kind: Kind
    private let labels: [String]
    private let state = Mutex(State())

    init(_ name: String, _ kind: Kind, _ help: String, labels: [String] = []) {
        (self.name, self.kind, self.help, self.labels) = (name, kind, help, labels)
        // A metric without labels has one value, which is reported from the beginning.
        if labels.isEmpty {
            state.withLock { state in
                if case .histogram(let bounds) = kind {
                    state.histograms[[]] = Histogram(counts: [UInt64](repeating: 0, count: bounds.count))
                } else {
                    state.values[[]] = 0
                }
            }
        }
    }

    /// Adds to a counter or gauge.
    func add(_ amount: Double = 1, _ values: String...) {
        precondition(values.count == labels.count, "\(name) has the labels \(labels)")
        state.withLock { $0.values[values, default: 0] += amount }
    }

    /// Sets a gauge.
    func set(_ value: Double, _ values: String...) {
        precondition(values.count == labels.count, "\(name) has the labels \(labels)")
        state.withLock { $0.values[values] = value }
    }

    /// Counts an observation of a histogram.
    func observe(_ value: Double, _ values: String...) {
        precondition(values.count == labels.count, "\(name) has the labels \(labels)")
        guard case .histogram(let bounds) = kind else { preconditionFailure("\(name) is no histogram") }
        state.withLock { state in
            var histogram = state.histograms[values] ?? Histogram(counts: [UInt64](repeating: 0, count: bounds.count))
            if let place = bounds.firstIndex(where: { value <= $0 }) { histogram.counts[place] += 1 }
            histogram.sum += value
            histogram.count += 1
            state.histograms[values] = histogram
        }
    }

    /// A counter's or gauge's value; 0 if it was never set.
    func value(_ values: String...) -> Double { state.withLock { $0.values[values] ?? 0 } }

    /// Appends the lines of this metric.
    func write(to text: inout String) {
        let state = state.withLock { $0 }
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(kind.word)\n"
        func braces(_ values: [String], _ extra: (String, String)? = nil) -> String {
            var pairs = zip(labels, values).map { "\($0)=\"\(Self.escaped($1))\"" }
            if let extra { pairs.append("\(extra.0)=\"\(extra.1)\"") }
            return pairs.isEmpty ? "" : "{" + pairs.joined(separator: ",") + "}"
        }
        for (values, value) in state.values.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
            text += "\(name)\(braces(values)) \(Self.number(value))\n"
        }
        guard case .histogram(let bounds) = kind else { return }
        for (values, histogram) in state.histograms.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
            var total: UInt64 = 0
            for (bound, count) in zip(bounds, histogram.counts) {
                total += count
                text += "\(name)_bucket\(braces(values, ("le", Self.number(bound)))) \(total)\n"
            }
            text += "\(name)_bucket\(braces(values, ("le", "+Inf"))) \(histogram.count)\n"
            text += "\(name)_sum\(braces(values)) \(Self.number(histogram.sum))\n"
            text += "\(name)_count\(braces(values)) \(histogram.count)\n"
        }
    }

    /// Appends a metric that has one value and no labels.
    static func write(_ name: String, _ kind: Kind, _ help: String, _ value: Double, to text: inout String) {
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(kind.word)\n\(name) \(number(value))\n"
    }

    private static func number(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 1e15 ? String(Int64(value)) : String(value)
    }

    private static func escaped(_ text: String) -> String {
        text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
    }
}
