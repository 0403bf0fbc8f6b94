import Foundation
import MafinBlackBox
import MafinEncoder
import MafinMethod
import MafinNumerics
import MafinRetrieval

/// A trained artefact, loaded: its encoders, and how their half is joined with the black box's.
public final class ArtefactModel {
    /// The artefact that was read.
    public let artefact: Artefact
    /// The encoder of queries.
    public let queryEncoder: TextEncoder
    /// The encoder of documents; the same object where the towers are one.
    public let documentEncoder: TextEncoder

    /// Its manifest.
    public var manifest: ArtefactManifest { artefact.manifest }

    /// Loads an artefact.
    /// - Parameter released: the folder of a released checkpoint that the artefact names instead of holding it.
    /// - Throws: ``ArtefactError``, `EncoderError`, and what `released` throws.
    public convenience init(artefact folder: URL, released: (EncoderRecord) throws -> URL) throws {
        try self.init(artefact: folder, beside: nil, released: released)
    }

    /// - Parameter other: a model whose encoder of documents is taken where it is the one wanted.
    private init(artefact folder: URL, beside other: ArtefactModel?, released: (EncoderRecord) throws -> URL) throws {
        let artefact = try Artefact(readingFrom: folder, verification: .length)
        func load(_ tower: Artefact.Tower) throws -> TextEncoder {
            let record = artefact.encoder(tower)
            let encoder = try TextEncoder(
                modelFolder: artefact.encoderFolder(tower, released: released),
                prefixes: TextPrefixes(query: record.queryPrefix, document: record.documentPrefix),
                maximumLength: record.maximumLength)
            try artefact.require(encoderDimension: encoder.encoder.dimension, tower)
            return encoder
        }
        self.artefact = artefact
        let record = artefact.encoder(.document)
        let documents: TextEncoder
        if let other, record.folder == nil, other.artefact.encoder(.document) == record {
            documents = other.documentEncoder
        } else {
            documents = try load(.document)
        }
        documentEncoder = documents
        queryEncoder = artefact.manifest.queryEncoder == nil ? documents : try load(.query)
    }

    /// Checks that vectors are those of the artefact's black box.
    /// - Throws: ``ArtefactError``, naming the differences.
    public func require(_ vectors: BlackBoxVectors) throws {
        try artefact.require(blackBox: vectors.identity, dimension: vectors.dimension)
    }

    /// The local half of texts, as the encoder emits it, `(texts.count, dimension)`.
    /// - Throws: `CancellationError` when cancelled.
    public func localVectors(
        of texts: [String], as side: RetrievalSide, isCancelled: () -> Bool = { false },
        progress: (Int) -> Void = { _ in }
    ) throws -> Matrix {
        let encoder = side == .query ? queryEncoder : documentEncoder
        return try encoder.embedUnnormalized(
            texts, prefix: side == .query ? encoder.prefixes.query : encoder.prefixes.document,
            isCancelled: isCancelled, progress: progress)
    }

    /// The local half of a corpus, from the cache where it was made before.
    /// - Throws: `CancellationError` when cancelled.
    func localVectors(
        of documents: [Document], cache: LocalVectorCache, isCancelled: () -> Bool, progress: (Int) -> Void
    ) throws -> Matrix {
        try cache.vectors(
            of: documents.map(\.textForEncoding), as: .document, encoder: documentEncoder,
            weights: artefact.encoder(.document).weightsSHA256, isCancelled: isCancelled, progress: progress)
    }

    /// Joined vectors, `(texts.count, joinedDimension)`, the black box's half first.
    /// - Parameters:
    ///   - blackBox: the black box's vectors of the same texts.
    ///   - local: from ``localVectors(of:as:isCancelled:progress:)``.
    ///   - ids: named in errors.
    /// - Throws: ``ArtefactError/dimension(path:of:expected:found:)``, ``CombinationError``.
    public func join(blackBox: Matrix, local: Matrix, as side: RetrievalSide, ids: [String]) throws -> Matrix {
        try artefact.require(blackBoxDimension: blackBox.columns)
        return try manifest.mixing.combination.join(blackBox: blackBox, local: local, as: side, ids: ids)
    }

    /// The rivals that were trained beside this artefact and lie in it, in the order of ``Contender``.
    public var rivals: [Contender] {
        Contender.allCases.filter {
            FileManager.default.fileExists(atPath: Self.rivalFolder($0, in: artefact.folder).path)
        }
    }

    /// Loads one of ``rivals``. A released encoder that serves both models is loaded once.
    /// - Throws: as ``init(artefact:released:)``.
    public func rival(_ rival: Contender, released: (EncoderRecord) throws -> URL) throws -> ArtefactModel {
        try ArtefactModel(artefact: Self.rivalFolder(rival, in: artefact.folder), beside: self, released: released)
    }

    /// Where the artefact of a rival lies that was trained beside another.
    public static func rivalFolder(_ rival: Contender, in artefact: URL) -> URL {
        artefact.appendingPathComponent("rivals").appendingPathComponent(rival.rawValue)
    }
}
