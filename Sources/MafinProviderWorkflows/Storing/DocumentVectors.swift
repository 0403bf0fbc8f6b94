import Foundation
import MafinBlackBox
import MafinEncoder
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinServer
import MafinStores

/// The vectors of documents that an artefact gives a store.
struct DocumentVectors {
    private let model: ArtefactModel
    private let kind: StoreKind
    /// Parts that are in the store already.
    private let foreign: Set<String>
    /// What determines every vector but the text.
    private let fingerprint: String

    /// All sets of vectors of the artefact, the dense ones first.
    let allParts: [StorePart]
    /// Sources that rank and have no vectors.
    let others: [String]

    /// - Parameters:
    ///   - kind: the store.
    ///   - foreign: parts that are in the store already.
    /// - Throws: `StoreError` for vectors of the user's own that cannot be used with this artefact.
    init(_ model: ArtefactModel, keeping kind: StoreKind, foreign: Set<String>) throws {
        (self.model, self.kind, self.foreign) = (model, kind, foreign)
        allParts = Self.parts(of: model)
        let ranking = model.rankingSources(offline: false)
        others = ranking.filter { $0.face == .ours }.map(\.name.rawValue)
        if !foreign.isEmpty {
            let mixing = model.manifest.mixing
            guard foreign == [SourceName.blackBox.rawValue], mixing.localForm == .unit, mixing.layout == .querySided,
                model.manifest.reduction == nil
            else {
                throw StoreError.doesNotFit(
                    store: kind.name,
                    reason:
                        "--column is for the vectors of 'black-box' as the API gives them; this artefact changes them, or others were named"
                )
            }
        }
        fingerprint = try Self.fingerprint(of: model, kind)
    }

    /// The sets of vectors of an artefact.
    static func parts(of model: ArtefactModel) -> [StorePart] {
        Mixture.denseParts(of: model.sources).map {
            StorePart(name: $0.source.rawValue, face: .dense, dimension: $0.dimension)
        }
            + model.sources.compactMap { $0 as? any SparseSource }.map {
                StorePart(name: $0.name.rawValue, face: .sparse, dimension: $0.termCount)
            }
    }

    /// What the store holds, also what it holds already.
    var parts: [StorePart] { ExportPlan.kept(allParts, by: kind) }

    /// Whether dense vectors have unit length.
    var areUnit: Bool {
        Self.areUnit(model) && parts.filter { $0.face == .dense }.count == allParts.filter { $0.face == .dense }.count
    }

    static func areUnit(_ model: ArtefactModel) -> Bool {
        let mixing = model.manifest.mixing
        let known = [SourceName.blackBox, .local].map(\.rawValue)
        return mixing.localForm == .unit && mixing.layout == .querySided
            && parts(of: model).allSatisfy { $0.face != .dense || known.contains($0.name) }
    }

    private var denseSources: [any ScoreSource] {
        model.sources.filter { source in
            guard let dense = source as? any DenseSource else { return false }
            return !foreign.contains(dense.documentVectors.rawValue)
        }
    }

    /// Whether the black box's vectors of documents are needed.
    var asksBlackBox: Bool { denseSources.contains { $0.documentInputs.contains(.blackBox) } }

    /// The hash of a text or an image and of all that determines its vectors.
    func hash(of item: EmbeddingItem) -> String { ContentHash.sha256(of: fingerprint + "\n" + item.content) }

    private static func fingerprint(of model: ArtefactModel, _ kind: StoreKind) throws -> String {
        struct Facts: Encodable {
            var blackBox: BlackBoxIdentity
            var encoder: EncoderRecord?
            var encodingVersion: Int
            /// nil: float32.
            var precision: Precision?
            var dense: [IndexManifest.Part]
            var sparse: [SparseFacts]
            var mixing: Mixture?
            var isJoined: Bool
        }
        struct SparseFacts: Encodable {
            var record: SourceRecord
            var files: [ArtefactManifest.FileRecord]
        }
        let manifest = model.manifest
        var encoder = manifest.documentEncoder
        encoder?.path = nil
        let isPlain = manifest.mixing.localForm == .unit && manifest.mixing.layout == .querySided
        let sparse = model.sources.filter { $0 is any SparseSource }.compactMap { source in
            manifest.allSources.first { $0.name == source.name }
        }
        let facts = Facts(
            blackBox: manifest.blackBox, encoder: encoder, encodingVersion: TextEncoder.encodingVersion,
            precision: encoder == nil || model.precision == .float32 ? nil : model.precision,
            dense: IndexManifest.parts(of: model.sources, in: manifest),
            sparse: sparse.map { record in
                let files = record.folder.map { folder in manifest.files.filter { $0.path.hasPrefix(folder + "/") } }
                return SparseFacts(record: record, files: files ?? [])
            },
            // Only then are weights in the documents' vectors.
            mixing: isPlain ? nil : manifest.mixing, isJoined: !kind.abilities.isNamed)
        let coder = JSONEncoder()
        coder.outputFormatting = [.sortedKeys]
        return ContentHash.hexadecimal(ContentHash.sha256(try coder.encode(facts)))
    }

    /// Embeds texts.
    /// - Parameters:
    ///   - hashes: one for each text.
    ///   - blackBox: nil if ``asksBlackBox`` is false.
    /// - Throws: what the black box and the encoder throw; `CombinationError`, `ArtefactError`.
    func batch(
        of items: [EmbeddingItem], hashes: [String], holdsTexts: Bool, asking blackBox: (any BlackBox)?,
        isCancelled: () -> Bool
    ) async throws -> StoreBatch {
        let answers = try await blackBox?.embed(items, as: .document)
        if let answers { try model.artefact.require(blackBoxDimension: answers.columns) }
        let texts = items.map(\.text)
        let local =
            model.encoder == nil
            ? nil : try model.localVectors(of: items.map(\.item), as: .document, isCancelled: isCancelled)
        let mixing = model.manifest.mixing
        let documents = try SourceDocuments(
            ids: items.map(\.id), texts: texts, blackBox: answers, local: local, form: mixing.localForm)
        let joined = try mixing.join(documents, of: denseSources)
        var dense: [Matrix] = []
        if kind.abilities.isNamed {
            var column = 0
            for part in allParts where part.face == .dense && !foreign.contains(part.name) {
                dense.append(joined.selecting(columns: column..<column + part.dimension))
                column += part.dimension
            }
        } else {
            dense = [joined]
        }
        let sparseSources =
            kind.abilities.holdsSparse ? model.sources.compactMap { $0 as? any SparseSource } : []
        let sparse = sparseSources.map { source in
            parallelMap(texts.count) { place in
                source.terms(ofDocument: texts[place]).filter { $0.weight > 0 }.sorted { $0.index < $1.index }
            }
        }
        return StoreBatch(
            ids: items.map(\.id), hashes: hashes, texts: holdsTexts ? texts : [], dense: dense, sparse: sparse)
    }
}
