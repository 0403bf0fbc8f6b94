import CMafinKernels
import Foundation
import MafinNumerics
import MafinText
import Synchronization

/// A forward pass in which several threads share each operation of one chunk, so that a single query is answered sooner.
///
/// The network's list is cut into phases, and each phase into units of rows, columns or heads, as the operations say. A free thread takes the
/// next unit; a phase begins when the one before has ended. A thread that starts late finds the work done: no thread waits for one that has
/// taken no unit. Units do not depend on the thread that takes them, and so neither does the result.
final class CooperativeForward: @unchecked Sendable {
    /// One or two operations, and the units that threads take.
    private struct Phase {
        let section: Int
        /// A linear layer whose columns each unit computes before it needs them.
        var first: (any Operation)?
        let operation: any Operation
        let units: [Unit]
    }

    private struct Unit {
        /// All rows, or some.
        var rows: Range<Int>
        /// Columns of the phase's operation; `nil`: all.
        var columns: [Range<Int>]?
        /// Columns of the linear layer before it.
        var inputs: [Range<Int>] = []
    }

    private let encoder: TransformerEncoder
    private let batch: LoadedBatch
    private let chunk: Chunk
    private let activations: Activations
    private let threads: Int
    private let phases: [Phase]

    /// The number of the current phase, times ``phaseStep``, plus the number of its next free unit.
    private let claim = Atomic<Int>(0)
    /// Finished units of that phase.
    private let done = Atomic<Int>(0)
    private static let phaseStep = 1 << 32

    /// - Returns: `nil` for an encoder whose widths are no multiples of the products' tiles.
    init?(_ encoder: TransformerEncoder, _ batch: LoadedBatch, threads: Int) {
        guard batch.count > 0 else { return nil }
        chunk = Chunk(texts: 0..<batch.count, firstToken: 0, starts: batch.offsets)
        var phases: [Phase] = []
        for section in 0...encoder.configuration.layerCount {
            phases += Self.phases(
                encoder.network.section(section).operations, section: section, tokens: chunk.tokens, threads: threads)
        }
        // Products begin at whole tiles. Attention's units are heads, and only their columns of the product before it matter.
        let beginsAtTiles = phases.allSatisfy { phase in
            phase.units.allSatisfy { unit in
                let columns = phase.operation.isRowwise ? (unit.columns ?? []) + unit.inputs : unit.inputs
                return columns.allSatisfy { $0.lowerBound % PackedWeights.columnTile == 0 }
            }
        }
        guard beginsAtTiles else { return nil }
        (self.encoder, self.batch, self.threads, self.phases) = (encoder, batch, threads, phases)
        encoder.reserveWorkspaces(threads, for: [chunk], training: false, blockRows: chunk.tokens)
        activations = encoder.workspaces[0].transientActivations(tokens: chunk.tokens)
    }

    /// Cuts operations into phases. An operation that reads only some columns of the linear layer before it shares its phase.
    private static func phases(
        _ operations: [any Operation], section: Int, tokens: Int, threads: Int
    ) -> [Phase] {
        var phases: [Phase] = []
        let all = 0..<tokens
        for operation in operations {
            switch operation.sharing {
            case .rows:
                let units = cut(tokens, grain: 16, pieces: threads).map { Unit(rows: $0) }
                phases.append(Phase(section: section, operation: operation, units: units))
            case .columns(let count, let grain):
                let units = cut(count, grain: grain, pieces: 2 * threads).map { Unit(rows: all, columns: [$0]) }
                phases.append(Phase(section: section, operation: operation, units: units))
            case .columnsWithInput(let count, let grain, let inputs):
                // More units than for products alone: the activation's time depends on the thread's luck with the caches.
                let pieces = operation.isRowwise ? 4 * threads : 2 * threads
                let units = cut(count, grain: grain, pieces: pieces).map {
                    Unit(rows: all, columns: [$0], inputs: inputs($0))
                }
                let first = phases.popLast()
                phases.append(Phase(section: section, first: first?.operation, operation: operation, units: units))
            }
        }
        return phases
    }

    /// Cuts `0 ..< count` into at most `pieces` ranges of whole grains; the last grain may be smaller.
    private static func cut(_ count: Int, grain: Int, pieces: Int) -> [Range<Int>] {
        let grains = (count + grain - 1) / grain
        let pieces = min(pieces, grains)
        return (0..<pieces).map { piece in
            piece * grains / pieces * grain..<min(count, (piece + 1) * grains / pieces * grain)
        }
    }

    /// The texts' vectors. To be called once.
    func embed() -> Matrix {
        var pooled = Matrix(rows: batch.count, columns: encoder.dimension)
        encoder.withFrame(.embedding, chunk, batch, .none, activations, encoder.workspaces[0]) { frame in
            encoder.lookUp(frame)
            parallelFor(threads) { self.work(as: $0) }
            pooled.values.withUnsafeMutableBufferPointer { values in
                if let values = values.baseAddress { encoder.pool(frame, into: values) }
            }
        }
        return pooled
    }

    /// Takes units until all phases have ended.
    private func work(as worker: Int) {
        encoder.withFrame(
            .embedding, chunk, batch, .none, activations, encoder.workspaces[0], scratch: encoder.workspaces[worker]
        ) {
            frame in
            while true {
                let claimed = claim.wrappingAdd(1, ordering: .acquiringAndReleasing).oldValue
                let (number, unit) = (claimed / Self.phaseStep, claimed % Self.phaseStep)
                guard number < phases.count else { return }
                guard unit < phases[number].units.count else {
                    waitForEnd(of: number)
                    continue
                }
                run(phases[number], phases[number].units[unit], frame)
                if done.wrappingAdd(1, ordering: .acquiringAndReleasing).newValue == phases[number].units.count {
                    done.store(0, ordering: .relaxed)
                    claim.store((number + 1) * Self.phaseStep, ordering: .releasing)
                }
            }
        }
    }

    private func run(_ phase: Phase, _ unit: Unit, _ frame: Frame) {
        frame.layer = phase.section
        phase.first?.forward(unit.rows, columns: unit.inputs, frame)
        phase.operation.forward(unit.rows, columns: unit.columns, frame)
    }

    private func waitForEnd(of number: Int) {
        var rounds = 0
        while claim.load(ordering: .acquiring) / Self.phaseStep == number {
            rounds += 1
            // The phase usually ends soon. If not, the core may be needed by another process.
            if rounds < 2000 { mafin_spin_pause() } else { sched_yield() }
        }
    }
}
