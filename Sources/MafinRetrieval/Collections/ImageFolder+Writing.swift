import Foundation
import MafinNumerics

extension ImageFolder {
    /// The file that says how a folder was made. A folder without it is never replaced.
    public static let recordName = "images.json"

    /// Copies the images of a layout into `folder` and writes `corpus.jsonl`, `queries.jsonl`, `qrels/` and the record, whole or not at all.
    ///
    /// Every document of a query's class is relevant for it.
    /// - Throws: `NumericsError`, or ``RetrievalError/badImageFolder(path:reason:)`` if `folder` holds something else.
    public static func write(_ layout: Layout, plan: Plan, to folder: URL) throws {
        guard try AtomicFile.canReplaceDirectory(at: folder, holding: recordName) else {
            throw RetrievalError.badImageFolder(
                path: folder.path,
                reason: "it holds other files; expected a new folder, or one that this command has made")
        }
        try AtomicFile.replaceDirectory(at: folder) { folder in
            let files = FileManager.default
            let qrels = folder.appendingPathComponent("qrels")
            try files.createDirectory(at: qrels, withIntermediateDirectories: true)
            let all = layout.documents + layout.queries.flatMap(\.items)
            for name in Set(all.map(\.className)) {
                try files.createDirectory(
                    at: folder.appendingPathComponent("images/\(name)"), withIntermediateDirectories: true)
            }
            for item in all {
                // A copy of a symbolic link would point elsewhere.
                try files.copyItem(
                    at: item.file.resolvingSymlinksInPath(), to: folder.appendingPathComponent(path(of: item)))
            }
            try write(layout.documents, to: folder.appendingPathComponent("corpus.jsonl"))
            try write(layout.queries.flatMap(\.items), to: folder.appendingPathComponent("queries.jsonl"))
            let documents = Dictionary(grouping: layout.documents, by: \.className)
            for (split, items) in layout.queries {
                var labels = Qrels()
                for query in items {
                    for document in documents[query.className] ?? [] {
                        labels.insert(query: query.id, document: document.id, grade: 1)
                    }
                }
                try labels.write(to: qrels.appendingPathComponent("\(split).tsv"))
            }
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
            let record = Record(
                seed: plan.seed, documents: layout.documents.count,
                queries: Dictionary(uniqueKeysWithValues: layout.queries.map { ($0.split, $0.items.count) }),
                classes: layout.classes)
            try AtomicFile.write(encoder.encode(record), to: folder.appendingPathComponent(recordName))
        }
    }

    private struct Record: Encodable {
        var seed: UInt64
        var documents: Int
        var queries: [String: Int]
        var classes: [String: [String]]
    }

    private static func path(of item: Item) -> String { "images/\(item.className)/\(item.file.lastPathComponent)" }

    private static func write(_ items: [Item], to file: URL) throws {
        try AtomicFile.write(to: file) { writer in
            for item in items {
                let line = "{\"_id\": \(JSONText.quoted(item.id)), \"image\": \(JSONText.quoted(path(of: item)))}\n"
                try writer.write(Data(line.utf8))
            }
        }
    }
}
