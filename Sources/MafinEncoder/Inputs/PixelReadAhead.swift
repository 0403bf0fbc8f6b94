import Foundation
import MafinNumerics

/// Reads a batch of images piece by piece, each while the encoder works on the piece before it, so that at most two pieces are in memory.
struct PixelReadAhead {
    /// Images of a piece: enough to keep all threads at work.
    static let piece = 32

    private let batch: ImageBatch
    private let shape: ImageShape

    init(_ batch: ImageBatch, shape: ImageShape) {
        (self.batch, self.shape) = (batch, shape)
    }

    /// Calls `body` with every piece in order.
    /// - Throws: what reading throws, and what `body` throws.
    func forEachPiece(_ body: (LoadedBatch) throws -> Void) throws {
        func reading(_ first: Int) -> Reading? {
            guard first < batch.rows.count else { return nil }
            let rows = Array(first..<min(first + Self.piece, batch.rows.count))
            return Reading(batch.selecting(rows: rows), shape, threads: Parallelism.threads)
        }
        var next = reading(0)
        var first = 0
        while let current = next {
            let loaded = try current.wait()
            first += Self.piece
            next = reading(first)
            do {
                try body(loaded)
            } catch {
                // Its thread must not outlive the call.
                _ = try? next?.wait()
                throw error
            }
        }
    }

    /// One piece, read on another thread.
    private final class Reading: @unchecked Sendable {
        private let done = DispatchSemaphore(value: 0)
        private var result: Result<LoadedBatch, any Error>?

        init(_ batch: ImageBatch, _ shape: ImageShape, threads: Int) {
            DispatchQueue.global().async {
                self.result = Result {
                    try Parallelism.withThreads(threads) { try LoadedBatch(batch, shape: shape, seed: nil) }
                }
                self.done.signal()
            }
        }

        func wait() throws -> LoadedBatch {
            done.wait()
            guard let result else { preconditionFailure("the thread has set its result") }
            return try result.get()
        }
    }
}
