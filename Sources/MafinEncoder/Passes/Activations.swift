/// The activations of a chunk's forward pass that its backward pass needs: the slots of each section of the network.
///
/// Layer inputs and the outputs of activations are not kept. They are recomputed, which is cheap and saves a third of the memory.
struct Activations: @unchecked Sendable {
    /// The index of the embeddings' section; layers count from 0, and the section after the last layer is one further.
    static let embeddings = -1

    /// The slots of each section, from the embeddings' on. Sections that share memory have equal pointers.
    private let slots: [[UnsafeMutablePointer<Float>]]

    /// Number of floats for `tokens` tokens.
    /// - Parameters:
    ///   - layers: layers with activations of their own; `nil`: all layers share those of one.
    ///   - shares: if all share, the number of layers whose activations exist at a time.
    static func count(_ network: Network, tokens: Int, keeping layers: Range<Int>?, shares: Int = 1) -> Int {
        let counts = network.layers.map { count($0, tokens) }
        let each = layers.map { counts[$0].reduce(0, +) } ?? shares * (counts.max() ?? 0)
        return count(network.embeddingSection, tokens) + each + count(network.last, tokens)
    }

    private static func count(_ section: Network.Section, _ tokens: Int) -> Int {
        section.slots.reduce(0) { $0 + aligned(tokens * $1) }
    }

    /// Rows begin at cache lines, so that no vector is stored across two of them.
    private static func aligned(_ count: Int) -> Int { (count + 15) / 16 * 16 }

    /// - Parameters:
    ///   - keeping: layers with activations of their own; `nil`: all layers share those of one.
    ///   - shares: if all share, the number of layers whose activations exist at a time.
    ///   - storage: at least ``count(_:tokens:keeping:shares:)`` floats.
    init(
        _ network: Network, tokens: Int, keeping layers: Range<Int>?, shares: Int = 1,
        storage: UnsafeMutablePointer<Float>
    ) {
        var next = storage
        func place(_ section: Network.Section, at start: UnsafeMutablePointer<Float>) -> [UnsafeMutablePointer<Float>] {
            var next = start
            return section.slots.map { width in
                defer { next += Self.aligned(tokens * width) }
                return next
            }
        }
        func take(_ section: Network.Section) -> [UnsafeMutablePointer<Float>] {
            defer { next += Self.count(section, tokens) }
            return place(section, at: next)
        }
        var slots = [take(network.embeddingSection)]
        let shared = next
        let largest = network.layers.map { Self.count($0, tokens) }.max() ?? 0
        if layers == nil { next += shares * largest }
        for (index, section) in network.layers.enumerated() {
            if let layers {
                slots.append(layers.contains(index) ? take(section) : [])
            } else {
                slots.append(place(section, at: shared + index % shares * largest))
            }
        }
        slots.append(take(network.last))
        self.slots = slots
    }

    /// The beginning of a slot of a section.
    subscript(section: Int, slot: Int) -> UnsafeMutablePointer<Float> { slots[section + 1][slot] }
}
