import Foundation
import MafinMethod
import MafinNumerics
import MafinRetrieval

/// One term of the score `s(q, d) = Σ_k w_k s_k(q, d)` of a query and a document.
///
/// A source is a model: it belongs to no collection, and scores any query against any documents. It has one of three
/// faces. A ``DenseSource`` is an inner product of vectors, a ``SparseSource`` one of weighted terms; both fit into any
/// vector database, with the weights on the query's side. Any other ``ScoringSource`` can be computed by this library
/// alone.
public protocol ScoreSource: Sendable {
    /// Its name in weights, manifests, reports and parts of scores.
    var name: SourceName { get }
    /// What it reads of a query.
    var queryInputs: SourceInputs { get }
    /// What it reads of a document.
    var documentInputs: SourceInputs { get }
    /// How it is stored: the record for the manifest, without its folder.
    var record: SourceRecord { get }
    /// Writes its files into an empty folder. Called only if ``record`` names a folder.
    func write(to folder: URL) throws
}

extension ScoreSource {
    /// A source without files.
    public func write(to folder: URL) throws {}
}

/// What a source reads of a text.
public struct SourceInputs: OptionSet, Sendable, Hashable {
    /// The bits.
    public let rawValue: Int

    /// From bits.
    public init(rawValue: Int) { self.rawValue = rawValue }

    /// The black box's vector.
    public static let blackBox = SourceInputs(rawValue: 1)
    /// The local encoder's vector.
    public static let local = SourceInputs(rawValue: 2)
    /// The text.
    public static let text = SourceInputs(rawValue: 4)
    /// The identifier.
    public static let identifier = SourceInputs(rawValue: 8)
    /// The black box's vector as a ``StandIn`` estimates it.
    public static let estimate = SourceInputs(rawValue: 16)
}

/// A source whose score is the inner product of a query vector and a document vector.
public protocol DenseSource: ScoreSource {
    /// Columns of its vectors.
    var dimension: Int { get }
    /// The source whose document vectors these are. Sources that share document vectors are searched as one, with the
    /// weighted sum of their query vectors.
    var documentVectors: SourceName { get }
    /// Query vectors, `(queries.count, dimension)`.
    /// - Throws: `CombinationError` for a vector that cannot be used.
    func vectors(of queries: SourceQueries) throws -> Matrix
    /// Document vectors, `(documents.count, dimension)`.
    /// - Throws: `CombinationError` for a vector that cannot be used.
    func vectors(of documents: SourceDocuments) throws -> Matrix
}

/// A source whose scores this library computes document by document. Most documents have score 0.
public protocol ScoringSource: ScoreSource {
    /// Prepares documents.
    func scorer(of documents: SourceDocuments) throws -> any DocumentScorer
    /// The known queries whose cosines it reads. Sources that name the same ones share the cosines. `nil`: it reads none.
    var knownQueries: (name: String, unitRows: Matrix)? { get }
}

extension ScoringSource {
    /// A source that knows no queries.
    public var knownQueries: (name: String, unitRows: Matrix)? { nil }
}

/// A source whose score is the inner product of weighted terms.
public protocol SparseSource: ScoringSource {
    /// The weighted terms of a query, each once.
    func terms(ofQuery text: String) -> [SparseTerm]
    /// The weighted terms of a document, each once.
    func terms(ofDocument text: String) -> [SparseTerm]
    /// Number of different terms. ``SparseTerm/index`` is below it.
    var termCount: Int { get }
}

/// A component of a sparse vector.
public struct SparseTerm: Sendable, Hashable {
    /// Its place in the vocabulary.
    public var index: Int
    /// The term itself, a stem.
    public var term: String
    /// Above 0.
    public var weight: Float
}

/// Scores of documents that a ``ScoringSource`` has prepared.
public protocol DocumentScorer: Sendable {
    /// Writes s(q, d) to the element of each document d whose score is not 0.
    /// - Parameters:
    ///   - row: the query, a row of `queries`.
    ///   - cosines: the query's to each of ``ScoringSource/knownQueries``; empty if there are none.
    ///   - scores: one element per document, all 0.
    func write(
        row: Int, of queries: SourceQueries, cosines: ArraySlice<Float>, to scores: UnsafeMutableBufferPointer<Float>)
}

/// Queries as sources read them. What no source reads may be missing.
public typealias SourceQueries = SourceTexts<QuerySide>

/// Documents as sources read them, titles included in their texts. What no source reads may be missing.
public typealias SourceDocuments = SourceTexts<DocumentSide>

/// The side of ``SourceQueries``.
public enum QuerySide: Sendable {}
/// The side of ``SourceDocuments``.
public enum DocumentSide: Sendable {}

/// Texts of one side as sources read them. The side is part of the type, so that a query is never taken for a document.
public struct SourceTexts<Side: Sendable>: Sendable {
    /// Identifiers. Those of queries are for error messages alone, and may be missing.
    public let ids: [String]
    /// The texts; may be empty.
    public let texts: [String]
    /// The black box's unit rows.
    public let blackBox: Matrix?
    /// Whether ``blackBox`` are a ``StandIn``'s estimates, because the black box was not asked.
    public let isEstimated: Bool
    /// The local encoder's rows, prepared in the form of the mixture.
    public let local: LocalRows?
    /// Number of texts.
    public let count: Int

    /// Texts with vectors that are ready to be compared.
    /// - Precondition: lists that are not empty, and vectors that are given, have the same number of rows.
    public init(
        ids: [String] = [], texts: [String] = [], blackBox: Matrix? = nil, local: LocalRows? = nil,
        isEstimated: Bool = false
    ) {
        (self.ids, self.texts, self.blackBox, self.local) = (ids, texts, blackBox, local)
        self.isEstimated = isEstimated
        let counts = [
            ids.isEmpty ? nil : ids.count, texts.isEmpty ? nil : texts.count, blackBox?.rows, local?.vectors.rows,
        ].compactMap { $0 }
        precondition(Set(counts).count <= 1, "parts of \(counts) rows")
        count = counts.first ?? 0
    }

    /// Texts with vectors of any length, which are scaled and checked here.
    /// - Throws: `CombinationError` for a vector that is all zeros or not finite.
    public init(ids: [String] = [], texts: [String] = [], blackBox: Matrix?, local: Matrix?, form: LocalForm) throws {
        self.init(
            ids: ids, texts: texts, blackBox: try blackBox.map { try UnitRows.make($0, source: .blackBox, ids: ids) },
            local: try local.map { try form.prepare(checking: $0, ids: ids) })
    }

    /// Queries for which the black box was not asked.
    /// - Parameters:
    ///   - estimates: of a ``StandIn``, unit rows.
    ///   - own: the local encoder's rows of any length. They are used if the stand-in does not estimate them.
    /// - Throws: `CombinationError` for a vector that is all zeros or not finite.
    package init(
        ids: [String] = [], texts: [String], estimates: (blackBox: Matrix, local: Matrix?), own: Matrix?
    ) throws where Side == QuerySide {
        self.init(
            ids: ids, texts: texts, blackBox: estimates.blackBox,
            local: try (estimates.local ?? own).map { try LocalForm.unit.prepare(checking: $0, ids: ids) },
            isEstimated: true)
    }

    /// Whether what a source reads is there.
    package func has(_ inputs: SourceInputs) -> Bool {
        (!inputs.contains(.blackBox) || blackBox != nil) && (!inputs.contains(.local) || local != nil)
            && (!inputs.contains(.text) || !texts.isEmpty) && (!inputs.contains(.identifier) || !ids.isEmpty)
            && (!inputs.contains(.estimate) || blackBox != nil && isEstimated)
    }

    /// Some of the texts, in the given order.
    public func selecting(rows: [Int]) -> SourceTexts {
        SourceTexts(
            ids: ids.isEmpty ? [] : rows.map { ids[$0] }, texts: texts.isEmpty ? [] : rows.map { texts[$0] },
            blackBox: blackBox?.selecting(rows: rows), local: local?.selecting(rows: rows), isEstimated: isEstimated)
    }
}
