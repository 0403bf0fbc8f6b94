import CMafinKernels

/// The activations of a chunk's forward pass in bfloat16, which take half of the memory of ``Activations``.
///
/// Operations work on floats: a section's slots are rounded into this after its forward pass and read back before its backward pass.
/// Narrow slots (1/σ of norms, the log of attention's sums) stay floats, because probabilities are exponentials of them.
struct HalvedActivations: @unchecked Sendable {
    private struct Slot {
        let count: Int
        let isHalved: Bool
        let pointer: UnsafeMutablePointer<Float>
    }

    /// The slots of each section, from the embeddings' on; none of a section that is not kept.
    private let slots: [[Slot]]

    /// Number of floats whose memory is enough for `tokens` tokens.
    static func count(_ network: Network, tokens: Int, keeping layers: Range<Int>) -> Int {
        sections(network, keeping: layers).joined().reduce(0) { $0 + size($1, tokens, network) }
    }

    /// The widths of the slots of each section, from the embeddings' on.
    private static func sections(_ network: Network, keeping layers: Range<Int>) -> [[Int]] {
        [network.embeddingSection.slots]
            + network.layers.enumerated().map { layers.contains($0) ? $1.slots : [] } + [network.last.slots]
    }

    private static func isHalved(_ width: Int, _ network: Network) -> Bool { width >= network.configuration.hiddenSize }

    /// Floats of a slot, in whole cache lines.
    private static func size(_ width: Int, _ tokens: Int, _ network: Network) -> Int {
        let floats = isHalved(width, network) ? (tokens * width + 1) / 2 : tokens * width
        return (floats + 15) / 16 * 16
    }

    /// - Parameter storage: at least ``count(_:tokens:keeping:)`` floats.
    init(_ network: Network, tokens: Int, keeping layers: Range<Int>, storage: UnsafeMutablePointer<Float>) {
        var next = storage
        slots = Self.sections(network, keeping: layers).map { widths in
            widths.map { width in
                defer { next += Self.size(width, tokens, network) }
                return Slot(count: tokens * width, isHalved: Self.isHalved(width, network), pointer: next)
            }
        }
    }

    /// Keeps the slots of a section.
    func keep(_ section: Int, from activations: Activations) {
        for (index, slot) in slots[section + 1].enumerated() {
            let values = activations[section, index]
            if slot.isHalved {
                mafin_to_bfloat16(slot.count, values, slot.pointer.bfloat16)
            } else {
                slot.pointer.update(from: values, count: slot.count)
            }
        }
    }

    /// Writes the slots of a section back as floats. Does nothing for one that was not kept.
    func restore(_ section: Int, into activations: Activations) {
        for (index, slot) in slots[section + 1].enumerated() {
            let values = activations[section, index]
            if slot.isHalved {
                mafin_from_bfloat16(slot.count, slot.pointer.bfloat16, values)
            } else {
                values.update(from: slot.pointer, count: slot.count)
            }
        }
    }
}
