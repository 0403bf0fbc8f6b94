import Foundation

/// Makes the sums of a backward pass have the same order, on whatever threads its chunks run.
///
/// Each chunk adds to the gradients in the same stages, one for each part of the parameters. A chunk runs a stage only
/// after the previous chunk has run that stage. All chunks can therefore share one block of gradients, and a chunk
/// waits only if it would overtake the previous one.
final class OrderedAccumulation: @unchecked Sendable {
    private let condition = NSCondition()
    /// Number of stages that each chunk has finished.
    private var stages: [Int]

    init(chunks: Int) {
        stages = [Int](repeating: 0, count: chunks)
    }

    /// Runs the next stage of a chunk, after the previous chunk has finished that stage.
    func runStage(chunk: Int, _ body: () -> Void) {
        condition.lock()
        let stage = stages[chunk]
        while chunk > 0, stages[chunk - 1] <= stage { condition.wait() }
        condition.unlock()
        body()
        condition.lock()
        stages[chunk] += 1
        condition.broadcast()
        condition.unlock()
    }
}

/// The destination of the gradients of one chunk, which follow those of the previous chunk.
struct GradientSink {
    let gradients: Gradients
    /// Whether gradients of weight matrices are added to existing ones instead of overwriting them. The others are
    /// always added.
    let isAdding: Bool
    let order: OrderedAccumulation
    let chunk: Int
    /// Called with every section whose gradients are complete; `nil` unless it is the last chunk, and somebody wants to know.
    let onFinished: (@Sendable (_ section: Int) -> Void)?

    /// Calls `body` with the base address of the gradients. The gradient of a parameter is at the parameter's offset.
    func add(_ body: (UnsafeMutablePointer<Float>) -> Void) {
        order.runStage(chunk: chunk) { body(gradients.base) }
    }
}
