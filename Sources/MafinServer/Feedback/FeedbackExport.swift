import Foundation
import MafinBlackBox
import MafinNumerics
import MafinPipeline
import MafinRetrieval

/// Makes a collection for `mafin train --data` of the marks that a service wrote.
///
/// `queries.jsonl` holds the marked queries, `qrels/train.tsv` one grade for each marked document (1 relevant, 0 wrong), and
/// `corpus.jsonl` the documents of an index. If several keys marked the same document, the majority decides, and in a tie the latest mark.
package struct FeedbackExport: Sendable, Equatable, Encodable {
    /// Labels written.
    package var labels = 0
    /// Queries written.
    package var queries = 0
    /// Marks left out because the index does not hold their document.
    package var marksOfOtherDocuments = 0
    /// Lines of the file of marks that are not events.
    package var damagedLines = 0

    /// Writes the collection, whole or not at all.
    /// - Parameters:
    ///   - marks: the folder that the service wrote marks to.
    ///   - index: the index whose documents become the corpus.
    ///   - folder: must not exist, or be empty.
    /// - Throws: `NumericsError` and file errors, also if there are no marks.
    package static func write(
        marks: URL, documentsOf index: SearchIndex, to folder: URL
    ) throws -> FeedbackExport {
        let file = marks.appendingPathComponent(FeedbackLog.fileName)
        guard let data = FileManager.default.contents(atPath: file.path) else {
            throw NumericsError.file(
                path: file.path, reason: "there are no marks; 'mafin serve --feedback' writes them")
        }
        if let contents = try? FileManager.default.contentsOfDirectory(atPath: folder.path), !contents.isEmpty {
            throw NumericsError.file(path: folder.path, reason: "the folder is not empty; nothing was written")
        }
        var export = FeedbackExport()
        var events = FeedbackMarks()
        export.damagedLines = FeedbackLog.forEachEvent(in: data) { events.apply($0) }
        var lines = ""
        var labels: [(query: String, document: String, grade: Int)] = []
        for name in events.order {
            guard let query = events.queries[name] else { continue }
            let known = query.grades.filter { index.row(of: $0.key) != nil }
            export.marksOfOtherDocuments += query.grades.count - known.count
            guard !known.isEmpty else { continue }
            let id = "asked-" + ContentHash.sha256(of: name).prefix(12)
            lines += "{\"_id\":\(JSONText.quoted(id)),\"text\":\(JSONText.quoted(query.text))}\n"
            export.queries += 1
            for (document, grades) in known.sorted(by: { $0.key < $1.key }) {
                guard let grade = FeedbackMarks.grade(grades) else { continue }
                labels.append((id, document, grade))
            }
        }
        export.labels = labels.count
        try AtomicFile.replaceDirectory(at: folder) { temporary in
            try FileManager.default.createDirectory(
                at: temporary.appendingPathComponent("qrels"), withIntermediateDirectories: true)
            try FileManager.default.copyItem(
                at: index.folder.appendingPathComponent(SearchIndex.corpusFile),
                to: temporary.appendingPathComponent(SearchIndex.corpusFile))
            try AtomicFile.write(Data(lines.utf8), to: temporary.appendingPathComponent("queries.jsonl"))
            try Qrels(labels).write(to: temporary.appendingPathComponent("qrels/train.tsv"))
        }
        return export
    }
}
