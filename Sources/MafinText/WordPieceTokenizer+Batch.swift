import Dispatch
import Foundation
import Synchronization

extension WordPieceTokenizer {
    /// The ids of many texts, special tokens included, one row per text in the order of the texts.
    ///
    /// - Parameters:
    ///   - texts: any texts
    ///   - maxLength: the most ids of a row, special tokens included; nil for the checkpoint's ``maxLength``. Longer texts are
    ///     cut before `[SEP]` is added. Not below ``specialTokenCount``.
    ///   - threads: how many threads may work; nil for as many as there are cores. The result does not depend on it.
    public func batchEncode(_ texts: [String], maxLength: Int? = nil, threads: Int? = nil) -> TokenBatch {
        // Several parts per thread, so that a part of long texts does not keep the others waiting.
        let threads = max(1, threads ?? ProcessInfo.processInfo.activeProcessorCount)
        let partCount = threads == 1 ? 1 : min(texts.count / 16 + 1, threads * 8)
        if partCount == 1 {
            return TokenBatch(part(texts[...], maxLength))
        }
        let parts = Mutex([EncodedPart?](repeating: nil, count: partCount))
        parallelFor(count: partCount, threads: threads) { index in
            let range = texts.count * index / partCount..<texts.count * (index + 1) / partCount
            let encoded = part(texts[range], maxLength)
            parts.withLock { $0[index] = encoded }
        }
        return TokenBatch(joining: parts.withLock { $0.compactMap(\.self) })
    }

    /// One worker's share, on one thread.
    private func part(_ texts: ArraySlice<String>, _ maxLength: Int?) -> EncodedPart {
        var encoder = RowEncoder(self, maxLength: maxLength, addSpecialTokens: true)
        var ends: [Int] = []
        ends.reserveCapacity(texts.count)
        for text in texts {
            encoder.append(text)
            ends.append(encoder.output.count)
        }
        return EncodedPart(ids: Array(encoder.output.view), ends: ends)
    }
}

/// Rows that one worker has encoded.
struct EncodedPart: Sendable {
    let ids: [Int32]
    /// Where each row ends.
    let ends: [Int]
}

extension TokenBatch {
    init(_ part: EncodedPart) {
        self.init(ids: part.ids, offsets: [0] + part.ends)
    }

    init(joining parts: [EncodedPart]) {
        var ids: [Int32] = []
        var offsets = [0]
        ids.reserveCapacity(parts.reduce(0) { $0 + $1.ids.count })
        offsets.reserveCapacity(parts.reduce(1) { $0 + $1.ends.count })
        for part in parts {
            let shift = ids.count
            ids += part.ids
            for end in part.ends { offsets.append(shift + end) }
        }
        self.init(ids: ids, offsets: offsets)
    }
}

/// Runs `body` for each index below `count` on up to `threads` threads, and returns when all are done.
private func parallelFor(count: Int, threads: Int, body: @Sendable (Int) -> Void) {
    let next = Atomic(0)
    withoutActuallyEscaping(body) { body in
        DispatchQueue.concurrentPerform(iterations: min(threads, count)) { _ in
            while case let index = next.wrappingAdd(1, ordering: .relaxed).oldValue, index < count { body(index) }
        }
    }
}
