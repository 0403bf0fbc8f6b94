import Foundation
import MafinNumerics
import MafinRetrieval

/// An index, and the tables that are computed from it once. A reload of the artefact uses it again if the index's files are the same.
final class ServedIndex: Sendable {
    /// SHA-256 of `index.json`, which holds the hash of every other file.
    let hash: String
    let search: SearchIndex
    /// `nil` if BM25 is not loaded.
    let lexical: BM25?

    private init(_ folder: URL, _ hash: String, holdsBM25: Bool) throws {
        self.hash = hash
        let search = try SearchIndex(readingFrom: folder)
        self.search = search
        lexical =
            holdsBM25 ? BM25(texts: try (0..<search.count).map { try search.document($0).textForEncoding }) : nil
        // In the background, so that the service is ready at once.
        DispatchQueue.global(qos: .utility).async { [weak search] in search?.approximate() }
    }

    /// Opens an index, or returns the open one if its files are the same.
    /// - Throws: ``IndexError``; file errors.
    static func open(_ folder: URL, holdsBM25: Bool, sharing open: ServedIndex?) throws -> ServedIndex {
        let hash = ContentHash.hexadecimal(ContentHash.sha256(try SearchIndex.manifestData(in: folder)))
        if let open, open.hash == hash, (open.lexical != nil) == holdsBM25 { return open }
        return try ServedIndex(folder, hash, holdsBM25: holdsBM25)
    }
}
