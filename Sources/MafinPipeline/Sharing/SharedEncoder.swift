import Dispatch
import MafinBlackBox
import MafinEncoder
import MafinNumerics
import MafinText

/// An encoder that many threads may use. They take turns, in the order in which they came, with a piece of their texts at a
/// time. So a single query does not wait for a thousand documents.
///
/// Tokens are made outside the turns.
final class SharedEncoder: @unchecked Sendable {
    /// Only used inside ``turns``, but for what never changes.
    private let encoder: TextEncoder
    /// A serial queue: it serves waiting threads in order, and runs their work on their own thread.
    private let turns = DispatchQueue(label: "mafin.shared-encoder", qos: .userInitiated)
    private let counters: SharedCounters

    /// Columns of its vectors.
    let dimension: Int
    /// Texts in front of queries and documents.
    let prefixes: TextPrefixes
    /// Tokens to which texts are cut.
    let maximumLength: Int
    private let tokenizer: any Tokenizer

    /// - Parameter encoder: nothing else uses it from here on.
    init(_ encoder: TextEncoder, counters: SharedCounters) {
        (self.encoder, self.counters) = (encoder, counters)
        (dimension, prefixes) = (encoder.encoder.dimension, encoder.prefixes)
        (maximumLength, tokenizer) = (encoder.maximumLength, encoder.tokenizer)
    }

    /// Texts whose tokens are made at a time, and the most that a turn has.
    private static let blockSize = 256
    /// Tokens of a turn on each thread: 16 chunks of 256 tokens, which keeps the threads evenly busy.
    private static let tokensPerThread = 4096

    /// Writes the vectors of texts, not normalised.
    /// - Parameters:
    ///   - prefix: text in front of each.
    ///   - output: `texts.count * dimension` elements.
    ///   - done: told how many texts are done. What it throws ends the work.
    func write(
        _ texts: [String], as role: TextRole, prefix: String, to output: UnsafeMutableBufferPointer<Float>,
        done: (Int) throws -> Void
    ) throws {
        precondition(output.count == texts.count * dimension, "\(output.count) elements for \(texts.count) rows")
        for start in stride(from: 0, to: texts.count, by: Self.blockSize) {
            let block = Array(texts[start..<min(start + Self.blockSize, texts.count)])
            let batch = tokenizer.batchEncode(
                prefix.isEmpty ? block : block.map { prefix + $0 }, maxLength: maximumLength)
            var row = 0
            while row < batch.count {
                let end = Self.endOfTurn(from: row, of: batch)
                let piece = row == 0 && end == batch.count ? batch : batch.selecting(rows: row..<end)
                let (vectors, seconds) = try turns.sync {
                    let begin = ContinuousClock.now
                    return (try encoder.encoder.embed(piece), (ContinuousClock.now - begin).inSeconds)
                }
                let values = UnsafeMutableBufferPointer(
                    rebasing: output[(start + row) * dimension..<(start + end) * dimension])
                _ = values.update(from: vectors.values)
                counters.encoded(role, piece, full: maximumLength, seconds: seconds)
                row = end
                try done(start + end)
            }
        }
    }

    /// The vectors of texts, not normalised, `(texts.count, dimension)`.
    func vectors(_ texts: [String], as role: TextRole, done: (Int) throws -> Void) throws -> Matrix {
        var result = Matrix(rows: texts.count, columns: dimension)
        try result.values.withUnsafeMutableBufferPointer {
            try write(texts, as: role, prefix: prefixes[role], to: $0, done: done)
        }
        return result
    }

    /// Tokens of each text with the role's prefix and the special tokens, before it is cut.
    func tokenCounts(of texts: [String], as role: TextRole) -> [Int] {
        let prefix = prefixes[role]
        return parallelMap(texts.count) { tokenizer.encode(prefix + texts[$0], maxLength: .max).count }
    }

    private static func endOfTurn(from row: Int, of batch: TokenBatch) -> Int {
        let most = tokensPerThread * Parallelism.threads
        var (end, tokens) = (row, 0)
        while end < batch.count, end == row || tokens + batch.length(of: end) <= most {
            tokens += batch.length(of: end)
            end += 1
        }
        return end
    }
}
