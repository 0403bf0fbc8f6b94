import Foundation
import MafinBlackBox
import MafinEncoder
import MafinImages
import MafinMethod
import MafinNumerics
import MafinRetrieval

/// An artefact in memory: its sources, its encoders, and how scores and vectors are joined.
public final class ArtefactModel {
    /// The artefact that was read.
    public let artefact: Artefact
    /// The sources, in the order of the weights, with reduced vectors if the manifest has a reduction.
    public let sources: [any ScoreSource]
    /// The local encoder; `nil` if no source is one.
    public let encoder: LocalEncoder?

    /// The precision in which all encoders embed. It may be changed between two calls.
    public var precision: Precision {
        didSet { for encoder in encoders { encoder.encoder.precision = precision } }
    }

    /// The encoders that are loaded.
    private var encoders: [TextEncoder] {
        [encoder?.query, encoder?.document, standIn?.encoder].compactMap(\.self)
    }

    /// What answers if the black box is not asked; `nil` if the artefact has none.
    public let standIn: StandIn?
    /// How queries are read if the black box is not asked; `nil` without a ``standIn``.
    package let offlineReading: StandInReading?

    /// The encoders of both sides. If one encoder serves both, it is the same object.
    public struct LocalEncoder {
        /// Encodes queries.
        public let query: TextEncoder
        /// Encodes documents.
        public let document: TextEncoder

        /// The encoder of one side.
        public subscript(role: TextRole) -> TextEncoder { role == .query ? query : document }
        /// Columns of its vectors.
        public var dimension: Int { document.encoder.dimension }
    }

    /// Its manifest.
    public var manifest: ArtefactManifest { artefact.manifest }

    /// Columns of a joined vector: those of all dense sources, or of the reduction; 0 if there is none.
    public var joinedDimension: Int { sources.joinedDimension }

    /// Whether a dense source reads the black box's vectors.
    package var asksBlackBoxForVectors: Bool {
        sources.unreduced.contains {
            $0 is any DenseSource && $0.queryInputs.union($0.documentInputs).contains(.blackBox)
        }
    }

    /// The weights for ranking of the black box and the local encoder alone; `nil` unless both are sources. A local encoder
    /// that only ranks where the black box is not asked does not count.
    package var pairWeights: SourceWeights? {
        let weights = manifest.mixing.rankingWeights
        guard weights.pair != nil, weights[.local] > 0 || manifest.offline == nil else { return nil }
        let others = weights.sources.filter { $0 != .blackBox && $0 != .local }
        return weights.replacing(Dictionary(uniqueKeysWithValues: others.map { ($0, 0) }))
    }

    /// The weights for ranking of the dense sources alone; `nil` if all sources with a weight are dense, or none is.
    package var denseWeights: SourceWeights? {
        let weights = manifest.mixing.rankingWeights
        let dense = Set(sources.compactMap { ($0 as? any DenseSource)?.name })
        let others = weights.sources.filter { weights[$0] > 0 && !dense.contains($0) }
        return others.isEmpty ? nil : weights.replacing(Dictionary(uniqueKeysWithValues: others.map { ($0, 0) }))
    }

    /// The sources that take part in a ranking if the black box is asked, or if it is not; see
    /// ``ArtefactManifest/rankingWeights(offline:)``.
    package func rankingSources(offline isOffline: Bool) -> [any ScoreSource] {
        let names = Set(manifest.rankingWeights(offline: isOffline).sources)
        return sources.filter { names.contains($0.name) }
    }

    /// What the sources read of queries.
    public var queryInputs: SourceInputs { sources.reduce(into: []) { $0.formUnion($1.queryInputs) } }
    /// What the sources read of documents.
    public var documentInputs: SourceInputs { sources.reduce(into: []) { $0.formUnion($1.documentInputs) } }

    /// Loads an artefact.
    /// - Parameters:
    ///   - precision: in which its encoders embed; `nil`: ``ArtefactManifest/precision(fastest:)``.
    ///   - released: finds the folder of a released checkpoint of which the artefact has no copy.
    /// - Throws: ``ArtefactError``, `EncoderError`, and whatever `released` throws.
    public convenience init(
        artefact folder: URL, precision: Precision? = nil, released: (EncoderRecord) throws -> URL
    ) throws {
        try self.init(artefact: folder, precision: precision, beside: nil, released: released)
    }

    /// - Parameter other: a model whose encoder of documents is shared if both use the same one.
    private init(
        artefact folder: URL, precision: Precision?, beside other: ArtefactModel?,
        released: (EncoderRecord) throws -> URL
    ) throws {
        let artefact = try Artefact(readingFrom: folder, verification: .length)
        let precision = precision ?? artefact.manifest.precision()
        self.precision = precision
        func load(_ record: EncoderRecord, _ role: TextRole) throws -> TextEncoder {
            let encoder = try record.load(
                from: artefact.encoderFolder(of: record, released: released), precision: precision)
            try artefact.require(encoderDimension: encoder.encoder.dimension, role)
            return encoder
        }
        self.artefact = artefact
        sources = try artefact.sources()
        encoder = try artefact.manifest.documentEncoder.map { record in
            let isShared = record.folder == nil && other?.manifest.documentEncoder == record
            let documents = try (isShared ? other?.encoder?.document : nil) ?? load(record, .document)
            return LocalEncoder(
                query: try artefact.manifest.queryEncoder.map { try load($0, .query) } ?? documents,
                document: documents)
        }
        offlineReading = try StandInReading(artefact, sources)
        if let record = artefact.manifest.offline?.encoder, let heads = offlineReading?.heads {
            let encoder = try record.load(
                from: artefact.encoderFolder(of: record, released: released), precision: precision)
            guard encoder.encoder.dimension == heads.inputs else {
                throw ArtefactError.dimension(
                    path: folder.path, of: "the stand-in's encoder", expected: heads.inputs,
                    found: encoder.encoder.dimension)
            }
            standIn = StandIn(encoder, heads: heads)
        } else {
            standIn = nil
        }
    }

    /// Checks that vectors come from the artefact's black box.
    /// - Throws: ``ArtefactError`` with the differences.
    public func require(_ vectors: BlackBoxVectors) throws {
        try artefact.require(blackBox: vectors.identity, dimension: vectors.dimension)
    }

    /// The local encoder's vectors of items, not normalised, `(items.count, dimension)`.
    /// - Precondition: there is an ``encoder``.
    /// - Throws: `CancellationError` when cancelled; `EncoderError.input` for an item that the encoder cannot read.
    public func localVectors(
        of items: [Item], as role: TextRole, isCancelled: () -> Bool = { false }, progress: (Int) -> Void = { _ in }
    ) throws -> Matrix {
        guard let encoder = encoder?[role] else { preconditionFailure("the artefact has no local encoder") }
        return try encoder.embedUnnormalized(
            items, prefix: encoder.prefixes[role], isCancelled: isCancelled, progress: progress)
    }

    /// The same for texts.
    public func localVectors(
        of texts: [String], as role: TextRole, isCancelled: () -> Bool = { false }, progress: (Int) -> Void = { _ in }
    ) throws -> Matrix {
        try localVectors(of: texts.map { Item($0) }, as: role, isCancelled: isCancelled, progress: progress)
    }

    /// An index of a corpus. Local vectors are taken from the cache if they are there.
    /// - Parameters:
    ///   - sources: the sources to rank by; `nil` for all.
    ///   - blackBox: the black box's vectors of the documents; `nil` if no source needs them.
    /// - Throws: `CombinationError` for a vector of zeros; `CancellationError` when cancelled.
    package func index(
        of documents: [Document], by sources: [any ScoreSource]? = nil, blackBox: Matrix?, cache: LocalVectorCache,
        isCancelled: () -> Bool, progress: (Int) -> Void
    ) throws -> SourceIndex {
        try SourceIndex(
            sources ?? self.sources,
            documents: self.documents(
                documents, blackBox: blackBox, cache: cache, isCancelled: isCancelled, progress: progress))
    }

    /// Documents as the sources read them. Local vectors are taken from the cache if they are there.
    /// - Throws: `CombinationError` for a vector of zeros; `CancellationError` when cancelled.
    package func documents(
        _ documents: [Document], blackBox: Matrix?, cache: LocalVectorCache, isCancelled: () -> Bool,
        progress: (Int) -> Void
    ) throws -> SourceDocuments {
        var local: Matrix?
        if let encoder, let record = manifest.documentEncoder {
            local = try cache.vectors(
                of: documents.map(\.item), as: .document, encoder: encoder.document, weights: record.weightsSHA256,
                isCancelled: isCancelled, progress: progress)
        }
        return try SourceDocuments(
            ids: documents.map(\.id), texts: documents.map(\.textForEncoding), blackBox: blackBox, local: local,
            form: manifest.mixing.localForm)
    }

    /// Queries as the sources read them. Computes the local vectors, if a source that ranks reads them.
    /// - Parameters:
    ///   - blackBox: the black box's vectors; `nil` if no source needs them, or if they are missing.
    ///   - weights: those of the sources that rank; `nil`: the artefact's, if the black box is asked.
    /// - Throws: `CombinationError` for a vector of zeros; `CancellationError` when cancelled.
    package func queries(
        _ items: [Item], ids: [String] = [], blackBox: Matrix?, weights: SourceWeights? = nil,
        isCancelled: () -> Bool = { false }
    ) throws -> SourceQueries {
        let needsLocal = (weights ?? manifest.rankingWeights(offline: false)).name(sources, reading: .local)
        return try SourceQueries(
            ids: ids, texts: items.map(\.text), blackBox: blackBox,
            local: needsLocal ? localVectors(of: items, as: .query, isCancelled: isCancelled) : nil,
            form: manifest.mixing.localForm)
    }

    /// Queries as the sources read them if the black box is not asked: its vectors are the ``standIn``'s estimates. To be
    /// weighed by `manifest.offline`.
    /// - Precondition: there is a ``standIn``.
    /// - Throws: `CombinationError` for a vector of zeros; `CancellationError` when cancelled.
    package func offlineQueries(
        _ items: [Item], ids: [String] = [], isCancelled: () -> Bool = { false }
    ) throws -> SourceQueries {
        guard let standIn, let offlineReading else { preconditionFailure("the artefact has no stand-in") }
        return try SourceQueries(
            ids: ids, texts: items.map(\.text),
            estimates: standIn.vectors(of: items, ids: ids, isCancelled: isCancelled),
            own: offlineReading.needsLocal ? localVectors(of: items, as: .query, isCancelled: isCancelled) : nil)
    }

    /// Joined vectors of queries for which the black box is not asked, `(items.count, joinedDimension)`, for the same
    /// document vectors. The estimates are in the black box's part, with the weights of `manifest.offline`.
    /// - Throws: ``ArtefactError/noStandIn(path:)``, `CombinationError`; `CancellationError` when cancelled.
    public func embedOffline(_ items: [EmbeddingItem], isCancelled: () -> Bool = { false }) throws -> Matrix {
        let offline = try artefact.requireOffline()
        let queries = try offlineQueries(items.map(\.item), ids: items.map(\.id), isCancelled: isCancelled)
        return try offline.mixing.join(queries, of: sources)
    }

    /// Joined vectors, `(texts.count, joinedDimension)`: those of all dense sources side by side, those of the black box
    /// first.
    /// - Parameters:
    ///   - local: from ``localVectors(of:as:isCancelled:progress:)``; `nil` if there is no ``encoder``.
    ///   - texts: the ids of documents, which moved documents are known by; also for error messages.
    /// - Throws: ``ArtefactError/dimension(path:of:expected:found:)``, ``CombinationError``.
    public func join(blackBox: Matrix?, local: Matrix?, as role: TextRole, ids: [String]) throws -> Matrix {
        if let blackBox { try artefact.require(blackBoxDimension: blackBox.columns) }
        let mixture = manifest.mixing
        return switch role {
        case .query:
            try mixture.join(
                SourceQueries(ids: ids, blackBox: blackBox, local: local, form: mixture.localForm), of: sources)
        case .document:
            try mixture.join(
                SourceDocuments(ids: ids, blackBox: blackBox, local: local, form: mixture.localForm), of: sources)
        }
    }

    /// Joined vectors of texts, `(items.count, joinedDimension)`. Asks the black box, computes the local vectors and
    /// joins both.
    ///
    /// All vectors are in memory at once, so pass a long list of texts in pieces.
    /// - Parameters:
    ///   - isCancelled: called between pieces of the local work.
    ///   - progress: receives the number of texts whose local vectors are done. It is called with 0 once the black box
    ///     has answered.
    /// - Throws: ``ArtefactError`` for another black box, whatever the black box throws, `CombinationError`,
    ///   `CancellationError`.
    public func embed(
        _ items: [EmbeddingItem], as role: TextRole, asking blackBox: any BlackBox,
        isCancelled: () -> Bool = { false }, progress: (Int) -> Void = { _ in }
    ) async throws -> Matrix {
        try artefact.require(blackBox: blackBox.identity)
        let inputs = role == .query ? queryInputs : documentInputs
        let answers = inputs.contains(.blackBox) ? try await blackBox.embed(items, as: role) : nil
        if let answers { try artefact.require(blackBoxDimension: answers.columns) }
        progress(0)
        let needsLocal =
            role == .document
            ? encoder != nil : manifest.rankingWeights(offline: false).name(sources, reading: .local)
        let local =
            needsLocal
            ? try localVectors(of: items.map(\.item), as: role, isCancelled: isCancelled, progress: progress) : nil
        return try join(blackBox: answers, local: local, as: role, ids: items.map(\.id))
    }

    /// The rivals that were trained together with this artefact and are stored in it, in the order of ``Contender``.
    public var rivals: [Contender] {
        Contender.allCases.filter {
            FileManager.default.fileExists(atPath: Self.rivalFolder($0, in: artefact.folder).path)
        }
    }

    /// Loads one of ``rivals``, in the precision of this model. A released encoder that both models use is loaded once.
    /// - Throws: as ``init(artefact:released:)``.
    public func rival(_ rival: Contender, released: (EncoderRecord) throws -> URL) throws -> ArtefactModel {
        try ArtefactModel(
            artefact: Self.rivalFolder(rival, in: artefact.folder), precision: precision, beside: self,
            released: released)
    }

    /// The folder of a rival's artefact inside another artefact.
    public static func rivalFolder(_ rival: Contender, in artefact: URL) -> URL {
        artefact.appendingPathComponent("rivals").appendingPathComponent(rival.rawValue)
    }
}
