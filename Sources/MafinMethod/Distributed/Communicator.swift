import Foundation
import MafinNumerics

/// Processes that train one encoder together. Each call is made by all of them, in the same order.
public protocol Communicator: AnyObject, Sendable {
    /// The number of this process, from 0. Process 0 writes and prints.
    var rank: Int { get }
    /// Number of processes.
    var count: Int { get }

    /// Replaces floats by their sums over all processes.
    /// - Throws: ``TrainingError/processes(reason:)``
    func sum(_ values: UnsafeMutableBufferPointer<Float>) throws

    /// The bytes of all processes, in the order of the ranks. They may have different lengths.
    /// - Throws: ``TrainingError/processes(reason:)``
    func gather(_ bytes: UnsafeRawBufferPointer) throws -> [[UInt8]]

    /// The bytes of process 0.
    /// - Parameter bytes: of no meaning in other processes.
    /// - Throws: ``TrainingError/processes(reason:)``
    func broadcast(_ bytes: [UInt8]) throws -> [UInt8]
}

/// One process alone.
public final class SingleProcess: Communicator {
    /// See ``Communicator``.
    public let rank = 0
    /// See ``Communicator``.
    public let count = 1

    /// See ``Communicator``.
    public init() {}

    /// See ``Communicator``.
    public func sum(_ values: UnsafeMutableBufferPointer<Float>) {}
    /// See ``Communicator``.
    public func gather(_ bytes: UnsafeRawBufferPointer) -> [[UInt8]] { [Array(bytes)] }
    /// See ``Communicator``.
    public func broadcast(_ bytes: [UInt8]) -> [UInt8] { bytes }
}

extension Communicator {
    /// Whether this process writes and prints.
    public var isFirst: Bool { rank == 0 }

    /// A value as process 0 has it. What depends on a clock or on a file is decided there.
    /// - Throws: ``TrainingError/processes(reason:)``, or what encoding throws.
    package func agreed<Value: Codable>(_ value: @autoclosure () throws -> Value) throws -> Value {
        if count == 1 { return try value() }
        // In a list, because a number alone is no JSON in older versions of Foundation.
        let own = isFirst ? Array(try JSONEncoder().encode([try value()])) : []
        let values = try JSONDecoder().decode([Value].self, from: Data(try broadcast(own)))
        guard let value = values.first else { throw TrainingError.processes(reason: "process 0 sent no value") }
        return value
    }

    /// Whether any process says so.
    package func isTrueAnywhere(_ condition: Bool) throws -> Bool {
        if count == 1 { return condition }
        return try withUnsafeBytes(of: condition) { try gather($0) }.contains { $0.contains { $0 != 0 } }
    }

    /// The rows of all processes, in the order of the ranks.
    package func gather(_ rows: Matrix) throws -> Matrix {
        if count == 1 { return rows }
        let parts = try rows.values.withUnsafeBytes { try gather($0) }
        var values: [Float] = []
        for part in parts { part.withUnsafeBytes { values.append(contentsOf: $0.bindMemory(to: Float.self)) } }
        precondition(values.count % max(1, rows.columns) == 0, "rows of different lengths")
        return Matrix(rows: rows.columns == 0 ? 0 : values.count / rows.columns, columns: rows.columns, values: values)
    }

    /// A matrix as process 0 has it.
    package func agreed(_ matrix: @autoclosure () throws -> Matrix) throws -> Matrix {
        if count == 1 { return try matrix() }
        let own = isFirst ? try matrix() : Matrix(rows: 0, columns: 0)
        let shape = try agreed([own.rows, own.columns])
        let bytes = try broadcast(isFirst ? own.values.withUnsafeBytes { Array($0) } : [])
        let values = bytes.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
        guard values.count == shape[0] * shape[1] else {
            throw TrainingError.processes(reason: "process 0 sent \(values.count) numbers of \(shape[0]) × \(shape[1])")
        }
        return Matrix(rows: shape[0], columns: shape[1], values: values)
    }

    /// Consecutive ranges, one for each process, of about equal cost.
    package func shares(of lengths: [Int]) -> [Range<Int>] {
        let total = lengths.reduce(0, +)
        var (ranges, start, done): ([Range<Int>], Int, Int) = ([], 0, 0)
        for process in 1...count {
            var end = start
            if process == count {
                end = lengths.count
            } else {
                let share = total / count * process + total % count * process / count
                // A row belongs where most of it lies.
                while end < lengths.count, 2 * done + lengths[end] <= 2 * share {
                    done += lengths[end]
                    end += 1
                }
            }
            ranges.append(start..<end)
            start = end
        }
        return ranges
    }
}
