import MafinMethod
import MafinNumerics
import MafinPipeline

/// One set of vectors under a name.
public struct StorePart: Sendable, Equatable, Codable {
    /// The name of the source whose document vectors they are.
    public var name: String
    /// Dense or sparse.
    public var face: SourceFace
    /// Numbers of a dense vector, or terms of the vocabulary.
    public var dimension: Int

    /// A part.
    public init(name: String, face: SourceFace, dimension: Int) {
        (self.name, self.face, self.dimension) = (name, face, dimension)
    }
}

/// What is to be written into a store.
public struct StoreSchema: Sendable, Equatable {
    /// The sets of vectors, dense ones first.
    public var parts: [StorePart]
    /// Whether the texts are stored too.
    public var holdsTexts: Bool
    /// Whether dense vectors have unit length, so that cosine and inner product rank alike.
    public var isUnit: Bool

    /// A schema.
    public init(parts: [StorePart], holdsTexts: Bool = false, isUnit: Bool = true) {
        (self.parts, self.holdsTexts, self.isUnit) = (parts, holdsTexts, isUnit)
    }

    /// Its dense parts.
    public var dense: [StorePart] { parts.filter { $0.face == .dense } }
    /// Its sparse parts.
    public var sparse: [StorePart] { parts.filter { $0.face == .sparse } }
}

/// Texts and their vectors, to be written at once.
public struct StoreBatch: Sendable {
    /// One for each text.
    public var ids: [String]
    /// For each text the hash of all that its vectors are made of: what has the same hash need not be written again.
    public var hashes: [String]
    /// The texts; empty if they are not stored.
    public var texts: [String]
    /// For each dense part of the schema its vectors, `(ids.count, dimension)`.
    public var dense: [Matrix]
    /// For each sparse part of the schema the terms of each text, by ascending index.
    public var sparse: [[[SparseTerm]]]

    /// Texts and their vectors.
    public init(ids: [String], hashes: [String], texts: [String] = [], dense: [Matrix], sparse: [[[SparseTerm]]]) {
        precondition(
            hashes.count == ids.count && (texts.isEmpty || texts.count == ids.count), "lists of different lengths")
        precondition(
            dense.allSatisfy { $0.rows == ids.count } && sparse.allSatisfy { $0.count == ids.count }, "missing vectors")
        (self.ids, self.hashes, self.texts, self.dense, self.sparse) = (ids, hashes, texts, dense, sparse)
    }

    /// Number of texts.
    public var count: Int { ids.count }
}

/// One term of a score, as a store's query computes it: a weight times the product of a query's vector and the document's vectors of a part.
public struct StoreTerm: Sendable, Equatable {
    /// The source.
    public var source: String
    /// The part that holds its document vectors.
    public var part: String
    /// Its weight.
    public var weight: Float

    /// A term.
    public init(source: String, part: String, weight: Float) {
        (self.source, self.part, self.weight) = (source, part, weight)
    }
}

/// The vectors of a query, one for each ``StoreTerm``, not weighted. Without them a query is printed with places for them.
public struct StoreQueryVectors: Sendable {
    /// By the name of the source.
    public var dense: [String: [Float]]
    /// By the name of the source.
    public var sparse: [String: [SparseTerm]]

    /// Vectors of a query.
    public init(dense: [String: [Float]] = [:], sparse: [String: [SparseTerm]] = [:]) {
        (self.dense, self.sparse) = (dense, sparse)
    }
}

/// A store that takes vectors.
///
/// The order of calls: ``prepare(_:)`` once, then for each batch ``storedHashes(of:)`` and ``write(_:)``, and ``finish()`` once. What was
/// written stays if the program ends between two calls, and the next run skips it; files appear only with ``finish()``.
/// Not to be used from two tasks at a time.
public protocol VectorStore: AnyObject {
    /// Makes the table or collection, or checks that the one that is there fits.
    /// - Returns: what the user should know.
    /// - Throws: ``StoreError``.
    func prepare(_ schema: StoreSchema) async throws -> [String]
    /// The hashes of those texts that are stored already.
    /// - Throws: ``StoreError``.
    func storedHashes(of ids: [String]) async throws -> [String: String]
    /// Writes texts; those that are there are replaced.
    /// - Throws: ``StoreError``.
    func write(_ batch: StoreBatch) async throws
    /// Builds indexes, or gives files their names.
    /// - Returns: what the user should know.
    /// - Throws: ``StoreError``.
    func finish() async throws -> [String]
}

/// How the query of a store is written.
public protocol StoreQuery {
    /// The query for the best `count` texts by the weighted sum of `terms`.
    /// - Parameters:
    ///   - vectors: the query's; nil: places for them are printed.
    func text(_ terms: [StoreTerm], count: Int, vectors: StoreQueryVectors?) -> String
}
