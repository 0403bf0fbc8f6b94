import MafinRetrieval
import Synchronization

/// The three parts that a collection's labels are used in, whatever its format brings: learned from, chosen on, measured on.
///
/// Splits that the collection has are taken as they are. A collection with one split (a single file) is cut by document, so
/// that no part's answers are another's; a BEIR folder without `dev` gives up a share of `train`, by document too.
public struct JudgedSplits: Sendable {
    /// A part of the labels.
    public enum Part: String, Sendable, CaseIterable {
        /// To learn from.
        case train
        /// To choose on.
        case dev
        /// To measure on.
        case test
    }

    /// Share of `train` that becomes `dev` where a collection has none.
    public static let heldOutShare = 0.15

    /// The seed of every command, so that what one trains on another does not measure on.
    public static let standardSeed: UInt64 = 1

    private let collection: RetrievalCollection
    /// Labels that were read or cut already.
    private let known = Known()
    /// Seed of the cuts, which are the same for the same seed.
    public let seed: UInt64

    private final class Known: Sendable {
        let splits = Mutex<[String: Qrels]>([:])
    }

    /// Splits of a collection; nothing is read yet. Labels are read once, when they are first asked for.
    public init(_ collection: RetrievalCollection, seed: UInt64) {
        self.collection = collection
        self.seed = seed
    }

    /// The labels of a split by name: a part, or any split that the collection has.
    /// - Throws: `RetrievalError` for an unknown split, damaged labels, or labels that cannot be cut by document.
    public func qrels(_ name: String) throws -> Qrels {
        if let qrels = known.splits.withLock({ $0[name] }) { return qrels }
        let qrels = try read(name)
        known.splits.withLock { $0[name] = qrels }
        return qrels
    }

    private func read(_ name: String) throws -> Qrels {
        let available = collection.splits
        if available == [RetrievalCollection.wholeSplit], let part = Part(rawValue: name) {
            let shares = [(name: "train", share: 0.6), (name: "dev", share: 0.15), (name: "test", share: 0.25)]
            return try collection.qrels(split: RetrievalCollection.wholeSplit)
                .split(byDocument: shares, seed: seed)[part.rawValue] ?? Qrels()
        }
        guard !available.contains("dev"), available.contains("train"), name == "train" || name == "dev" else {
            return try collection.qrels(split: name)
        }
        let shares = [(name: "train", share: 1 - Self.heldOutShare), (name: "dev", share: Self.heldOutShare)]
        return try collection.qrels(split: "train").split(byDocument: shares, seed: seed)[name] ?? Qrels()
    }

    /// The labels of a part.
    /// - Throws: `RetrievalError`, see ``qrels(_:)-(String)``.
    public func qrels(_ part: Part) throws -> Qrels { try qrels(part.rawValue) }
}
