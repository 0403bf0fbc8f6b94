import Foundation
import MafinBlackBox
import MafinMethod
import MafinNumerics
import MafinPipeline

/// Writes the vectors of an artefact's sources into a folder, each set of vectors under its own name, for databases that
/// hold several vectors of a text.
///
/// The weights are in the query's vectors. So the sum over all names of the inner products of a query's and a document's
/// vectors is their score, as far as the written sources make it.
package final class NamedVectors {
    /// The files that are written.
    package enum Format: String, Sendable, Codable, CaseIterable {
        /// `NAME.npy` for dense vectors, `NAME.npz` for sparse ones (CSR, as SciPy's `load_npz` reads it), `ids.txt`.
        case npy
        /// `points.jsonl`: one point of Qdrant a line. Qdrant's ids are numbers or UUIDs, so the id of a point is the UUID
        /// of version 5 of the text's id in the namespace OID, and the id itself is in the payload, as `_id`.
        case qdrant
        /// `documents.jsonl`: one document of Elasticsearch a line, with `dense_vector` and `sparse_vector` (or
        /// `rank_features`) fields. It is what the bulk helpers of Elasticsearch's Python client take.
        case elasticsearch
    }

    /// What was written. It is stored beside the vectors, as ``descriptionName``.
    package struct Description: Codable, Equatable {
        /// One set of vectors.
        package struct Part: Codable, Equatable {
            package var name: String
            /// Dense or sparse.
            package var face: SourceFace
            package var dimension: Int
            /// Its file in the folder.
            package var file: String
        }

        package var format: Format
        /// Whether the vectors are of queries, with the weights, or of documents.
        package var role: String
        package var rows: Int
        package var parts: [Part]
        /// Sources that have no vectors.
        package var leftOut: [SourceName]
    }

    /// The name of the file of the ``Description``.
    package static let descriptionName = "vectors.json"

    private let folder: URL
    private let role: TextRole
    private let dense: [(source: SourceName, columns: Range<Int>)]
    private let sparse: [(source: any SparseSource, factor: Float)]
    private let files: any NamedVectorFiles
    private var description: Description

    /// Begins the files in a folder.
    /// - Parameters:
    ///   - isOffline: whether the queries have the weights of the artefact's stand-in.
    ///   - type: of dense vectors in `.npy` files.
    /// - Throws: `ArtefactError` for a source whose name cannot be a file's name; `NumericsError`.
    package init(
        of model: ArtefactModel, as role: TextRole, _ format: Format, isOffline: Bool = false,
        type: NumPyFile.ElementType, in folder: URL
    ) throws {
        (self.folder, self.role) = (folder, role)
        var dense: [(source: SourceName, columns: Range<Int>)] = []
        for part in Mixture.denseParts(of: model.sources) {
            let start = dense.last?.columns.upperBound ?? 0
            dense.append((part.source, start..<start + part.dimension))
        }
        let weights = model.manifest.rankingWeights(offline: isOffline)
        let sparse = model.sources.compactMap { $0 as? any SparseSource }.map {
            (source: $0, factor: role == .query ? weights[$0.name] : 1)
        }
        for name in dense.map(\.source) + sparse.map(\.source.name) where !name.canBeFileName {
            throw ArtefactError.contradiction(
                path: model.artefact.folder.appendingPathComponent(Artefact.manifestName).path,
                field: "sources", expected: "names of letters, digits, '-', '_' and '.'", found: "'\(name)'")
        }
        (self.dense, self.sparse) = (dense, sparse)
        let names = (
            dense.map { ($0.source.rawValue, $0.columns.count) },
            sparse.map { ($0.source.name.rawValue, $0.source.termCount) }
        )
        files =
            switch format {
            case .npy: try NumPyVectorFiles(dense: names.0, sparse: names.1, type: type, in: folder)
            case .qdrant: try JSONLines(.qdrant, in: folder)
            case .elasticsearch: try JSONLines(.elasticsearch, in: folder)
            }
        let file = files.name
        description = Description(
            format: format, role: role.rawValue, rows: 0,
            parts: names.0.map { .init(name: $0.0, face: .dense, dimension: $0.1, file: file($0.0, .dense)) }
                + names.1.map { .init(name: $0.0, face: .sparse, dimension: $0.1, file: file($0.0, .sparse)) },
            leftOut: Self.leftOut(of: model.rankingSources(offline: isOffline), kept: [.dense, .sparse]))
    }

    /// The names of sources whose face is not among those that a kind of output keeps.
    package static func leftOut(of sources: [any ScoreSource], kept: Set<SourceFace>) -> [SourceName] {
        sources.filter { !kept.contains($0.face) }.map(\.name)
    }

    /// Adds texts.
    /// - Parameter joined: their joined vectors, from ``MafinPipeline/ArtefactModel/embed(_:as:asking:isCancelled:progress:)``.
    /// - Throws: `BlackBoxError` for an id that the files cannot hold; `NumericsError`, for instance when the disk is full.
    package func append(_ joined: Matrix, _ items: [EmbeddingItem]) throws {
        precondition(joined.rows == items.count, "\(joined.rows) vectors of \(items.count) texts")
        let (role, texts) = (role, items.map(\.text))
        let terms = sparse.map { source, factor in
            parallelMap(texts.count) { Self.terms(of: texts[$0], as: role, source, factor: factor) }
        }
        try files.append(
            ids: items.map(\.id),
            dense: dense.map { ($0.source.rawValue, joined.selecting(columns: $0.columns)) },
            sparse: zip(sparse, terms).map { ($0.source.name.rawValue, $1) })
        description.rows += items.count
    }

    /// The terms of a text with the weights that are written. Databases refuse weights of 0.
    private static func terms(
        of text: String, as role: TextRole, _ source: any SparseSource, factor: Float
    ) -> [SparseTerm] {
        var terms = role == .query ? source.terms(ofQuery: text) : source.terms(ofDocument: text)
        for place in terms.indices { terms[place].weight *= factor }
        return terms.filter { $0.weight > 0 }
    }

    /// Writes what is left. Nothing can be added afterwards.
    /// - Throws: `NumericsError`.
    package func finish() throws -> Description {
        try files.finish()
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try AtomicFile.write(
            try encoder.encode(description), to: folder.appendingPathComponent(Self.descriptionName))
        return description
    }
}

extension SourceName {
    /// Artefacts can come from strangers, so a name must not lead out of a folder.
    var canBeFileName: Bool {
        !rawValue.isEmpty && rawValue.first != "."
            && rawValue.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
                    true
                default: false
                }
            }
    }
}

/// The files of one format.
protocol NamedVectorFiles {
    /// The file that holds the vectors of a name.
    func name(_ part: String, _ face: SourceFace) -> String
    /// Adds texts: for each name the vectors of all of them.
    func append(
        ids: [String], dense: [(name: String, vectors: Matrix)], sparse: [(name: String, vectors: [[SparseTerm]])])
        throws
    /// Ends the files.
    func finish() throws
}

/// `NAME.npy`, `NAME.npz` and `ids.txt`.
private final class NumPyVectorFiles: NamedVectorFiles {
    private let dense: [NumPyFile.PendingRows]
    private let sparse: [NumPyFile.PendingSparseRows]
    private let ids: PendingFile
    private let idsFile: URL

    init(
        dense: [(name: String, dimension: Int)], sparse: [(name: String, dimension: Int)], type: NumPyFile.ElementType,
        in folder: URL
    ) throws {
        self.dense = try dense.map {
            try NumPyFile.PendingRows(
                to: folder.appendingPathComponent("\($0.name).npy"), columns: $0.dimension, as: type)
        }
        self.sparse = try sparse.map {
            try NumPyFile.PendingSparseRows(to: folder.appendingPathComponent("\($0.name).npz"), columns: $0.dimension)
        }
        idsFile = folder.appendingPathComponent("ids.txt")
        ids = try PendingFile(at: idsFile)
    }

    func name(_ part: String, _ face: SourceFace) -> String { face == .dense ? "\(part).npy" : "\(part).npz" }

    func append(
        ids newIDs: [String], dense vectors: [(name: String, vectors: Matrix)],
        sparse terms: [(name: String, vectors: [[SparseTerm]])]
    ) throws {
        try ids.write(Data(try PendingVectors.lines(ofIDs: newIDs, for: idsFile).utf8))
        for (file, part) in zip(dense, vectors) { try file.append(part.vectors) }
        for (file, part) in zip(sparse, terms) {
            try file.append(
                part.vectors.map { row in (columns: row.map { Int32($0.index) }, values: row.map(\.weight)) })
        }
    }

    func finish() throws {
        for file in dense { try file.commit() }
        for file in sparse { try file.commit() }
        try ids.commit()
    }
}
