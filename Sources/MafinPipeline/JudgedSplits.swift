import MafinRetrieval
import Synchronization

/// The three parts that a collection's labels are used in, whatever its format brings: learned from, chosen on, measured on.
///
/// Splits that the collection has are taken as they are, but for leaks: a query of `train` or `dev` whose text a query of the measured split
/// has too is left out, and so is a query of `train` with the text of one of `dev`. A single file is cut by content, so that no part has a
/// query or a relevant document of another; a BEIR folder without `dev` gives up a share of `train` in the same way.
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

    /// The collection.
    public let collection: RetrievalCollection
    /// Seed of the cuts, which are the same for the same seed.
    public let seed: UInt64
    /// The split whose queries `train` and `dev` must not know.
    public let measured: String
    /// Whether queries of `train` and `dev` stay that the measured split has too.
    public let allowsLeaks: Bool
    /// Labels that were read or cut already.
    private let known = Known()
    private let cleaned = Known()

    private final class Known: Sendable {
        private let splits = Mutex<[String: Qrels]>([:])

        func qrels(_ key: String, _ make: () throws -> Qrels) rethrows -> Qrels {
            if let found = splits.withLock({ $0[key] }) { return found }
            let made = try make()
            splits.withLock { $0[key] = made }
            return made
        }
    }

    /// Splits of a collection; nothing is read yet. Labels are read once, when they are first asked for.
    public init(
        _ collection: RetrievalCollection, seed: UInt64 = standardSeed, measured: String = Part.test.rawValue,
        allowsLeaks: Bool = false
    ) {
        self.collection = collection
        self.seed = seed
        self.measured = measured
        self.allowsLeaks = allowsLeaks
    }

    /// The labels of a split by name: a part, or any split that the collection has.
    /// - Throws: `RetrievalError` for an unknown split, damaged labels, labels that cannot be cut by content, or where leaks leave nothing.
    public func qrels(_ name: String) throws -> Qrels {
        guard name == Part.train.rawValue || name == Part.dev.rawValue else { return try whole(name) }
        return try cleaned.qrels(name) { try withoutLeaks(name) }
    }

    /// The labels of a part.
    /// - Throws: `RetrievalError`, see ``qrels(_:)-(String)``.
    public func qrels(_ part: Part) throws -> Qrels { try qrels(part.rawValue) }

    /// Queries of `train` and `dev` that ``qrels(_:)-(Part)`` leaves out because a query of the measured split has their text, in the order of
    /// the collection. With ``allowsLeaks`` they are the queries that stay all the same.
    /// - Throws: `RetrievalError`, see ``qrels(_:)-(String)``.
    public func leaks() throws -> [Query] {
        guard let other = try measuredQueries() else { return [] }
        let learned = try [Part.train, .dev].map { try whole($0.rawValue) }
        return other.among(collection.queries.filter { query in learned.contains { $0[query.id] != nil } })
    }

    /// The queries that a system trained on these splits knows.
    /// - Throws: `RetrievalError`, see ``qrels(_:)-(String)``.
    public func knownQueries() throws -> KnownQueries {
        let learned = try [Part.train, .dev].map { try qrels($0) }
        return KnownQueries(collection.queries.filter { query in learned.contains { $0[query.id] != nil } })
    }

    private func withoutLeaks(_ name: String) throws -> Qrels {
        let whole = try whole(name)
        var others: [KnownQueries] = []
        if !allowsLeaks, let measured = try measuredQueries() { others.append(measured) }
        if name == Part.train.rawValue {
            others.append(KnownQueries(collection.queries(judgedIn: try self.whole(Part.dev.rawValue))))
        }
        let leaked = Set(others.flatMap { $0.among(collection.queries(judgedIn: whole)).map(\.id) })
        let qrels = whole.filter { !leaked.contains($0) }
        guard qrels.queryIds.contains(where: qrels.hasRelevantDocument) else {
            throw RetrievalError.noJudgedQueries(
                path: "\(name) without the \(leaked.count) queries whose text another split has")
        }
        return qrels
    }

    /// `nil` where the collection has no measured split.
    private func measuredQueries() throws -> KnownQueries? {
        let available = collection.splits
        guard available == [RetrievalCollection.wholeSplit] || available.contains(measured),
            measured != Part.train.rawValue, measured != Part.dev.rawValue
        else { return nil }
        return KnownQueries(collection.queries(judgedIn: try whole(measured)))
    }

    /// The labels as they are read or cut, leaks included.
    private func whole(_ name: String) throws -> Qrels { try known.qrels(name) { try read(name) } }

    private func read(_ name: String) throws -> Qrels {
        let available = collection.splits
        if available == [RetrievalCollection.wholeSplit], Part(rawValue: name) != nil {
            return try cut(RetrievalCollection.wholeSplit, [("train", 0.6), ("dev", 0.15), ("test", 0.25)], name)
        }
        guard !available.contains("dev"), available.contains("train"), name == "train" || name == "dev" else {
            return try collection.qrels(split: name)
        }
        return try cut("train", [("train", 1 - Self.heldOutShare), ("dev", Self.heldOutShare)], name)
    }

    private func cut(_ split: String, _ shares: [(name: String, share: Double)], _ name: String) throws -> Qrels {
        let qrels = try collection.qrels(split: split)
        let identity = ContentIdentity(collection, labelledBy: [qrels])
        return try qrels.split(into: shares, identity: identity, seed: seed)[name] ?? Qrels()
    }
}

/// A split to measure an artefact on: none of its queries is one that the artefact learned from or was chosen on.
public struct MeasuredSplit: Sendable {
    /// Its collection.
    public let collection: RetrievalCollection
    /// Its name.
    public let name: String
    /// Its labels.
    public let qrels: Qrels
    /// The queries that they judge, in the order of the collection.
    public let queries: [Query]
    /// Those of them that the artefact knows, where that was allowed or the split is `train` or `dev`.
    public let known: [Query]

    /// Checks a split before anything is asked or computed for it.
    ///
    /// What an artefact knows stands in it (``Artefact/knownQueries()``). Of an artefact that was written before that was recorded it is what
    /// stands in the `train` and `dev` of this collection. Whoever measures on `train` or `dev` by name wants the figures on known queries.
    /// - Parameter allowsLeaks: whether to measure all the same where there are known queries.
    /// - Throws: `RetrievalError.knownQueries`; what ``JudgedSplits/qrels(_:)-(String)`` throws; ``ArtefactError`` for a damaged artefact.
    public init(
        _ name: String, of collection: RetrievalCollection, for artefact: Artefact, allowsLeaks: Bool = false
    ) throws {
        // Splits as they are: an older artefact may have learned from what is left out today.
        let splits = JudgedSplits(collection, measured: name, allowsLeaks: true)
        self.collection = collection
        self.name = name
        qrels = try splits.qrels(name)
        queries = collection.queries(judgedIn: qrels)
        let isLearned = name == JudgedSplits.Part.train.rawValue || name == JudgedSplits.Part.dev.rawValue
        let isKnown =
            isLearned || collection.splits.contains("train") || collection.splits == [RetrievalCollection.wholeSplit]
        let known = try artefact.knownQueries() ?? (isKnown ? try splits.knownQueries() : KnownQueries([]))
        self.known = known.among(queries)
        if !allowsLeaks, !isLearned { try known.requireNone(among: queries, split: name) }
    }
}
