/// Decides which texts are asked next. Batches are cut when they are needed, so that limits learned from the server hold for all that follow.
/// Batches that have to be asked again are given back to it.
///
/// It has no clock and no lock: one task owns it. Times count from any fixed moment.
struct BatchSchedule {
    /// Texts asked together.
    struct Batch: Sendable {
        /// Indices of the items.
        var items: [Int]
        /// Failed attempts so far.
        var failures = 0
        /// Answers that the server had given when the batch failed first.
        var answersBeforeFailure: Int?
        /// Position of the encoding that was asked for.
        var encoding = 0
        /// Not to be sent before.
        var due: Duration?
        /// Its longest text has been taken out already.
        var isWithoutLongest = false
        /// An answer to it, or to what it was cut from, could not be used.
        var wasUnusable = false
    }

    private let costs: [ItemCost]
    private let requestBytes: Int
    private(set) var limits: BatchLimits
    /// Texts of at least so many estimated tokens were refused for their length: they are sent alone, so that no others are refused with them.
    private var tokensOfLongTexts = Int.max
    /// Items that were not handed out yet.
    private var fresh: ArraySlice<Int>
    private var returned: [Batch] = []
    /// Nothing is sent before (the server asked for a pause).
    private var pausedUntil: Duration?

    /// - Parameter requestBytes: what a request takes without any text.
    init(costs: [ItemCost], limits: BatchLimits, requestBytes: Int = 0) {
        self.costs = costs
        self.limits = limits
        self.requestBytes = requestBytes
        fresh = Array(costs.indices)[...]
    }

    /// Whether everything has been handed out.
    var isExhausted: Bool { fresh.isEmpty && returned.isEmpty }

    /// The next batch that may be sent at a time, or nil where there is none (yet).
    mutating func next(at now: Duration) -> Batch? {
        if let pausedUntil, pausedUntil > now { return nil }
        pausedUntil = nil
        while let index = returned.firstIndex(where: { ($0.due ?? now) <= now }) {
            var batch = returned.remove(at: index)
            let parts = cut(batch.items[...])
            // More than one, where it was given back before the server named a lower bound.
            for part in parts.dropFirst().reversed() {
                batch.items = part
                returned.insert(batch, at: index)
            }
            batch.items = parts[0]
            return batch
        }
        guard !fresh.isEmpty else { return nil }
        let items = head(of: fresh)
        fresh = fresh.dropFirst(items.count)
        return Batch(items: items)
    }

    /// When ``next(at:)`` will have something, where it has nothing but will have.
    var wakeTime: Duration? {
        if isExhausted { return nil }
        let due = !fresh.isEmpty ? nil : returned.compactMap(\.due).min()
        return [pausedUntil, due].compactMap { $0 }.max()
    }

    /// Batches still to be sent, at least.
    var remainingBatches: Int { returned.count + cut(fresh).count }

    /// As many of the first items as one request may hold; at least one.
    private func head(of items: ArraySlice<Int>) -> [Int] {
        var (count, tokens, bytes) = (0, 0, requestBytes)
        for item in items.prefix(limits.items) {
            let (cost, isLong) = (costs[item], costs[item].tokens >= tokensOfLongTexts)
            (tokens, bytes) = (tokens + cost.tokens, bytes + cost.bytes)
            guard count == 0 || (!isLong && tokens <= limits.tokens && bytes <= limits.bytes) else { break }
            count += 1
            if isLong { break }
        }
        return Array(items.prefix(count))
    }

    /// Items cut into what the limits allow.
    private func cut(_ items: ArraySlice<Int>) -> [[Int]] {
        var (parts, rest): ([[Int]], ArraySlice<Int>) = ([], items)
        while !rest.isEmpty {
            let part = head(of: rest)
            parts.append(part)
            rest = rest.dropFirst(part.count)
        }
        return parts
    }

    /// Nothing is sent before a time. What makes one batch fail (overload, a lost connection) makes the next one fail too, and a server in trouble
    /// must not be sent every batch of a long call once.
    mutating func pause(until time: Duration) { pausedUntil = max(pausedUntil ?? time, time) }

    /// When a pause that holds at a time will be over.
    func pauseEnd(after now: Duration) -> Duration? { pausedUntil.flatMap { $0 > now ? $0 : nil } }

    /// Takes a batch back that is to be sent again, before all that have not been sent yet.
    mutating func retry(_ batch: Batch, due: Duration? = nil) {
        var batch = batch
        batch.due = due
        returned.append(batch)
    }

    /// Takes a batch back that was too large: it is cut, and later batches stay below what failed.
    /// - Parameter named: the bound in the server's words, and what it counted.
    /// - Returns: false where it was a single text, which cannot be cut; it is then not taken back.
    mutating func shrink(
        _ batch: Batch, because cause: BatchLimits.Cause, named: (allowed: Int, sent: Int?)? = nil
    ) -> Bool {
        let count = batch.items.count
        guard count > 1 else {
            if cause == .text, let item = batch.items.first {
                tokensOfLongTexts = min(tokensOfLongTexts, costs[item].tokens)
            }
            return false
        }
        if cause == .text {
            separateLongest(batch)
            return true
        }
        let sum = batch.items.reduce((tokens: 0, bytes: requestBytes)) { sum, item in
            (sum.tokens + costs[item].tokens, sum.bytes + costs[item].bytes)
        }
        switch cause {
        case .items:
            let allowed = named.flatMap { $0.allowed < count ? $0.allowed : nil } ?? count / 2
            limits.items = max(1, min(limits.items, allowed))
        case .tokens:
            // The server counts other tokens than the estimate: what it counted for this batch gives the scale.
            var allowed = sum.tokens / 2
            if let named, let sent = named.sent {
                allowed = Int(Double(sum.tokens) * Double(named.allowed) / Double(sent) * 0.95)
            } else if let named, named.allowed < sum.tokens {
                allowed = named.allowed
            }
            limits.tokens = max(1, min(limits.tokens, allowed))
        case .bytes: limits.bytes = max(1, min(limits.bytes, sum.bytes / 2))
        case .text: break
        }
        let parts = cut(batch.items[...])
        if parts.count > 1 {
            returned.insert(contentsOf: parts.map { Batch(items: $0) }, at: 0)
        } else {
            bisect(batch)
        }
        return true
    }

    /// One text is too long. The longest is tried first; if it was not the cause, the others are halved.
    private mutating func separateLongest(_ batch: Batch) {
        let longest = batch.items.max { costs[$0].tokens < costs[$1].tokens } ?? batch.items[0]
        guard !batch.isWithoutLongest, batch.items.contains(where: { costs[$0].tokens < costs[longest].tokens }) else {
            return bisect(batch)
        }
        returned.insert(
            contentsOf: [
                Batch(items: [longest]), Batch(items: batch.items.filter { $0 != longest }, isWithoutLongest: true),
            ], at: 0)
    }

    /// Takes a batch back in two halves, to find which of its texts is at fault; they are sent before anything else.
    mutating func bisect(_ batch: Batch) {
        precondition(batch.items.count > 1, "a single text cannot be halved")
        let middle = batch.items.count / 2
        // That others were answered meanwhile counts against the halves as it did against the whole.
        let halves = [batch.items[..<middle], batch.items[middle...]].map {
            Batch(
                items: Array($0), answersBeforeFailure: batch.answersBeforeFailure, wasUnusable: batch.wasUnusable)
        }
        returned.insert(contentsOf: halves, at: 0)
    }
}
