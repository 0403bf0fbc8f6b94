import Foundation
import MafinBlackBox
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval
import Synchronization

/// An index that `mafin index` wrote, mapped into memory: both sources' vectors of every document, and the texts.
///
/// Rows and texts are read from the files' own pages, which all processes share. While the files are mapped, replace them and never overwrite
/// them in place: reading a page that no longer exists ends the process. ``approximate()`` adds a byte of memory for each number.
package final class SearchIndex: Sendable {
    static let blackBoxFile = "black-box.npy"
    static let localFile = "local.npy"
    static let corpusFile = "corpus.jsonl"
    static let offsetsFile = "corpus.offsets"
    static let lookupFile = "corpus.lookup"

    /// The folder.
    package let folder: URL
    /// Its manifest.
    package let manifest: IndexManifest
    /// Both parts side by side, the black box's first.
    var joined: VectorIndex { bothSources.withLock { $0 } }
    /// The black box's vector alone.
    var blackBox: VectorIndex { joined.part(0) }
    private let bothSources: Mutex<VectorIndex>
    private let corpus: MappedFile
    private let offsets: MappedFile
    private let lookup: IdentifierLookup

    /// Number of documents.
    package var count: Int { manifest.documents }

    /// Maps an index and checks its files against the manifest: their lengths, or all their content.
    /// - Throws: ``IndexError``, `NumericsError`, `RetrievalError`, naming the file.
    package init(readingFrom folder: URL, verification: Artefact.Verification = .length) throws {
        let manifest = try Self.decode(
            Self.manifestData(in: folder), path: folder.appendingPathComponent(IndexManifest.fileName).path)
        for file in manifest.files { try file.verify(in: folder, verification, orThrow: IndexError.wrongFile) }
        func file(_ name: String) -> URL { folder.appendingPathComponent(name) }
        let remote = try VectorRows(contentsOf: file(Self.blackBoxFile))
        let local = try VectorRows(contentsOf: file(Self.localFile))
        corpus = try MappedFile(file(Self.corpusFile))
        offsets = try MappedFile(file(Self.offsetsFile))
        lookup = try IdentifierLookup(file(Self.lookupFile))
        for (name, rows, columns) in [
            (Self.blackBoxFile, remote, manifest.blackBoxDimension), (Self.localFile, local, manifest.localDimension),
        ] where rows.count != manifest.documents || rows.columns != columns {
            throw IndexError.wrongFile(
                path: file(name).path, expected: "\(manifest.documents) × \(columns) elements",
                found: "\(rows.count) × \(rows.columns)")
        }
        guard offsets.count == 8 * (manifest.documents + 1), lookup.count == manifest.documents else {
            throw IndexError.wrongFile(
                path: file(Self.offsetsFile).path, expected: "entries of \(manifest.documents) documents",
                found: "\(offsets.count) bytes")
        }
        self.folder = folder
        self.manifest = manifest
        bothSources = Mutex(VectorIndex(parts: [remote, local]))
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

    /// Reads all rows once and holds one byte of each number, so that single searches read a quarter of the memory. Their results stay the
    /// same. Until it is done, searches read the full rows.
    package func approximate() {
        let parts = joined.parts
        let approximated = VectorIndex(parts: parts, isApproximated: true)
        bothSources.withLock { $0 = approximated }
    }

    /// Checks that an artefact's document vectors are those of the index.
    /// - Throws: ``IndexError/otherArtefact(path:differences:)``, ``IndexError/normForm(artefact:)``.
    package func require(_ artefact: Artefact) throws {
        guard artefact.manifest.mixing.lambda != nil else {
            throw IndexError.normForm(artefact: artefact.folder.path)
        }
        let differences = manifest.differences(from: artefact.manifest)
        guard differences.isEmpty else {
            throw IndexError.otherArtefact(path: folder.path, differences: differences)
        }
    }

    /// The document of a row.
    /// - Throws: ``IndexError/wrongFile(path:expected:found:)`` if its line is not a document.
    package func document(_ row: Int) throws -> Document {
        precondition((0..<count).contains(row), "row \(row) of \(count)")
        let (start, end) = (Int(Self.offset(row, in: offsets)), Int(Self.offset(row + 1, in: offsets)))
        let line = corpus.withUnsafeBytes { Data($0[start..<end]) }
        do {
            return try JSONDecoder().decode(StoredDocument.self, from: line).document
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
    static func manifestData(in folder: URL) throws -> Data {
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
            guard manifest.documents >= 0, manifest.blackBoxDimension > 0, manifest.localDimension > 0,
                manifest.files.allSatisfy({ !$0.path.contains("/") && $0.path != ".." })
            else {
                throw IndexError.malformedManifest(path: path, reason: "counts or file names make no sense")
            }
            return manifest
        } catch let error as DecodingError {
            throw IndexError.malformedManifest(path: path, reason: error.sentence)
        }
    }
}

/// A document as BEIR writes it.
struct StoredDocument: Codable {
    var _id: String
    var title: String
    var text: String

    init(_ document: Document) {
        (_id, title, text) = (document.id, document.title, document.text)
    }

    var document: Document { Document(id: _id, title: title, text: text) }
}
