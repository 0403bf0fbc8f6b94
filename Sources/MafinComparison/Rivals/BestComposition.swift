import MafinMethod
import MafinRetrieval

/// The best sum of everything that costs no training of its own: the given systems, their documents moved by NUDGE, and memories of training queries by
/// each of them. What brings nothing on dev stays out (``Composition``).
public struct BestComposition: Rival {
    /// Its name in tables and JSON.
    public let name: String
    /// Embeddings by name.
    public let embeddings: [(name: String, vectors: VectorSystem)]
    /// Systems without vectors, such as BM25, by name.
    public let others: [(name: String, system: any RankingSystem)]
    /// Values of τ and ν of the memories that are offered; several may be taken at once.
    public var memories: [(bandwidth: Float, sharing: Double)] = Self.standardMemories

    /// Memories of near questions and of farther ones, with and without dividing a question's say among its answers.
    public static let standardMemories: [(bandwidth: Float, sharing: Double)] = [
        (0.03, 0.5), (0.05, 0), (0.05, 0.5), (0.1, 0), (0.1, 0.5),
    ]

    /// A composition of embeddings and other systems.
    public init(
        embeddings: [(name: String, vectors: VectorSystem)], others: [(name: String, system: any RankingSystem)] = [],
        name: String = "composition"
    ) {
        precondition(!embeddings.isEmpty || !others.isEmpty, "a composition of nothing")
        self.embeddings = embeddings
        self.others = others
        self.name = name
    }

    /// See ``Rival/fit(to:seed:isCancelled:)``; nothing is drawn.
    public func fit(to data: RivalData, seed: UInt64, isCancelled: () -> Bool) throws -> FittedRival {
        var parts = others
        for (embedding, vectors) in embeddings {
            let unit = try vectors.normalized()
            parts.append((embedding, vectors))
            let moved = try NudgeN(unit, steps: Self.steps, criterion: nil).fit(
                to: data, seed: seed, isCancelled: isCancelled)
            parts.append(("\(embedding)+nudge-n", moved.system))
            for (bandwidth, sharing) in memories {
                parts.append(
                    (
                        "\(embedding) memory τ=\(bandwidth) ν=\(sharing)",
                        QueryMemory(unit.queries, index: data.index, bandwidth: bandwidth, sharing: sharing)
                    ))
            }
        }
        let fitted = try Composition(parts, name: name).fit(to: data, seed: seed, isCancelled: isCancelled)
        return fitted
    }

    /// Fewer steps of NUDGE than published, and farther: beside other systems the exact one does not matter.
    static let steps: [Double] = (0...15).map { 0.06 * Double($0) }
}
