import CMafinKernels
import Foundation
import MafinNumerics
import MafinText
import Synchronization

/// A forward pass in which several threads share each layer of one chunk, so that a single query is answered sooner.
///
/// A layer is six phases, each cut into units. A free thread takes the next unit; a phase begins when the one before has ended.
/// A thread that starts late finds the work done: no thread waits for one that has taken no unit. Units do not depend on the
/// thread that takes them, and so neither does the result.
///
/// ``EncoderLayer/forward(_:_:_:)`` computes the same layer another way, and both are kept. That one takes a chunk alone, in blocks of rows that
/// stay in its core's cache; it drops out and is timed. A single query has too few rows to share, so here threads share the columns of each
/// product. `BatchingTests.fewTextsOnManyThreads` holds the vectors of both equal.
final class CooperativeForward: @unchecked Sendable {
    private enum Phase: Int, CaseIterable {
        case attention, attentionOutput, attentionNorm, up, down, outputNorm
    }

    private let encoder: BERTEncoder
    private let batch: TokenBatch
    private let chunk: Chunk
    private let saved: Activations
    private let threads: Int
    /// Units of each phase: heads, columns or rows.
    private let units: [[Range<Int>]]

    /// The number of the current phase, times ``phaseStep``, plus the number of its next free unit.
    private let claim = Atomic<Int>(0)
    /// Finished units of that phase.
    private let done = Atomic<Int>(0)
    private static let phaseStep = 1 << 32

    private var configuration: EncoderConfiguration { encoder.configuration }
    private var workspace: Workspace { encoder.workspaces[0] }
    private var phaseCount: Int { Phase.allCases.count * configuration.layerCount }

    /// - Returns: `nil` for an encoder whose width is no multiple of the products' tiles.
    init?(_ encoder: BERTEncoder, _ batch: TokenBatch, threads: Int) {
        let tile = PackedWeights.columnTile
        let configuration = encoder.configuration
        let hidden = configuration.hiddenSize
        guard batch.count > 0, hidden % tile == 0 else { return nil }
        // A unit of heads fills whole tiles.
        var heads = 1
        while heads * configuration.headSize % tile != 0 { heads += 1 }
        guard configuration.headCount % heads == 0 else { return nil }
        chunk = Chunk(texts: 0..<batch.count, firstToken: 0, starts: batch.offsets)
        let rows = Self.cut(chunk.tokens, grain: 16, pieces: threads)
        units = Phase.allCases.map { phase in
            switch phase {
            case .attention: Self.cut(configuration.headCount, grain: heads, pieces: 2 * threads)
            case .attentionOutput, .down: Self.cut(hidden, grain: tile, pieces: 2 * threads)
            case .up: Self.cut(configuration.intermediateSize, grain: tile, pieces: 4 * threads)
            case .attentionNorm, .outputNorm: rows
            }
        }
        (self.encoder, self.batch, self.threads) = (encoder, batch, threads)
        encoder.reserveWorkspaces(threads, for: [chunk], training: false, activatedRows: chunk.tokens)
        saved = encoder.workspaces[0].transientActivations(tokens: chunk.tokens)
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
        encoder.lookUp(chunk, batch, dropout: .none, saved, workspace)
        parallelFor(threads) { self.work(as: $0) }
        var pooled = Matrix(rows: batch.count, columns: encoder.dimension)
        pooled.values.withUnsafeMutableBufferPointer { values in
            if let values = values.baseAddress { encoder.pool(chunk, workspace, into: values) }
        }
        return pooled
    }

    /// Takes units until all phases have ended.
    private func work(as worker: Int) {
        while true {
            let claimed = claim.wrappingAdd(1, ordering: .acquiringAndReleasing).oldValue
            let (number, unit) = (claimed / Self.phaseStep, claimed % Self.phaseStep)
            guard number < phaseCount else { return }
            let (layer, step) = number.quotientAndRemainder(dividingBy: Phase.allCases.count)
            guard unit < units[step].count else {
                waitForEnd(of: number)
                continue
            }
            run(Phase.allCases[step], encoder.layer(layer, .none), units[step][unit], encoder.workspaces[worker])
            if done.wrappingAdd(1, ordering: .acquiringAndReleasing).newValue == units[step].count {
                done.store(0, ordering: .relaxed)
                claim.store((number + 1) * Self.phaseStep, ordering: .releasing)
            }
        }
    }

    private func waitForEnd(of number: Int) {
        var rounds = 0
        while claim.load(ordering: .acquiring) / Self.phaseStep == number {
            rounds += 1
            // The phase usually ends soon. If not, the core may be needed by another process.
            if rounds < 2000 { mafin_spin_pause() } else { sched_yield() }
        }
    }

    private func run(_ phase: Phase, _ layer: EncoderLayer, _ unit: Range<Int>, _ own: Workspace) {
        let weights = encoder.packed.layers[layer.index]
        let parameters = encoder.parameters.pointer
        let saved = saved[layer.index]
        let x = workspace.hidden.pointer
        let tokens = chunk.tokens
        let (hidden, intermediate) = (configuration.hiddenSize, configuration.intermediateSize)
        switch phase {
        case .attention:
            let columns = unit.lowerBound * configuration.headSize..<unit.upperBound * configuration.headSize
            for part in 0..<3 {
                let columns = part * hidden + columns.lowerBound..<part * hidden + columns.upperBound
                encoder.packed.forward(
                    weights.queryKeyValue, columns: columns, rows: tokens, x, into: saved.queryKeyValue)
                for row in 0..<tokens {
                    mafin_add_bias(
                        1, columns.count, saved.queryKeyValue + row * 3 * hidden + columns.lowerBound,
                        parameters + layer.offsets.queryKeyValueBias + columns.lowerBound)
                }
            }
            layer.attention.forward(chunk, saved, own, heads: unit)
        case .attentionOutput:
            encoder.packed.forward(
                weights.attentionOutput, columns: unit, rows: tokens, saved.context, into: saved.attentionNorm)
        case .attentionNorm:
            norm(
                unit, layer, saved.attentionNorm, saved.attentionScale, bias: layer.offsets.attentionOutputBias,
                gain: layer.offsets.attentionNormGain, shift: layer.offsets.attentionNormBias)
        case .up:
            encoder.packed.forward(weights.up, columns: unit, rows: tokens, x, into: saved.up)
            for row in 0..<tokens {
                let start = row * intermediate + unit.lowerBound
                mafin_bias_gelu(
                    1, unit.count, saved.up + start, parameters + layer.offsets.upBias + unit.lowerBound,
                    workspace.activated.pointer + start)
            }
        case .down:
            encoder.packed.forward(
                weights.down, columns: unit, rows: tokens, workspace.activated.pointer, into: saved.outputNorm)
        case .outputNorm:
            norm(
                unit, layer, saved.outputNorm, saved.outputScale, bias: layer.offsets.downBias,
                gain: layer.offsets.outputNormGain, shift: layer.offsets.outputNormBias)
        }
    }

    /// x = layer norm of (dense + bias + x), in the given rows; overwrites `dense`.
    private func norm(
        _ rows: Range<Int>, _ layer: EncoderLayer, _ dense: UnsafeMutablePointer<Float>,
        _ scale: UnsafeMutablePointer<Float>, bias: Int, gain: Int, shift: Int
    ) {
        let start = rows.lowerBound * configuration.hiddenSize
        let x = workspace.hidden.pointer + start
        mafin_residual_layer_norm(
            rows.count, configuration.hiddenSize, dense + start, encoder.parameters.pointer + bias, x,
            Dropout.none.mask(.embeddings, firstRow: 0), configuration.layerNormEpsilon, dense + start,
            scale + rows.lowerBound)
        layer.affine(rows.count, dense + start, gain, shift, x)
    }
}
