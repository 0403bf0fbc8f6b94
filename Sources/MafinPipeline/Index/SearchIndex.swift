import Foundation
import MafinBlackBox
import MafinEncoder
import MafinImages
import MafinMethod
import MafinNumerics
import MafinRetrieval

/// An index that `mafin index` wrote, mapped into memory: the vectors of every document, and the texts.
///
/// Rows and texts are read from the files' own pages, which all processes share. While the files are mapped, replace them and never overwrite
/// them in place: reading a page that no longer exists ends the process.
package final class SearchIndex: Sendable {
    package static let corpusFile = "corpus.jsonl"
    static let offsetsFile = "corpus.offsets"
    static let lookupFile = "corpus.lookup"

    /// The folder.
    package let folder: URL
    /// Its manifest.
    package let manifest: IndexManifest
    /// The rows of each part, in the order of the manifest.
    private let rows: [VectorRows]
    /// The bytes of each part, in the same order; empty if a version wrote the index that wrote none.
    private let approximations: [RowApproximation]
    /// What finds candidates; `nil` if the index has no graph, or if it is not wanted.
    private let candidates: CandidateGraph?
    private let corpus: MappedFile
    private let offsets: MappedFile
    private let lookup: IdentifierLookup

    /// Number of documents.
    package var count: Int { manifest.documents }

    /// Maps an index and checks its files against the manifest: their lengths, or all their content.
    /// - Parameter readsGraph: whether to read the graph of near documents, if there is one. Without it every search is exact.
    /// - Throws: ``IndexError``, `NumericsError`, `RetrievalError`, naming the file.
    package init(
        readingFrom folder: URL, verification: Artefact.Verification = .length, readsGraph: Bool = false
    ) throws {
        let manifest = try Self.decode(
            Self.manifestData(in: folder), path: folder.appendingPathComponent(IndexManifest.fileName).path)
        for file in manifest.files { try file.verify(in: folder, verification, orThrow: IndexError.wrongFile) }
        func file(_ name: String) -> URL { folder.appendingPathComponent(name) }
        rows = try manifest.parts.map { try VectorRows(contentsOf: file($0.file)) }
        corpus = try MappedFile(file(Self.corpusFile))
        offsets = try MappedFile(file(Self.offsetsFile))
        lookup = try IdentifierLookup(file(Self.lookupFile))
        for (part, rows) in zip(manifest.parts, rows)
        where rows.count != manifest.documents || rows.columns != part.dimension {
            throw IndexError.wrongFile(
                path: file(part.file).path, expected: "\(manifest.documents) × \(part.dimension) elements",
                found: "\(rows.count) × \(rows.columns)")
        }
        let paths = Set(manifest.files.map(\.path))
        let bytes =
            manifest.parts.allSatisfy { paths.contains($0.bytesFile) }
            ? try zip(manifest.parts, rows).map { part, rows in
                try RowApproximation(contentsOf: file(part.bytesFile), of: rows)
            } : []
        approximations = bytes
        candidates =
            readsGraph
            ? try manifest.approximation.map { try CandidateGraph(readingFrom: folder, manifest, $0, bytes) } : nil
        guard offsets.count == 8 * (manifest.documents + 1), lookup.count == manifest.documents else {
            throw IndexError.wrongFile(
                path: file(Self.offsetsFile).path, expected: "entries of \(manifest.documents) documents",
                found: "\(offsets.count) bytes")
        }
        self.folder = folder
        self.manifest = manifest
        var last: UInt64 = 0
        for row in 0...manifest.documents {
            let offset = Self.offset(row, in: offsets)
            guard offset >= last, offset <= UInt64(corpus.count) else {
                throw IndexError.wrongFile(
                    path: file(Self.offsetsFile).path, expected: "ascending offsets into \(Self.corpusFile)",
                    found: "\(offset) at row \(row)")
            }
            last = offset
        }
    }

    /// Checks that the document vectors that an artefact needs are those of the index.
    /// - Parameters:
    ///   - sources: the artefact's sources.
    ///   - queries: the precision in which queries are embedded.
    /// - Throws: ``IndexError/otherArtefact(path:differences:)``, ``IndexError/normForm(artefact:)``.
    package func require(
        _ artefact: Artefact, sources: [any ScoreSource], queries: Precision
    ) throws {
        guard artefact.manifest.mixing.localForm == .unit else {
            throw IndexError.normForm(artefact: artefact.folder.path)
        }
        let differences = manifest.differences(from: artefact.manifest, sources: sources, queries: queries)
        guard differences.isEmpty else {
            throw IndexError.otherArtefact(path: folder.path, differences: differences)
        }
    }

    /// Whether the bytes of its vectors have to be made in memory, because a version wrote it that wrote none.
    package var lacksBytes: Bool { approximations.count < manifest.parts.count }

    /// The documents, ready to be ranked by sources that ``require(_:sources:queries:)`` has accepted.
    /// - Parameter other: an index of the same files. Its vectors, with their bytes if it has some, are used again if the sources need
    ///   the same.
    /// - Throws: ``IndexError/wrongFile(path:expected:found:)`` for a text that is not a document; whatever the sources throw.
    package func prepared(for sources: [any ScoreSource], sharing other: SourceIndex? = nil) throws -> SourceIndex {
        // In the order of the sources, because the order of a sum changes its last bits.
        let parts = Mixture.denseParts(of: sources).map(\.source)
        let documents = try self.documents(for: sources)
        if let other, other.parts == parts {
            return try SourceIndex(
                sources, documents: documents, parts: parts, vectors: other.vectors, candidates: candidates)
        }
        let places = parts.compactMap { source in manifest.parts.firstIndex { $0.source == source } }
        return try SourceIndex(
            sources, documents: documents, parts: places.map { manifest.parts[$0].source },
            vectors: places.isEmpty
                ? nil
                : VectorIndex(
                    parts: places.map { rows[$0] },
                    approximations: lacksBytes ? [] : places.map { approximations[$0] }), candidates: candidates)
    }

    /// What sources that compute document by document read. Nothing is read if there are none.
    private func documents(for sources: [any ScoreSource]) throws -> SourceDocuments {
        let inputs = sources.filter { $0 is any ScoringSource }.reduce(into: SourceInputs()) {
            $0.formUnion($1.documentInputs)
        }
        guard !inputs.isEmpty else { return SourceDocuments() }
        var (ids, texts) = ([String](), [String]())
        for row in 0..<count {
            let document = try document(row)
            ids.append(document.id)
            if inputs.contains(.text) { texts.append(document.textForEncoding) }
        }
        return SourceDocuments(ids: ids, texts: texts)
    }

    /// The document of a row, without its image.
    /// - Throws: ``IndexError/wrongFile(path:expected:found:)`` if its line is not a document.
    package func document(_ row: Int) throws -> Document { try stored(row).document }

    /// The line of a row.
    /// - Throws: ``IndexError/wrongFile(path:expected:found:)`` if it is not a document.
    package func stored(_ row: Int) throws -> StoredDocument {
        precondition((0..<count).contains(row), "row \(row) of \(count)")
        let (start, end) = (Int(Self.offset(row, in: offsets)), Int(Self.offset(row + 1, in: offsets)))
        let line = corpus.withUnsafeBytes { Data($0[start..<end]) }
        do {
            return try JSONDecoder().decode(StoredDocument.self, from: line)
        } catch {
            throw IndexError.wrongFile(
                path: folder.appendingPathComponent(Self.corpusFile).path, expected: "a document at byte \(start)",
                found: "other text")
        }
    }

    /// The row of an id; `nil` if the index does not hold it. Complexity: O(log n) pages.
    package func row(of id: String) -> Int? {
        lookup.candidates(for: id).first { row in
            (0..<count).contains(row) && (try? document(row).id) == id
        }
    }

    private static func offset(_ row: Int, in file: MappedFile) -> UInt64 {
        file.withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(fromByteOffset: 8 * row, as: UInt64.self)) }
    }

    /// The bytes of `index.json`. An index that an interrupted writer has moved aside is put back first.
    /// - Throws: ``IndexError/notAnIndex(path:)``.
    package static func manifestData(in folder: URL) throws -> Data {
        AtomicFile.recoverDirectory(at: folder)
        let url = folder.appendingPathComponent(IndexManifest.fileName)
        guard let data = FileManager.default.contents(atPath: url.path) else {
            throw IndexError.notAnIndex(path: folder.path)
        }
        return data
    }

    private static func decode(_ data: Data, path: String) throws -> IndexManifest {
        /// The format version alone, which says whether the rest can be read.
        struct Format: Decodable { let formatVersion: Int }
        do {
            let version = try JSONDecoder().decode(Format.self, from: data).formatVersion
            guard (1...IndexManifest.currentFormatVersion).contains(version) else {
                throw IndexError.unknownFormat(
                    path: path, newestKnown: IndexManifest.currentFormatVersion, found: version)
            }
            let manifest = try JSONDecoder().decode(IndexManifest.self, from: data)
            if let fault = manifest.fault() { throw IndexError.malformedManifest(path: path, reason: fault) }
            return manifest
        } catch let error as DecodingError {
            throw IndexError.malformedManifest(path: path, reason: error.sentence)
        }
    }
}

/// A document as BEIR writes it, with a small picture of its image.
package struct StoredDocument: Codable {
    package var _id: String
    package var title: String
    package var text: String
    /// The path of its image in the collection; `nil` for a text.
    package var image: String?
    /// A small picture of the image, as a data URL.
    package var thumbnail: String?

    /// - Throws: `ImageError` for an image that cannot be read.
    init(_ document: Document) throws {
        (_id, title, text) = (document.id, document.title, document.text)
        image = document.image?.path
        thumbnail = try document.image?.thumbnail()
    }

    package var document: Document { Document(id: _id, title: title, text: text) }
}
