import Dispatch

/// Sums gradients over processes on a thread of its own, segment after segment, while a backward pass computes those that follow.
///
/// Every process sums all segments in the same order, whatever it computes. So their calls match, and come from one thread at a time, which
/// is all that MPI has to allow. A thread that waits in a call gets the data of the network on its way: a call that returns at once would
/// need others for that, from the threads that compute.
final class OverlappedSum: @unchecked Sendable {
    private let gradients: Gradients
    private let sum: (UnsafeMutableBufferPointer<Float>) throws -> Void
    private let queue = DispatchQueue(label: "mafin.gradient-sums")
    /// The segments that are not begun. Used by the thread that calls ``begin(downTo:)``.
    private var segments: ArraySlice<GradientSegment>
    /// Used on the queue.
    private var error: (any Error)?

    init(_ gradients: Gradients, _ sum: @escaping (UnsafeMutableBufferPointer<Float>) throws -> Void) {
        (self.gradients, self.sum) = (gradients, sum)
        segments = gradients.segments[...]
    }

    /// Begins the sums of what a backward pass has finished. Called by one thread at a time.
    /// - Parameter section: the lowest section whose gradients do not change any more.
    func begin(downTo section: Int) {
        while let segment = segments.first, segment.section >= section {
            segments.removeFirst()
            queue.async { [self] in
                // After an error the processes do not agree on what comes next.
                guard error == nil else { return }
                do {
                    try gradients.sum(segment, sum)
                } catch {
                    self.error = error
                }
            }
        }
    }

    /// Sums the rest, and returns when no call is left on its way.
    /// - Throws: the first error of a sum.
    func finish() throws {
        begin(downTo: Activations.embeddings)
        try queue.sync { if let error { throw error } }
    }
}
