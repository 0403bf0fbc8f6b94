import Foundation
import MafinNumerics
import MafinText

/// A batch in memory, as passes read it: the ids of all texts, or the pixels of all images.
struct LoadedBatch: Sendable {
    enum Content: Sendable {
        case tokens(TokenBatch)
        /// `(images, 3, side, side)`, and what determines each image; `nil` if it was changed at random.
        case pixels(FloatBuffer, contents: [String]?)
    }

    /// What determines an item's place among kept outputs.
    enum Key: Hashable {
        case tokens([Int32])
        case image(String)
    }

    let content: Content
    /// The first row of the stream of each item, followed by the number of all rows.
    let offsets: [Int]
    /// Floats of an image.
    private let floatsPerImage: Int

    var count: Int { offsets.count - 1 }
    /// Rows of the stream.
    var tokens: Int { offsets[count] }
    func length(of row: Int) -> Int { offsets[row + 1] - offsets[row] }

    init(_ batch: TokenBatch) {
        (content, offsets, floatsPerImage) = (.tokens(batch), batch.offsets, 0)
    }

    /// Reads images, on all threads.
    /// - Parameters:
    ///   - seed: the seed of the random changes of all images; `nil`: none.
    ///   - firstRow: the number of the first image in the whole batch, of which its changes depend.
    /// - Throws: what reading an image throws; ``EncoderError/input(row:expected:found:)`` for another number of pixels.
    init(_ batch: ImageBatch, shape: ImageShape, seed: UInt64?, firstRow: Int = 0) throws {
        let seed = batch.isAugmented ? seed : nil
        let size = shape.floats
        let buffer = FloatBuffer(count: batch.rows.count * size)
        let errors = FirstError()
        parallelFor(batch.rows.count) { row in
            errors.catching(row) {
                let pixels = try batch.rows[row].pixels(seed.map { RandomGenerator.mix($0 &+ UInt64(firstRow + row)) })
                guard pixels.count == size else {
                    throw EncoderError.input(
                        row: row, expected: "3 x \(shape.side) x \(shape.side) pixels", found: "\(pixels.count) numbers"
                    )
                }
                buffer.copy(from: pixels, at: row * size)
            }
        }
        try errors.rethrow()
        content = .pixels(buffer, contents: seed == nil ? batch.rows.map(\.content) : nil)
        offsets = (0...batch.rows.count).map { $0 * shape.tokens }
        floatsPerImage = size
    }

    private init(_ content: Content, offsets: [Int], floatsPerImage: Int) {
        (self.content, self.offsets, self.floatsPerImage) = (content, offsets, floatsPerImage)
    }

    /// The key of a row; `nil` if its output must not be kept.
    func key(of row: Int) -> Key? {
        switch content {
        case .tokens(let batch): .tokens(Array(batch[row]))
        case .pixels(_, let contents): contents.map { .image($0[row]) }
        }
    }

    func selecting(rows: [Int]) -> LoadedBatch {
        switch content {
        case .tokens(let batch): return LoadedBatch(batch.selecting(rows: rows))
        case .pixels(let pixels, let contents):
            if rows == Array(0..<count) { return self }
            let chosen = FloatBuffer(count: rows.count * floatsPerImage)
            for (place, row) in rows.enumerated() {
                (chosen.pointer + place * floatsPerImage).update(
                    from: pixels.pointer + row * floatsPerImage, count: floatsPerImage)
            }
            return LoadedBatch(
                .pixels(chosen, contents: contents.map { all in rows.map { all[$0] } }),
                offsets: (0...rows.count).map { $0 * (count > 0 ? length(of: 0) : 0) }, floatsPerImage: floatsPerImage)
        }
    }

    /// Calls `body` with the inputs of a chunk.
    func withInput(of chunk: Chunk, _ body: (Frame.Input) -> Void) {
        switch content {
        case .tokens(let batch):
            batch.ids.withUnsafeBufferPointer { ids in
                guard let ids = ids.baseAddress else { return }
                body(.tokens(ids + chunk.firstToken))
            }
        case .pixels(let pixels, _): body(.pixels(pixels.pointer + chunk.texts.lowerBound * floatsPerImage))
        }
    }
}

/// The error of the lowest row of a parallel loop.
private final class FirstError: @unchecked Sendable {
    private let lock = NSLock()
    private var first: (row: Int, error: any Error)?

    func catching(_ row: Int, _ body: () throws -> Void) {
        do {
            try body()
        } catch {
            lock.withLock { if row < first?.row ?? .max { first = (row, error) } }
        }
    }

    func rethrow() throws {
        if let first = lock.withLock({ first }) { throw first.error }
    }
}
