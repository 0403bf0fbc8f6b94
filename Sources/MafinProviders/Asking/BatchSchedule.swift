/// Decides which texts are sent next. A batch is cut when it is needed, so that limits learned from the server hold for all later batches.
/// Batches that have to be sent again are given back to it.
///
/// It has no clock and no lock: one task owns it. Times count from an arbitrary fixed moment.
struct BatchSchedule {
    /// Texts that are sent together.
    struct Batch: Sendable {
        /// Indices of the items.
        var items: [Int]
        /// Failed attempts so far.
        var failures = 0
        /// Answers that the server had given when the batch failed for the first time.
        var answersBeforeFailure: Int?
        /// The encoding that was requested, as a position in the profile's list.
        var encoding = 0
        /// The earliest time to send it; nil: at once.
        var due: Duration?
        /// Whether its longest text has been taken out already.
        var isWithoutLongest = false
        /// Whether an answer to it, or to a batch that it was cut from, could not be used.
        var wasUnusable = false
    }

    private let costs: [ItemCost]
    private let requestBytes: Int
    private(set) var limits: BatchLimits
    /// A text of this many estimated tokens was refused as too long. Texts this long are sent alone, so that no others are refused with them.
    private var tokensOfLongTexts = Int.max
    /// Items that have not been handed out yet.
    private var fresh: ArraySlice<Int>
    private var returned: [Batch] = []
    /// Nothing is sent before this time (the server asked for a pause).
    private var pausedUntil: Duration?

    /// - Parameter requestBytes: bytes of a request without any text.
    init(costs: [ItemCost], limits: BatchLimits, requestBytes: Int = 0) {
        self.costs = costs
        self.limits = limits
        self.requestBytes = requestBytes
        fresh = Array(costs.indices)[...]
    }

    /// Whether everything has been handed out.
    var isExhausted: Bool { fresh.isEmpty && returned.isEmpty }

    /// The next batch that may be sent at `now`; nil if there is none (yet).
    mutating func next(at now: Duration) -> Batch? {
        if let pausedUntil, pausedUntil > now { return nil }
        pausedUntil = nil
        while let index = returned.firstIndex(where: { ($0.due ?? now) <= now }) {
            var batch = returned.remove(at: index)
            let parts = cut(batch.items[...])
            // There are several parts if the server named a lower limit after the batch was given back.
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

    /// When ``next(at:)`` will have a batch, if it has none now; nil: never.
    var wakeTime: Duration? {
        if isExhausted { return nil }
        let due = !fresh.isEmpty ? nil : returned.compactMap(\.due).min()
        return [pausedUntil, due].compactMap { $0 }.max()
    }

    /// A lower bound on the number of batches that are still to be sent.
    var remainingBatches: Int { returned.count + cut(fresh).count }

    /// As many items from the start as one request may hold, at least one.
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

    /// The items cut into batches within the limits.
    private func cut(_ items: ArraySlice<Int>) -> [[Int]] {
        var (parts, rest): ([[Int]], ArraySlice<Int>) = ([], items)
        while !rest.isEmpty {
            let part = head(of: rest)
            parts.append(part)
            rest = rest.dropFirst(part.count)
        }
        return parts
    }

    /// Sends nothing before a time. What makes one batch fail (overload, a lost connection) makes the next one fail too, so the batches of a
    /// long call must not all be sent into the same failure.
    mutating func pause(until time: Duration) { pausedUntil = max(pausedUntil ?? time, time) }

    /// The end of a pause that lasts beyond `now`; nil: there is no pause.
    func pauseEnd(after now: Duration) -> Duration? { pausedUntil.flatMap { $0 > now ? $0 : nil } }

    /// Takes back a batch to send it again, before all that have not been sent yet.
    mutating func retry(_ batch: Batch, due: Duration? = nil) {
        var batch = batch
        batch.due = due
        returned.append(batch)
    }

    /// Takes back a batch that was too large and cuts it. Later batches stay below the size that failed.
    /// - Parameter named: the limit that the server named, and what it counted in this batch.
    /// - Returns: false if the batch is a single text, which cannot be cut and is not taken back.
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
            // The server's tokens differ from the estimate. Its count for this batch gives the scale.
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

    /// Takes back a batch as two halves, to find the text at fault. They are sent before anything else.
    mutating func bisect(_ batch: Batch) {
        precondition(batch.items.count > 1, "a single text cannot be halved")
        let middle = batch.items.count / 2
        // The halves keep the batch's count of answers: other batches were answered while this one failed.
        let halves = [batch.items[..<middle], batch.items[middle...]].map {
            Batch(
                items: Array($0), answersBeforeFailure: batch.answersBeforeFailure, wasUnusable: batch.wasUnusable)
        }
        returned.insert(contentsOf: halves, at: 0)
    }
}
