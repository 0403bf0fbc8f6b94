import Foundation

/// The operations of a pass of the encoder, for the table of their times.
public enum TimedOperation: Int, CaseIterable, Sendable {
    case embeddings, queryKeyValue, packing, positions, scores, softmax, context, attentionOutput, layerNorm, residual,
        up
    case activation, down, pooling
    case downBackward, activationBackward, upBackward, layerNormBackward, attentionOutputBackward
    case scoresAgain, softmaxAgain, valueGradient, weightGradient, softmaxBackward, queryGradient, keyGradient
    case queryKeyValueBackward
    case downGradient, upGradient, attentionOutputGradient, queryKeyValueGradient, biasGradients, embeddingGradients,
        lowRank
    case gradientNorm, adamW, weightPacking
}

/// The time and the work of an operation.
public struct OperationTime: Sendable {
    /// Seconds of processor time, over all threads.
    public var seconds = 0.0
    /// Floating-point operations of its matrix products; 0 for other operations.
    public var operations = 0.0
    /// Least number of bytes that it has to read and write.
    public var bytes = 0.0
    /// Seconds spent reading the clock; not part of `seconds`.
    public var overhead = 0.0

    static func += (sum: inout OperationTime, other: OperationTime) {
        sum.seconds += other.seconds
        sum.operations += other.operations
        sum.bytes += other.bytes
        sum.overhead += other.overhead
    }
}

/// Adds up the time of operations on one thread.
final class OperationClock {
    private(set) var times = [OperationTime](repeating: OperationTime(), count: TimedOperation.allCases.count)

    /// Seconds that one reading of the clock takes. About half of it is before the moment that is read, and half after.
    private static let cost: Double = {
        let start = now()
        for _ in 0..<1000 { _ = now() }
        return (now() - start) / 1001
    }()

    func add(_ operation: TimedOperation, seconds: Double, operations: Int, floats: Int) {
        times[operation.rawValue] += OperationTime(
            seconds: max(0, seconds - Self.cost), operations: Double(operations),
            bytes: Double(floats * MemoryLayout<Float>.stride), overhead: 2 * Self.cost)
    }

    /// Processor time of the calling thread.
    static func now() -> Double { read(CLOCK_THREAD_CPUTIME_ID) }

    /// Processor time of all threads of the process.
    static func processNow() -> Double { read(CLOCK_PROCESS_CPUTIME_ID) }

    private static func read(_ clock: clockid_t) -> Double {
        var time = timespec()
        clock_gettime(clock, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }
}

extension OperationClock? {
    /// Runs `body` and times it if there is a clock.
    /// - Parameters:
    ///   - operations: floating-point operations of a product.
    ///   - floats: number of floats that are read and written, each once.
    @inline(__always)
    func time(
        _ operation: TimedOperation, operations: @autoclosure () -> Int = 0, floats: @autoclosure () -> Int,
        _ body: () -> Void
    ) {
        guard let clock = self else { return body() }
        let start = OperationClock.now()
        body()
        clock.add(
            operation, seconds: OperationClock.now() - start, operations: operations(), floats: floats())
    }
}
