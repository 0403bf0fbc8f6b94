import Foundation
import MafinImages

extension RetrievalCollection {
    /// Reads a BEIR folder: `corpus.jsonl`, `queries.jsonl` (or `.gz`) and `qrels/{split}.tsv` (or `.txt`, `.qrels`,
    /// `.gz`). Labels are read when they are needed.
    init(beirFolder folder: URL) throws {
        let corpusFile = folder.plainOrCompressed("corpus.jsonl")
        guard corpusFile.exists else {
            throw RetrievalError.missingFile(path: corpusFile.path, expected: "the corpus of a BEIR folder")
        }
        var warnings: [CollectionWarning] = []
        let documents = try TextTable<Document>(lines: corpusFile, warnings: &warnings)
        let queries = try TextTable<Query>(lines: folder.plainOrCompressed("queries.jsonl"), warnings: &warnings)
        let images = Set(documents.texts.compactMap { $0.image?.contentHash })
        for (row, query) in queries.texts.enumerated() {
            guard let hash = query.image?.contentHash, images.contains(hash) else { continue }
            warnings.append(
                .init(path: queries.path, line: queries.line(ofRow: row), kind: .ownDocument, identifier: query.id))
        }
        self.init(
            source: folder, format: .beir, documents: documents, queries: queries, warnings: warnings,
            labels: try Self.qrelsFiles(in: folder.appendingPathComponent("qrels")).mapValues(Labels.file))
    }

    /// The label files of a folder, by name of their split. Empty if the folder has no labels, because a corpus can be
    /// searched without labels.
    private static func qrelsFiles(in folder: URL) throws -> [String: URL] {
        guard folder.isFolder else { return [:] }
        let names: [String]
        do {
            names = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
        } catch {
            throw RetrievalError.unreadableFile(path: folder.path, reason: "\(error)")
        }
        var files: [String: URL] = [:]
        for name in names where !name.hasPrefix(".") {
            let plain = name.hasSuffix(".gz") ? String(name.dropLast(3)) : name
            guard let ending = [".tsv", ".txt", ".qrels"].first(where: plain.hasSuffix) else { continue }
            let split = String(plain.dropLast(ending.count))
            // In sorted order `dev.tsv` comes before `dev.tsv.gz`, so the plain file is used.
            if files[split] == nil { files[split] = folder.appendingPathComponent(name) }
        }
        return files
    }
}
