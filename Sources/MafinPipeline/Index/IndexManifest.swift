import MafinBlackBox
import MafinEncoder
import MafinMethod

/// `index.json`: what an index holds, and which artefacts can search it.
///
/// | file | holds |
/// |---|---|
/// | `SOURCE.npy` for each of ``parts``: `black-box.npy`, `local.npy`, … | the source's document vectors, one a row |
/// | `SOURCE.bytes` for each of ``parts`` | a byte for each number of `SOURCE.npy`, with bounds of the errors: single searches read them first. Indexes of older versions do not have it |
/// | `graph.hnsw` | a graph of near documents, if there is ``approximation``: single searches find candidates with it |
/// | `corpus.jsonl` | a line `{"_id", "title", "text"}` for each document, as BEIR writes them; for a picture also its path, `image`, and a small picture as a data URL, `thumbnail` |
/// | `corpus.offsets` | where each line begins, and the file's length: 64-bit little-endian |
/// | `corpus.lookup` | hash of the id and row, 64-bit little-endian each, by ascending hash |
///
/// The vectors of each source are stored separately and unweighted, so that any weights can rank them without a change of the index. If the
/// artefact reduces its vectors, the one part is `reduced.npy`, whose weights are free too. Sources without vectors, such as BM25, are computed from the artefact's files and the texts when the index is opened.
package struct IndexManifest: Sendable, Codable, Equatable {
    /// Name of the manifest's file.
    package static let fileName = "index.json"
    /// The format that is written, and the newest that is read. Format 1 had the parts of a black box and a local encoder.
    package static let currentFormatVersion = 2

    /// Version of the folder's format.
    package var formatVersion: Int
    /// The version of mafin that wrote it.
    package var library: LibraryVersion
    /// SHA-256 of the manifest of the artefact that made it.
    package var artefactSHA256: String
    /// The artefact's black box. All parts but `local` were made from its vectors.
    package var blackBox: BlackBoxIdentity
    /// The encoder whose vectors `local.npy` holds; `nil` if there is none.
    package var documentEncoder: EncoderRecord?
    /// The precision in which ``documentEncoder`` embedded; `nil` means float32.
    package var precision: Precision?
    /// `TextEncoder.encodingVersion` of the program that made the vectors; `nil`, in indexes that do not record it, means 1.
    package var encodingVersion: Int?
    /// `float32` or `float16`.
    package var element: String
    /// Number of documents.
    package var documents: Int
    /// The vectors of each document.
    package var parts: [Part]
    /// Name of the collection, without its path.
    package var collection: String
    /// Every other file of the folder.
    package var files: [ArtefactManifest.FileRecord]
    /// The graph that single searches find candidates with, and how many of the best it finds; `nil`: all searches are exact.
    package var approximation: ApproximationRecord?

    /// The document vectors of one source.
    package struct Part: Sendable, Codable, Equatable {
        /// The source.
        package var source: SourceName
        /// Numbers in a vector.
        package var dimension: Int
        /// The source's record in the artefact; `nil` for the black box and the local encoder, which the manifest describes.
        package var record: SourceRecord?
        /// The artefact's files that determine the vectors, such as those of an adapter or of moved documents.
        package var determinedBy: [ArtefactManifest.FileRecord]
        /// The records of the sources whose vectors were reduced to this one; `nil` for vectors of one source.
        package var reducedSources: [SourceRecord]?

        /// Whether it holds vectors of the document encoder, alone or reduced with others.
        var usesEncoder: Bool { source == .local || reducedSources?.contains { $0.kind == .local } == true }
        /// Name of its file.
        var file: String { "\(source.rawValue).npy" }
        /// Name of the file of its bytes.
        var bytesFile: String { "\(source.rawValue).bytes" }
    }

    /// How the document vectors that an artefact needs, made by this program, differ from those in the index; empty if all are there.
    ///
    /// An artefact that is trained again beside the same black box and with the same document encoder (as in query mode) still fits an
    /// index that was made before. So does one with fewer sources, or with other sources that need the same document vectors.
    ///
    /// Documents in one precision can be searched with queries in another if the artefact's ``MafinPipeline/PrecisionGate`` has measured that and
    /// found that rankings stay as they are.
    /// - Parameters:
    ///   - sources: the artefact's sources.
    ///   - queries: the precision in which queries are embedded.
    package func differences(
        from artefact: ArtefactManifest, sources: [any ScoreSource], queries: Precision
    ) -> [String] {
        let needed = Self.parts(of: sources, in: artefact)
        var found: [String] = []
        if needed.contains(where: { $0.source != .local }) { found += blackBox.differences(from: artefact.blackBox) }
        for part in needed {
            guard let mine = parts.first(where: { $0.source == part.source }) else {
                found.append("no vectors of the source \(part.source)")
                continue
            }
            if mine.dimension != part.dimension {
                found.append("dimension of \(part.source) \(mine.dimension) instead of \(part.dimension)")
            }
            if mine.record != part.record || mine.determinedBy != part.determinedBy
                || mine.reducedSources != part.reducedSources
            {
                found.append("another \(part.source)")
            }
        }
        if needed.contains(where: \.usesEncoder), let theirs = artefact.documentEncoder,
            let mine = documentEncoder
        {
            func compare(_ name: String, _ mine: String, _ theirs: String) {
                if mine != theirs { found.append("\(name) \(mine) instead of \(theirs)") }
            }
            compare("weights of the document encoder", mine.weightsSHA256, theirs.weightsSHA256)
            let documents = precision ?? .float32
            if !artefact.allows(documents: documents, queries: queries) {
                found.append(
                    "documents embedded in \(documents.rawValue) for queries in \(queries.rawValue), a mix that the artefact does not record as harmless (--precision \(documents.rawValue) fits)"
                )
            }
            compare("encoding version", "\(encodingVersion ?? 1)", "\(TextEncoder.encodingVersion)")
            compare("document prefix", "'\(mine.documentPrefix)'", "'\(theirs.documentPrefix)'")
            compare(
                "maximum length", mine.maximumLength.map(String.init) ?? "none",
                theirs.maximumLength.map(String.init) ?? "none")
        }
        return found
    }

    /// The parts that an artefact needs.
    package static func parts(of sources: [any ScoreSource], in artefact: ArtefactManifest) -> [Part] {
        Mixture.denseParts(of: sources).map { part in
            if part.source == .reduced, let reduction = artefact.reduction {
                let folders = [ReductionRecord.folder] + reduction.sources.compactMap(\.folder)
                return Part(
                    source: part.source, dimension: part.dimension,
                    determinedBy: artefact.files.filter { file in folders.contains { file.path.hasPrefix($0 + "/") } },
                    reducedSources: reduction.sources)
            }
            let isDescribed = [.blackBox, .local].contains(part.source)
            let record = isDescribed ? nil : artefact.allSources.first { $0.name == part.source }
            let files = record?.folder.map { folder in artefact.files.filter { $0.path.hasPrefix(folder + "/") } }
            return Part(source: part.source, dimension: part.dimension, record: record, determinedBy: files ?? [])
        }
    }
}

extension IndexManifest {
    private enum Format1Keys: String, CodingKey { case blackBoxDimension, localDimension }

    /// Reads both formats.
    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        formatVersion = try container.decode(Int.self, forKey: .formatVersion)
        library = try container.decode(LibraryVersion.self, forKey: .library)
        artefactSHA256 = try container.decode(String.self, forKey: .artefactSHA256)
        blackBox = try container.decode(BlackBoxIdentity.self, forKey: .blackBox)
        documentEncoder = try container.decodeIfPresent(EncoderRecord.self, forKey: .documentEncoder)
        precision = try container.decodeIfPresent(Precision.self, forKey: .precision)
        encodingVersion = try container.decodeIfPresent(Int.self, forKey: .encodingVersion)
        element = try container.decode(String.self, forKey: .element)
        documents = try container.decode(Int.self, forKey: .documents)
        collection = try container.decode(String.self, forKey: .collection)
        files = try container.decode([ArtefactManifest.FileRecord].self, forKey: .files)
        approximation = try container.decodeIfPresent(ApproximationRecord.self, forKey: .approximation)
        if formatVersion == 1 {
            let dimensions = try decoder.container(keyedBy: Format1Keys.self)
            parts = [
                Part(
                    source: .blackBox, dimension: try dimensions.decode(Int.self, forKey: .blackBoxDimension),
                    determinedBy: []),
                Part(
                    source: .local, dimension: try dimensions.decode(Int.self, forKey: .localDimension),
                    determinedBy: []),
            ]
        } else {
            parts = try container.decode([Part].self, forKey: .parts)
        }
    }

    /// The first thing that makes no sense; `nil` if there is none.
    func fault() -> String? {
        if documents < 0 { return "expected a number of documents, found \(documents)" }
        if let file = files.first(where: { $0.path.contains("/") || $0.path == ".." }) {
            return "expected files of the folder, found '\(file.path)'"
        }
        if let part = parts.first(where: { !Self.isUsable($0.source) || $0.dimension < 1 }) {
            return "expected parts with a name and at least 1 number, found '\(part.source)' of \(part.dimension)"
        }
        if Set(parts.map(\.source)).count < parts.count { return "expected each part once" }
        if parts.contains(where: \.usesEncoder) != (documentEncoder != nil) {
            return "expected a document encoder if, and only if, there are local vectors"
        }
        if let approximation {
            let paths = Set(files.map(\.path))
            let hasFiles = paths.contains(ApproximationRecord.file) && parts.allSatisfy { paths.contains($0.bytesFile) }
            if !hasFiles { return "expected \(ApproximationRecord.file) and the bytes of all vectors among the files" }
            if let fault = approximation.fault(parts: parts.count) { return fault }
        }
        return nil
    }

    /// Whether a file can have the name of a source.
    static func isUsable(_ source: SourceName) -> Bool {
        let name = source.rawValue
        return (1...100).contains(name.utf8.count) && !name.hasPrefix(".")
            && name.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"):
                    true
                default: [UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "+")].contains(byte)
                }
            }
    }
}
