import MafinRetrieval
import Synchronization

/// The three parts of a collection's labels: `train` to learn from, `dev` to choose on, `test` to measure on. Every
/// collection has them, whatever its format.
///
/// The collection's own splits are used, without leaks: queries of `train` and `dev` that share their text with a query
/// of the measured split are left out, and so are queries of `train` that share their text with a query of `dev`. A
/// single file is cut by content, so that no two parts share a query or a relevant document. If a BEIR folder has no
/// `dev`, a share of `train` is cut off in the same way.
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

    /// Share of `train` that becomes `dev` if a collection has no `dev`.
    public static let heldOutShare = 0.15

    /// The seed that every command uses, so that no command measures on queries that another trained on.
    public static let standardSeed: UInt64 = 1

    /// The collection.
    public let collection: RetrievalCollection
    /// Seed of the cuts. Equal seeds give equal cuts.
    public let seed: UInt64
    /// The split whose queries must not be in `train` or `dev`.
    public let measured: String
    /// Whether queries of `train` and `dev` are kept even if the measured split has the same text.
    public let allowsLeaks: Bool
    /// Labels that were already read or cut, by name.
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

    /// Splits of a collection. Labels are not read yet; each split is read once, when it is first needed.
    public init(
        _ collection: RetrievalCollection, seed: UInt64 = standardSeed, measured: String = Part.test.rawValue,
        allowsLeaks: Bool = false
    ) {
        self.collection = collection
        self.seed = seed
        self.measured = measured
        self.allowsLeaks = allowsLeaks
    }

    /// Splits with labels that were made in another way than from the collection's own. Nothing is left out of them.
    package init(_ collection: RetrievalCollection, train: Qrels, dev: Qrels) {
        self.init(collection)
        _ = cleaned.qrels(Part.train.rawValue) { train }
        _ = cleaned.qrels(Part.dev.rawValue) { dev }
    }

    /// The labels of a split by name: a part, or any split of the collection.
    /// - Throws: `RetrievalError` for an unknown split, damaged labels, labels that cannot be cut by content, or a
    ///   split that is empty without its leaks.
    public func qrels(_ name: String) throws -> Qrels {
        guard name == Part.train.rawValue || name == Part.dev.rawValue else { return try whole(name) }
        return try cleaned.qrels(name) { try withoutLeaks(name) }
    }

    /// The labels of a part.
    /// - Throws: `RetrievalError`, see ``qrels(_:)-(String)``.
    public func qrels(_ part: Part) throws -> Qrels { try qrels(part.rawValue) }

    /// Queries of `train` and `dev` that ``qrels(_:)-(Part)`` leaves out because a query of the measured split has the
    /// same text, in the order of the collection. With ``allowsLeaks`` they are kept instead.
    /// - Throws: `RetrievalError`, see ``qrels(_:)-(String)``.
    public func leaks() throws -> [Query] {
        guard let other = try measuredQueries() else { return [] }
        let learned = try [Part.train, .dev].map { try whole($0.rawValue) }
        return other.among(collection.queries.filter { query in learned.contains { $0[query.id] != nil } })
    }

    /// The queries of `train` and `dev`, which a system trained on these splits knows.
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

    /// The queries of the measured split; `nil` if the collection has no such split, or if it is `train` or `dev`.
    private func measuredQueries() throws -> KnownQueries? {
        let available = collection.splits
        guard available == [RetrievalCollection.wholeSplit] || available.contains(measured),
            measured != Part.train.rawValue, measured != Part.dev.rawValue
        else { return nil }
        return KnownQueries(collection.queries(judgedIn: try whole(measured)))
    }

    /// The labels as they are read or cut, including leaks.
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

/// A split to measure an artefact on. The artefact must not have learned from its queries or been chosen on them.
public struct MeasuredSplit: Sendable {
    /// The collection.
    public let collection: RetrievalCollection
    /// Name of the split.
    public let name: String
    /// The labels.
    public let qrels: Qrels
    /// The queries that ``qrels`` judges, in the order of the collection.
    public let queries: [Query]
    /// The queries that the artefact knows. Empty unless leaks are allowed, or the split is `train` or `dev`.
    public let known: [Query]

    /// Checks a split before anything is asked or computed for it.
    ///
    /// An artefact records the queries that it knows (``Artefact/knownQueries()``). For an artefact of a version that
    /// did not record them, they are assumed to be those of `train` and `dev` of this collection. If the caller names
    /// `train` or `dev`, known queries are expected and no error is thrown.
    /// - Parameter allowsLeaks: whether to measure even if the artefact knows some of the queries.
    /// - Throws: `RetrievalError.knownQueries`; whatever ``JudgedSplits/qrels(_:)-(String)`` throws; ``ArtefactError``
    ///   for a damaged artefact.
    public init(
        _ name: String, of collection: RetrievalCollection, for artefact: Artefact, allowsLeaks: Bool = false
    ) throws {
        // Leaks stay in, because an artefact of an older version may have learned from them.
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
