import MafinNumerics

extension Tokenizer {
    /// The ids of many texts, including special tokens. There is one row per text, in the order of the texts.
    ///
    /// - Parameters:
    ///   - texts: the texts.
    ///   - maxLength: largest number of ids of a row, including special tokens; `nil`: the checkpoint's ``maxLength``.
    ///     Longer texts are cut before the last special tokens are added. Must not be below ``specialTokenCount``.
    ///   - threads: largest number of threads, if below `Parallelism.threads`. The result does not depend on it.
    public func batchEncode(_ texts: [String], maxLength: Int? = nil, threads: Int? = nil) -> TokenBatch {
        // One part per thread if the caller gives their number. Otherwise several, which balances the load of other
        // programs.
        let shares = threads ?? (Parallelism.threads == 1 ? 1 : 4 * Parallelism.threads)
        let ranges = Self.evenRanges(of: texts, parts: max(1, shares))
        return TokenBatch(
            joining: parallelMap(ranges.count) {
                rows(of: texts[ranges[$0]], addSpecialTokens: true, maxLength: maxLength)
            })
    }

    /// Cuts texts into at most `parts` ranges of about equal byte counts.
    static func evenRanges(of texts: [String], parts: Int) -> [Range<Int>] {
        // The cost of an empty text in bytes of text, and the least number of bytes for which a thread is worthwhile.
        let fixedCost = 32
        let smallestPart = 4096
        let total = texts.reduce(0) { $0 + $1.utf8.count + fixedCost }
        let share = max(smallestPart, (total + parts - 1) / parts)
        var ranges: [Range<Int>] = []
        var start = 0
        var cost = 0
        for (index, text) in texts.enumerated() {
            cost += text.utf8.count + fixedCost
            if cost >= share, ranges.count < parts - 1 {
                ranges.append(start..<index + 1)
                start = index + 1
                cost = 0
            }
        }
        if start < texts.count || ranges.isEmpty { ranges.append(start..<texts.count) }
        return ranges
    }
}

/// How a row of ids begins and ends, and where a text that is too long is cut.
struct RowFrame {
    let prefix: [Int32]
    let suffix: [Int32]
    /// Largest number of ids of a text, without special tokens.
    let capacity: Int
    let truncatesLeft: Bool

    init(_ frame: TokenFrame, addSpecialTokens: Bool, maxLength: Int?) {
        prefix = addSpecialTokens ? frame.prefix : []
        suffix = addSpecialTokens ? frame.suffix : []
        capacity = (maxLength ?? frame.maximumLength) - prefix.count - suffix.count
        truncatesLeft = frame.truncatesLeft
        precondition(capacity >= 0, "the maximum length must leave room for the special tokens")
    }

    /// Begins a row, and returns where its text begins in `output`.
    func open(_ output: inout IdentifierBuffer) -> Int {
        output.append(contentsOf: prefix)
        return output.count
    }

    /// The number of ids in `output` after which ids of a text that begins at `start` would be cut off.
    func limit(from start: Int) -> Int {
        truncatesLeft || capacity > Int.max - start ? Int.max : start + capacity
    }

    /// Cuts the text that begins at `start`, and ends its row.
    func close(_ output: inout IdentifierBuffer, _ start: Int) {
        let excess = output.count - start - capacity
        if excess > 0 { output.remove(excess, at: truncatesLeft ? start : output.count - excess) }
        output.append(contentsOf: suffix)
    }
}
