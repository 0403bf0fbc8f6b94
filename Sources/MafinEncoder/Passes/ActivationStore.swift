/// One buffer for the activations that passes keep. Each pass takes the slice after those of earlier passes.
///
/// Passes that exist at the same time, such as one over queries and one over documents, share the budget.
final class ActivationStore {
    /// A part of the buffer, held by a pass.
    struct Slice {
        let buffer: FloatBuffer
        let range: Range<Int>
        var pointer: UnsafeMutablePointer<Float> { buffer.pointer + range.lowerBound }
    }

    private var buffer = FloatBuffer(count: 0)
    private var taken: [Range<Int>] = []

    /// Number of floats of the buffer. Only pages that were written take memory.
    var capacity: Int { buffer.count }

    /// Number of free floats after the slices that are in use, in a buffer of `capacity` floats.
    func free(of capacity: Int) -> Int {
        if buffer.count != capacity {
            // Existing passes keep the old buffer.
            buffer = FloatBuffer(count: capacity)
            taken = []
        }
        return capacity - (taken.last?.upperBound ?? 0)
    }

    /// The next `count` floats, which are free.
    func take(_ count: Int) -> Slice {
        let start = taken.last?.upperBound ?? 0
        precondition(start + count <= buffer.count)
        // An empty slice overlaps nothing.
        if count > 0 { taken.append(start..<start + count) }
        return Slice(buffer: buffer, range: start..<start + count)
    }

    func giveBack(_ slice: Slice) {
        guard slice.buffer === buffer, let index = taken.lastIndex(of: slice.range) else { return }
        taken.remove(at: index)
    }
}
