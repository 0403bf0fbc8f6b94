import CMafinKernels
import MafinNumerics

extension BERTEncoder {
    /// Memory for activations where no limit is given: a quarter of the machine's, 2 GiB at most. More than that seldom saves
    /// anything: the trainer's own passes are not longer.
    static let standardActivationBudget = min(2 << 30, MachineMemory.bytes / 4)

    /// Sets ``activationBudget`` so that training takes so many bytes at most, whatever the size of a batch: weights, their
    /// gradients and moments, scratch memory of every thread, activations. Gradients stay equal; the less memory, the more is
    /// computed twice, at most each forward pass.
    ///
    /// Texts, tokens, stored vectors and, where layers are frozen, what goes into the first that trains come on top.
    /// - Parameter copiesOfWeights: copies that the caller keeps and that count too.
    /// - Throws: ``EncoderError/memory(needed:given:)`` where not even a pass that keeps nothing fits.
    public func limitTrainingMemory(to bytes: Int, copiesOfWeights: Int = 0) throws {
        let needed = leastTrainingMemory + copiesOfWeights * layout.count * MemoryLayout<Float>.stride
        guard bytes >= needed else { throw EncoderError.memory(needed: needed, given: bytes) }
        var rest = bytes - needed
        if frozenLayers > 0 {
            frozenOutputBudget = min(frozenOutputBudget, rest / 2)
            rest -= frozenOutputBudget
        }
        // More than the machine has would only be reserved.
        activationBudget = min(rest, MachineMemory.bytes)
    }

    /// What training takes, in bytes, where no activations are kept: an upper bound for the current number of threads.
    public var leastTrainingMemory: Int {
        let dense = layout.count - layout.denseStart
        // Weights and both moments are of all parameters, gradients and weights packed for either direction of the dense ones.
        // Of the words there are as many gradients as words of a batch, at most.
        let parameters = 3 * layout.count + 3 * dense + layout.denseStart
        let longest = configuration.maximumPositions
        // Half a text at either end is what a chunk may be longer than the mean.
        let tokens = Self.trainingChunk + longest
        let hidden = configuration.hiddenSize
        let tile = Workspace.rowBlock * mafin_packed_columns(longest)
        let heads =
            2 * mafin_packed_size(longest, configuration.headSize)
            + 2 * mafin_packed_size(configuration.headSize, longest)
        let scratch =
            tokens * (3 * hidden + configuration.intermediateSize)
            + Workspace.rowBlock * (2 * hidden + configuration.intermediateSize) + 3 * tile + heads
            + Activations.count(configuration, tokens: tokens, layers: max(1, trainableLayers.count))
        return (parameters + Parallelism.threads * scratch) * MemoryLayout<Float>.stride
    }
}
