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
        /// Not to be sent before.
        var notBefore: Instant?
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
        if let index = returned.firstIndex(where: { ($0.notBefore ?? now) <= now }) { return returned.remove(at: index) }
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

    /// When ``next(at:)`` will have something, where it has nothing now.
    var wakeTime: Instant? {
        let ready = cursor < costs.count ? nil : returned.compactMap(\.notBefore).min()
        switch (pausedUntil, ready) {
        case (let paused?, let ready?): return max(paused, ready)
        case (let paused, let ready): return paused ?? ready
        }
    }

    /// Takes a batch back that is to be sent again.
    mutating func retry(_ batch: Batch, notBefore: Instant?, pausingAll: Bool) {
        var batch = batch
        batch.notBefore = notBefore
        returned.append(batch)
        if pausingAll, let notBefore { pausedUntil = max(pausedUntil ?? notBefore, notBefore) }
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
