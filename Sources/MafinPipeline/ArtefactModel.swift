import Foundation
import MafinBlackBox
import MafinEncoder
import MafinNumerics
import MafinRetrieval

/// A trained artefact in memory: its encoders, and how their vectors are joined with the black box's.
public final class ArtefactModel {
    /// The artefact that was read.
    public let artefact: Artefact
    /// The encoder of queries.
    public let queryEncoder: TextEncoder
    /// The encoder of documents. If one encoder serves both, it is the same object as ``queryEncoder``.
    public let documentEncoder: TextEncoder

    /// Its manifest.
    public var manifest: ArtefactManifest { artefact.manifest }

    /// Loads an artefact.
    /// - Parameter released: finds the folder of a released checkpoint of which the artefact has no copy.
    /// - Throws: ``ArtefactError``, `EncoderError`, and whatever `released` throws.
    public convenience init(artefact folder: URL, released: (EncoderRecord) throws -> URL) throws {
        try self.init(artefact: folder, beside: nil, released: released)
    }

    /// - Parameter other: a model whose encoder of documents is shared if both use the same one.
    private init(artefact folder: URL, beside other: ArtefactModel?, released: (EncoderRecord) throws -> URL) throws {
        let artefact = try Artefact(readingFrom: folder, verification: .length)
        func load(_ role: TextRole) throws -> TextEncoder {
            let encoder = try artefact.encoder(role).load(from: artefact.encoderFolder(role, released: released))
            try artefact.require(encoderDimension: encoder.encoder.dimension, role)
            return encoder
        }
        self.artefact = artefact
        let record = artefact.encoder(.document)
        let isShared = record.folder == nil && other?.artefact.encoder(.document) == record
        let documents = try (isShared ? other?.documentEncoder : nil) ?? load(.document)
        documentEncoder = documents
        queryEncoder = artefact.manifest.queryEncoder == nil ? documents : try load(.query)
    }

    /// Checks that vectors come from the artefact's black box.
    /// - Throws: ``ArtefactError`` with the differences.
    public func require(_ vectors: BlackBoxVectors) throws {
        try artefact.require(blackBox: vectors.identity, dimension: vectors.dimension)
    }

    /// The local encoder's vectors of texts, not normalised, `(texts.count, dimension)`.
    /// - Throws: `CancellationError` when cancelled.
    public func localVectors(
        of texts: [String], as role: TextRole, isCancelled: () -> Bool = { false }, progress: (Int) -> Void = { _ in }
    ) throws -> Matrix {
        let encoder = role == .query ? queryEncoder : documentEncoder
        return try encoder.embedUnnormalized(
            texts, prefix: encoder.prefixes[role], isCancelled: isCancelled, progress: progress)
    }

    /// An index of a corpus. Local vectors are taken from the cache if they are there.
    /// - Parameter blackBox: the black box's vectors of the documents.
    /// - Throws: `CombinationError` for a vector of zeros; `CancellationError` when cancelled.
    func index(
        of documents: [Document], blackBox: Matrix, cache: LocalVectorCache, isCancelled: () -> Bool,
        progress: (Int) -> Void
    ) throws -> MixtureIndex {
        let local = try cache.vectors(
            of: documents.map(\.textForEncoding), as: .document, encoder: documentEncoder,
            weights: artefact.encoder(.document).weightsSHA256, isCancelled: isCancelled, progress: progress)
        return try MixtureIndex(manifest.mixing.localForm, blackBox: blackBox, local: local, ids: documents.map(\.id))
    }

    /// Joined vectors, `(texts.count, joinedDimension)`. The black box's part comes first.
    /// - Parameters:
    ///   - local: from ``localVectors(of:as:isCancelled:progress:)``.
    ///   - ids: for error messages.
    /// - Throws: ``ArtefactError/dimension(path:of:expected:found:)``, ``CombinationError``.
    public func join(blackBox: Matrix, local: Matrix, as role: TextRole, ids: [String]) throws -> Matrix {
        try artefact.require(blackBoxDimension: blackBox.columns)
        return try manifest.mixing.join(blackBox: blackBox, local: local, as: role, ids: ids)
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
        let answers = try await blackBox.embed(items, as: role)
        try artefact.require(blackBoxDimension: answers.columns)
        progress(0)
        let local = try localVectors(of: items.map(\.text), as: role, isCancelled: isCancelled, progress: progress)
        return try join(blackBox: answers, local: local, as: role, ids: items.map(\.id))
    }

    /// The rivals that were trained together with this artefact and are stored in it, in the order of ``Contender``.
    public var rivals: [Contender] {
        Contender.allCases.filter {
            FileManager.default.fileExists(atPath: Self.rivalFolder($0, in: artefact.folder).path)
        }
    }

    /// Loads one of ``rivals``. A released encoder that both models use is loaded once.
    /// - Throws: as ``init(artefact:released:)``.
    public func rival(_ rival: Contender, released: (EncoderRecord) throws -> URL) throws -> ArtefactModel {
        try ArtefactModel(artefact: Self.rivalFolder(rival, in: artefact.folder), beside: self, released: released)
    }

    /// The folder of a rival's artefact inside another artefact.
    public static func rivalFolder(_ rival: Contender, in artefact: URL) -> URL {
        artefact.appendingPathComponent("rivals").appendingPathComponent(rival.rawValue)
    }
}
