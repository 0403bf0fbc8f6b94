import MafinNumerics

extension WordPieceTokenizer {
    /// The ids of many texts, including special tokens. There is one row per text, in the order of the texts.
    ///
    /// - Parameters:
    ///   - texts: the texts.
    ///   - maxLength: largest number of ids of a row, including special tokens; `nil`: the checkpoint's ``maxLength``.
    ///     Longer texts are cut before `[SEP]` is added. Must not be below ``specialTokenCount``.
    ///   - threads: largest number of threads, if below `Parallelism.threads`. The result does not depend on it.
    public func batchEncode(_ texts: [String], maxLength: Int? = nil, threads: Int? = nil) -> TokenBatch {
        // One part per thread if the caller gives their number. Otherwise several, which balances the load of other
        // programs.
        let shares = threads ?? (Parallelism.threads == 1 ? 1 : 4 * Parallelism.threads)
        let ranges = Self.evenRanges(of: texts, parts: max(1, shares))
        return TokenBatch(joining: parallelMap(ranges.count) { part(texts[ranges[$0]], maxLength) })
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

    /// Encodes one part on one thread.
    private func part(_ texts: ArraySlice<String>, _ maxLength: Int?) -> TokenBatch {
        var encoder = RowEncoder(self, maxLength: maxLength, addSpecialTokens: true)
        var offsets = [0]
        offsets.reserveCapacity(texts.count + 1)
        for text in texts {
            encoder.append(text)
            offsets.append(encoder.output.count)
        }
        return TokenBatch(ids: Array(encoder.output.view), offsets: offsets)
    }
}
