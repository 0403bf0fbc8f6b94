import Foundation
import MafinMethod
import MafinNumerics

/// An encoder with ``StandInHeads`` on top, as the trainer sees it: its vector of a text is `[a z_bb ; b z_local]`, whose
/// inner product with a document's `[d_bb ; d_local]` is `a s_bb + b s_local`.
///
/// Encoder and heads learn together. The heads have a learning rate of their own, because they have no pre-training to
/// keep.
final class StandInEncoder<Base: TrainableEncoder>: TrainableEncoder {
    let base: Base
    private(set) var heads: StandInHeads
    /// a and b.
    let shares: (blackBox: Float, local: Float)
    /// The heads' learning rate divided by the encoder's.
    let headRate: Float
    private var gradient: [Float]
    private var optimizer: AdamW

    init(_ base: Base, heads: StandInHeads, shares: (blackBox: Float, local: Float), headRate: Float) {
        precondition(
            heads.inputs == base.dimension, "heads for \(heads.inputs) columns on an encoder of \(base.dimension)")
        (self.base, self.heads, self.shares, self.headRate) = (base, heads, shares, headRate)
        let count = heads.parameters.count
        gradient = [Float](repeating: 0, count: count)
        optimizer = AdamW(count: count, options: AdamWOptions(weightDecay: 0))
    }

    /// A forward pass: the base's, and what the heads' backward pass reads.
    struct Pass {
        var base: Base.Pass
        var heads: StandInHeads.Pass
    }

    var dimension: Int { heads.blackBox.columns + (heads.local?.columns ?? 0) }

    var identity: String {
        "stand-in of weights \(shares.blackBox) and \(shares.local), head rate \(headRate), on \(base.identity)"
    }

    func embed(_ inputs: Base.Inputs) throws -> Matrix { joined(heads.forward(try base.embed(inputs))) }

    func forward(_ inputs: Base.Inputs, dropoutSeed: UInt64?) throws -> Pass {
        let pass = try base.forward(inputs, dropoutSeed: dropoutSeed)
        return Pass(base: pass, heads: heads.forward(base.embeddings(of: pass)))
    }

    func embeddings(of pass: Pass) -> Matrix { joined(pass.heads) }

    func backward(_ pass: Pass, gradient output: Matrix) throws {
        var blackBox = output.selecting(columns: 0..<heads.blackBox.columns)
        blackBox.scale(by: shares.blackBox)
        var local: Matrix?
        if heads.local != nil {
            var part = output.selecting(columns: heads.blackBox.columns..<output.columns)
            part.scale(by: shares.local)
            local = part
        }
        let below = heads.backward(blackBox: blackBox, local: local, pass: pass.heads, into: &gradient)
        try base.backward(pass.base, gradient: below)
    }

    func update(learningRate: Float, maximumGradientNorm: Float?) throws -> Float {
        let norm = try base.update(learningRate: learningRate, maximumGradientNorm: maximumGradientNorm)
        let own = gradient.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
        defer { for index in gradient.indices { gradient[index] = 0 } }
        guard norm.isFinite, own.isFinite else { return .nan }
        if let maximumGradientNorm, own > Double(maximumGradientNorm) {
            let factor = Float(Double(maximumGradientNorm) / own)
            for index in gradient.indices { gradient[index] *= factor }
        }
        var parameters = heads.parameters
        optimizer.update(&parameters, gradient: gradient, learningRate: headRate * learningRate)
        heads.parameters = parameters
        return norm
    }

    func weights() -> [Float] { base.weights() + heads.parameters }

    func restore(weights: [Float]) {
        let count = heads.parameters.count
        base.restore(weights: Array(weights.dropLast(count)))
        heads.parameters = Array(weights.suffix(count))
    }

    // MARK: Checkpoints

    private static var stateName: String { "stand-in.json" }

    private struct State: Codable {
        var heads: [Float]
        var optimizer: AdamW
    }

    func saveTrainingState(to folder: URL) throws {
        try base.saveTrainingState(to: folder)
        try AtomicFile.write(
            JSONEncoder().encode(State(heads: heads.parameters, optimizer: optimizer)),
            to: folder.appendingPathComponent(Self.stateName))
    }

    func restoreTrainingState(from folder: URL) throws {
        try base.restoreTrainingState(from: folder)
        let state = try JSONDecoder().decode(
            State.self, from: Data(contentsOf: folder.appendingPathComponent(Self.stateName)))
        guard state.heads.count == heads.parameters.count else {
            throw TrainingError.size(
                part: "stand-in's heads in the checkpoint", expected: heads.parameters.count, found: state.heads.count)
        }
        (heads.parameters, optimizer) = (state.heads, state.optimizer)
    }

    private func joined(_ pass: StandInHeads.Pass) -> Matrix {
        StandInHeads.joined(pass.blackBox.unit, pass.local?.unit, weights: shares)
    }
}
