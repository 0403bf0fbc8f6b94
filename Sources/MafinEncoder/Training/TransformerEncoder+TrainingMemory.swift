import CMafinKernels
import MafinNumerics

extension TransformerEncoder {
    /// The default of ``activationBudget``: a quarter of the machine's memory, at most 2 GiB. The trainer's passes
    /// seldom need more.
    static let standardActivationBudget = min(2 << 30, MachineMemory.bytes / 4)

    /// Sets ``activationBudget`` so that training takes at most `bytes`, whatever the size of a batch. The limit covers
    /// weights, gradients, moments, activations and the scratch memory of every thread. It does not cover texts,
    /// tokens, stored vectors and, if layers are frozen, the input of the first layer that is trained.
    ///
    /// Gradients do not depend on the limit. With less memory, more of the forward pass is computed twice, at most all
    /// of it.
    /// - Parameter copiesOfWeights: number of copies of the weights that the caller keeps. They count too.
    /// - Throws: ``EncoderError/memory(needed:given:)`` if training does not fit even without kept activations.
    public func limitTrainingMemory(to bytes: Int, copiesOfWeights: Int = 0) throws {
        let needed = leastTrainingMemory + copiesOfWeights * trainedParameterCount * MemoryLayout<Float>.stride
        guard bytes >= needed else { throw EncoderError.memory(needed: needed, given: bytes) }
        var rest = bytes - needed
        if frozenLayers > 0 {
            frozenOutputBudget = min(frozenOutputBudget, rest / 2)
            rest -= frozenOutputBudget
        }
        // A budget above the machine's memory is useless.
        activationBudget = min(rest, MachineMemory.bytes)
    }

    /// Bytes that training takes if no activations are kept. It is an upper bound for the current number of threads.
    public var leastTrainingMemory: Int {
        // Trained parameters have two moments, and those of the dense part gradients. Word embeddings have at most one
        // gradient per row. Linear weights are packed for both directions.
        let parameters = layout.count + 3 * trainedParameterCount + 2 * packed(trainingPrecision).count
        let longest = configuration.maximumPositions
        // A chunk may be longer than the mean by half a text at either end.
        let tokens = Self.trainingChunk + longest
        let kept = trainableLayers.isEmpty ? nil : trainableLayers
        let activations: Int
        switch (trainingPrecision, kept) {
        case (.bfloat16, let kept?):
            let widest = network.weights.map {
                (mafin_bfloat16_rows_size($0.outputs, tokens) + mafin_bfloat16_packed_size($0.inputs, tokens) + 32) / 2
            }
            activations =
                HalvedActivations.count(network, tokens: tokens, keeping: kept)
                + Activations.count(network, tokens: tokens, keeping: nil, shares: 2) + (widest.max() ?? 0)
        default: activations = Activations.count(network, tokens: tokens, keeping: kept)
        }
        let scratch = Workspace.trainingCount(network, tokens: tokens, longest: longest) + activations
        return (parameters + Parallelism.threads * scratch) * MemoryLayout<Float>.stride
    }
}
