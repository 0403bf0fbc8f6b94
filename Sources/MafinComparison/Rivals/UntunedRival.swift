import MafinMethod
import MafinRetrieval

/// A system with nothing to learn or choose, to stand in a list of rivals: BM25 as it is, reciprocal rank fusion.
public struct UntunedRival: Rival {
    /// Its name in tables and JSON.
    public let name: String
    /// What ranks.
    public let system: any RankingSystem

    /// A system by a name.
    public init(_ system: any RankingSystem, name: String) {
        self.system = system
        self.name = name
    }

    /// See ``Rival/fit(to:seed:isCancelled:)``; only measures.
    public func fit(to data: RivalData, seed: UInt64, isCancelled: () -> Bool) throws -> FittedRival {
        FittedRival(name: name, system: system, development: try data.development(of: system))
    }
}
