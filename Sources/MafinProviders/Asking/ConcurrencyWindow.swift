/// How many requests may be in flight. It grows by one for each round of answers and halves when the server is overloaded
/// (additive increase, multiplicative decrease; Chiu and Jain 1989).
struct ConcurrencyWindow: Sendable {
    /// The upper limit.
    let maximum: Int
    private var width: Double
    /// Requests sent so far. A refusal of a request from before the last halving does not halve again.
    private var sent = 0
    private var sentAtHalving = 0

    /// Starts at the maximum.
    init(maximum: Int) {
        self.maximum = maximum
        width = Double(maximum)
    }

    /// Requests that may be in flight.
    var limit: Int { max(1, Int(width)) }

    /// Counts a request; returns its number, for ``overloaded(number:)``.
    mutating func send() -> Int {
        sent += 1
        return sent
    }

    /// A request was answered.
    mutating func answered() { width = min(Double(maximum), width + 1 / width) }

    /// The server refused a request because of overload.
    mutating func overloaded(number: Int) {
        guard number > sentAtHalving else { return }
        sentAtHalving = sent
        width = max(1, width / 2)
    }
}
