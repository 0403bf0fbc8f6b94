import Foundation
import MafinMethod
import MafinPipeline
import MafinRetrieval

/// A way to better a ranking from labels, to be compared with a trained encoder on the same labels.
///
/// It learns from the training queries, makes every choice on the development queries, and sees no text and no other label. The same data and
/// seed give the same system.
public protocol Rival: Sendable {
    /// Its name in tables and JSON.
    var name: String { get }

    /// Learns and chooses.
    /// - Parameters:
    ///   - data: labels, and what is chosen by.
    ///   - seed: of whatever it draws.
    ///   - isCancelled: asked now and then.
    /// - Throws: `CancellationError` when cancelled; ``TrainingError`` and ``CombinationError`` for data that it cannot learn from.
    func fit(to data: RivalData, seed: UInt64, isCancelled: () -> Bool) throws -> FittedRival
}

extension Rival {
    /// Learns and chooses, to the end.
    public func fit(to data: RivalData, seed: UInt64 = 1) throws -> FittedRival {
        try fit(to: data, seed: seed, isCancelled: { false })
    }
}

/// A rival after it has learned.
public struct FittedRival: Sendable {
    /// Its name in tables and JSON.
    public let name: String
    /// What ranks.
    public let system: any RankingSystem
    /// The metric on the development queries, on which its choices were made: it flatters a little.
    public let development: Double
    /// What was chosen there, by name.
    public let choices: [String: ManifestValue]

    /// A rival from its parts.
    public init(name: String, system: any RankingSystem, development: Double, choices: [String: ManifestValue] = [:]) {
        self.name = name
        self.system = system
        self.development = development
        self.choices = choices
    }

    /// Its vectors where it ranks by vectors: what an index is filled with.
    public var vectors: VectorSystem? { system as? VectorSystem }
}
