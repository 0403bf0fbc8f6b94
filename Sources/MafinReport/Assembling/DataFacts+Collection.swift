import Foundation
import MafinRetrieval

extension DataFacts {
    /// The facts of a collection.
    /// - Parameters:
    ///   - name: what it is called; `nil`: the last part of its path.
    ///   - splits: the labels of each split, in the order in which they are shown.
    public init(_ collection: RetrievalCollection, name: String? = nil, splits: [(name: String, qrels: Qrels)]) {
        self.init(
            name: name ?? collection.source?.lastPathComponent ?? "in memory", documents: collection.documents.count,
            queries: collection.queries.count,
            documentWords: Distribution(collection.documents.map { Double(wordCount($0.textForEncoding)) }),
            queryWords: Distribution(collection.queries.map { Double(wordCount($0.text)) }),
            splits: splits.map { Split(name: $0.name, $0.qrels) },
            warnings: collection.warnings.isEmpty
                ? nil
                : collection.warnings.map { warning in
                    // The file's name alone: a report says nothing of the machine's folders.
                    let file = URL(fileURLWithPath: warning.path).lastPathComponent
                    return "\(file):\(warning.line): \(warning.kind.rawValue) (id \"\(warning.identifier)\")"
                })
    }
}

extension DataFacts.Split {
    /// The facts of a split's labels.
    public init(name: String, _ qrels: Qrels) {
        var grades: [String: Int] = [:]
        var relevant: [Double] = []
        for query in qrels.queryIds {
            let labels = qrels[query] ?? [:]
            for grade in labels.values { grades[String(grade), default: 0] += 1 }
            let count = labels.values.count { $0 > 0 }
            if count > 0 { relevant.append(Double(count)) }
        }
        self.init(
            name: name, queries: relevant.count, labels: qrels.pairCount,
            relevantDocuments: DataFacts.Distribution(relevant), grades: grades)
    }
}

private func wordCount(_ text: String) -> Int {
    text.unicodeScalars.split(whereSeparator: \.properties.isWhitespace).count
}
