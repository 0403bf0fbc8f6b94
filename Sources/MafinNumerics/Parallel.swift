import Dispatch
import Foundation
import Synchronization

/// The number of threads of this package's loops.
public enum Parallelism {
    private static let processors = max(1, ProcessInfo.processInfo.activeProcessorCount)
    private static let configured = Atomic<Int>(0)
    @TaskLocal private static var scoped: Int?

    /// Number of threads of every parallel loop of the process; the number of active processors unless it is set.
    ///
    /// Inside ``withThreads(_:_:)`` it is the number given there.
    public static var threads: Int {
        get {
            if let scoped { return scoped }
            let value = configured.load(ordering: .relaxed)
            return value > 0 ? value : processors
        }
        set {
            precondition(newValue >= 1, "at least one thread is needed")
            configured.store(newValue, ordering: .relaxed)
        }
    }

    /// Runs `body` with loops of `count` threads. The rest of the process is not affected.
    ///
    /// This applies to loops that `body` starts in its own task. A loop that is started inside the threads of another
    /// loop uses the process's number.
    public static func withThreads<Result>(_ count: Int, _ body: () throws -> Result) rethrows -> Result {
        precondition(count >= 1, "at least one thread is needed")
        return try $scoped.withValue(count, operation: body)
    }
}

/// Runs `body(0) … body(count - 1)` on ``Parallelism/threads`` threads, and returns when all have ended.
///
/// It is not fixed which thread runs an index, so give each index its own output.
public func parallelFor(_ count: Int, _ body: @Sendable (Int) -> Void) {
    parallelFor(count, workers: min(Parallelism.threads, count)) { _, index in body(index) }
}

/// The same on `workers` threads. `body` also receives the number of the worker. A worker takes the lowest index that
/// is free.
package func parallelFor(_ count: Int, workers: Int, _ body: @Sendable (_ worker: Int, _ index: Int) -> Void) {
    guard workers > 1 else {
        for index in 0..<count { body(0, index) }
        return
    }
    let next = Atomic<Int>(0)
    DispatchQueue.concurrentPerform(iterations: workers) { worker in
        while true {
            let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
            guard index < count else { return }
            body(worker, index)
        }
    }
}

/// The results of `body(0) … body(count - 1)`, computed in parallel as in ``parallelFor(_:_:)``.
package func parallelMap<Result: Sendable>(_ count: Int, _ body: @Sendable (Int) -> Result) -> [Result] {
    [Result](unsafeUninitializedCapacity: count) { results, initialized in
        let output = UnsafeTransfer(results)
        parallelFor(count) { output.value.initializeElement(at: $0, to: body($0)) }
        initialized = count
    }
}

/// Cuts `0 ..< count` into contiguous ranges and runs `body` on each in parallel. The length of each range except the
/// last is a multiple of `grain`.
public func parallelRanges(_ count: Int, grain: Int = 1, _ body: @Sendable (Range<Int>) -> Void) {
    guard count > 0 else { return }
    let grains = (count + grain - 1) / grain
    // Several pieces per thread balance pieces of unequal cost.
    let pieces = min(grains, Parallelism.threads == 1 ? 1 : 4 * Parallelism.threads)
    parallelFor(pieces) { piece in
        let lower = piece * grains / pieces * grain
        let upper = min(count, (piece + 1) * grains / pieces * grain)
        if lower < upper { body(lower..<upper) }
    }
}
