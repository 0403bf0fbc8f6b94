import Foundation

extension RetrievalCollection {
    /// Reads a BEIR folder: `corpus.jsonl`, `queries.jsonl` (or `.gz`) and `qrels/{split}.tsv` (or `.txt`, `.qrels`, `.gz`).
    /// Labels are read when they are asked for.
    init(beirFolder folder: URL) throws {
        let corpusFile = folder.plainOrCompressed("corpus.jsonl")
        guard corpusFile.exists else {
            throw RetrievalError.missingFile(path: corpusFile.path, expected: "the corpus of a BEIR folder")
        }
        var warnings: [CollectionWarning] = []
        let documents = try TextTable<Document>(lines: corpusFile, warnings: &warnings)
        let queries = try TextTable<Query>(lines: folder.plainOrCompressed("queries.jsonl"), warnings: &warnings)
        self.init(
            source: folder, format: .beir, documents: documents, queries: queries, warnings: warnings,
            labels: try Self.qrelsFiles(in: folder.appendingPathComponent("qrels")).mapValues(Labels.file))
    }

    /// The label files of a folder by the name of their split. A folder without labels is a corpus to search.
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
            // Sorted order puts `dev.tsv` before `dev.tsv.gz`: the plain file is the one that is meant.
            if files[split] == nil { files[split] = folder.appendingPathComponent(name) }
        }
        return files
    }
}
