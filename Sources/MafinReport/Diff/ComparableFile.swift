import Foundation
import MafinRetrieval

/// The content of a file that is to be compared.
public enum ComparableFile: Sendable {
    /// A TREC run.
    case run(Run)
    /// A report: of a comparison, or of an evaluation.
    case report(ComparisonFacts)

    /// Reads a TREC run (plain or gzip) or a report (JSON); a file that begins with `{` is taken for JSON.
    /// - Throws: `RetrievalError` for a missing file or a faulty run, ``ReportError`` for a faulty report.
    public init(contentsOf url: URL) throws {
        guard let head = try? FileHandle(forReadingFrom: url).read(upToCount: 64) else {
            throw RetrievalError.missingFile(path: url.path, expected: "a TREC run, or a report as JSON")
        }
        // UTF-8's byte order mark does not count as white space.
        let first = head.first { ![0x20, 0x09, 0x0A, 0x0D, 0xEF, 0xBB, 0xBF].contains($0) }
        guard first == UInt8(ascii: "{") else {
            self = .run(try Run(contentsOf: url))
            return
        }
        let data = try Data(contentsOf: url)
        // Reports of comparisons name their schema. Evaluations do not.
        let schema = try? JSONDecoder().decode(ComparisonFacts.Head.self, from: data).schema
        if schema == nil, let report = try? JSONDecoder().decode(EvaluationReport.self, from: data) {
            var facts = ComparisonFacts(title: url.deletingPathExtension().lastPathComponent, report)
            if let parts = try? JSONDecoder().decode(EvaluatedParts.self, from: data) { facts.add(parts) }
            self = .report(facts)
        } else {
            self = .report(try ComparisonFacts(json: data, path: url.path))
        }
    }
}

/// The fields of an evaluation's JSON with the figures on queries about known documents, and on those about new ones.
private struct EvaluatedParts: Decodable {
    var known: EvaluationReport?
    var new: EvaluationReport?
}

extension ComparisonFacts {
    fileprivate mutating func add(_ parts: EvaluatedParts) {
        guard let known = parts.known, let new = parts.new else { return }
        newDocuments = NewDocumentFacts(knownQueries: known.queries, newQueries: new.queries)
        func result(_ name: String, _ report: EvaluationReport) -> GroupResult? {
            report.systems.first { $0.name == name }.map {
                GroupResult(queries: report.queries, metrics: $0.metrics, difference: $0.difference)
            }
        }
        for index in systems.indices {
            let name = systems[index].name
            (systems[index].known, systems[index].new) = (result(name, known), result(name, new))
        }
    }
}
