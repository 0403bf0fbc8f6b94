/// Which texts are asked next: cuts batches lazily, so that what the server has taught about its limits holds for all that follow,
/// and takes back what has to be asked again.
///
/// A plain value without clocks of its own or locks: one task owns it.
struct BatchSchedule {
    typealias Instant = ContinuousClock.Instant

    /// Texts asked together.
    struct Batch: Sendable {
        /// Indices of the items.
        var items: [Int]
        /// Failed attempts so far.
        var failures = 0
        /// The last request for it asked for base64.
        var askedBase64 = false
    }

    private let costs: [ItemCost]
    private(set) var limits: BatchLimits
    private var cursor = 0
    private var returned: [Batch] = []
    /// Nothing is sent before (the server asked for a pause).
    private var pausedUntil: Instant?

    init(costs: [ItemCost], limits: BatchLimits) {
        self.costs = costs
        self.limits = limits
    }

    /// Whether everything has been handed out.
    var isExhausted: Bool { cursor == costs.count && returned.isEmpty }

    /// The next batch that may be sent at a time, or nil where there is none (yet).
    mutating func next(at now: Instant) -> Batch? {
        if let pausedUntil, pausedUntil > now { return nil }
        pausedUntil = nil
        if !returned.isEmpty { return returned.removeFirst() }
        guard cursor < costs.count else { return nil }
        var batch = Batch(items: [])
        var (tokens, bytes) = (0, 0)
        while cursor < costs.count {
            let cost = costs[cursor]
            (tokens, bytes) = (tokens + cost.tokens, bytes + cost.bytes)
            let fits = batch.items.count < limits.items && tokens <= limits.tokens && bytes <= limits.bytes
            guard fits || batch.items.isEmpty else { break }
            batch.items.append(cursor)
            cursor += 1
        }
        return batch
    }

    /// When ``next(at:)`` will have something, where it has nothing for the pause.
    var wakeTime: Instant? { isExhausted ? nil : pausedUntil }

    /// Takes a batch back that is to be sent again, first of all.
    ///
    /// - Parameter time: nothing at all is sent before: what fails for one batch (overload, a lost connection) fails for the next, and a
    ///   server in trouble must not meet every batch of a long call once.
    mutating func retry(_ batch: Batch, after time: Instant?) {
        returned.append(batch)
        if let time { pausedUntil = max(pausedUntil ?? time, time) }
    }

    /// Takes a batch back that was too large: it is halved, and later batches stay below what failed.
    ///
    /// - Returns: false where it was a single text, which cannot be halved; it is then not taken back.
    mutating func halve(_ batch: Batch, because cause: BatchLimits.Cause) -> Bool {
        guard batch.items.count > 1 else { return false }
        let sum = batch.items.reduce((tokens: 0, bytes: 0)) { sum, item in
            (sum.tokens + costs[item].tokens, sum.bytes + costs[item].bytes)
        }
        switch cause {
        case .items: limits.items = max(1, min(limits.items, batch.items.count / 2))
        case .tokens: limits.tokens = max(1, min(limits.tokens, sum.tokens / 2))
        case .bytes: limits.bytes = max(1, min(limits.bytes, sum.bytes / 2))
        case .text: break  // one text is at fault, not the size of the batch
        }
        let middle = batch.items.count / 2
        returned.append(Batch(items: Array(batch.items[..<middle])))
        returned.append(Batch(items: Array(batch.items[middle...])))
        return true
    }
}
