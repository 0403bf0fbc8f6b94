/// The test queries, partitioned by whether training saw their answers.
///
/// NUDGE, query memories and the popularity of documents help only for documents that answer a training query. Such a
/// gain says nothing about documents that are added later, so both kinds of queries are reported separately.
public struct QueryPartition: Sendable, Codable, Hashable {
    /// A kind of test query.
    public enum Part: String, Sendable, Codable, CaseIterable {
        /// Every relevant document has the content of a document that is relevant for some training query.
        case seenDocuments = "seen documents"
        /// At least one relevant document has no such content.
        case newDocuments = "new documents"
    }

    /// Queries whose relevant documents were all relevant in training, in the order of the qrels.
    public let seenDocuments: [String]
    /// The other queries that have a relevant document.
    public let newDocuments: [String]
    /// For each query of ``newDocuments``, the share of its relevant documents that training saw; below 1.
    public let seenShares: [Double]
    /// The number of new sets of documents that the queries ask for, if that is most of what they ask for and too little to speak of
    /// others; otherwise `nil`.
    ///
    /// A set of relevant documents is new if training saw less than half of it. Queries with the same set, such as pictures of one
    /// class, rise and fall together: a gain on some hundred of them says something about their few sets, and little about the next one.
    /// Sets that training saw are another matter, because later queries will ask for them too. Sets that differ in one document
    /// count as two.
    public let tooFewNewSets: Int?

    /// A paired randomisation test over n sets has no p below 2 / 2ⁿ, which is below .05 from six on.
    public static let fewestSets = 6

    /// Partitions the queries of `measured` that have a relevant document.
    /// - Parameters:
    ///   - learned: the labels that systems learn from.
    ///   - identity: which documents have the same content. A copy of a document that training saw is not new.
    public init(_ measured: Qrels, learned: [Qrels], identity: ContentIdentity) {
        var known = Set<ContentIdentity.Key>()
        for learned in learned {
            for query in learned.queryIds {
                known.formUnion(learned.relevantDocuments(of: query).map { identity.document($0.document) })
            }
        }
        var (seen, new, shares): ([String], [String], [Double]) = ([], [], [])
        var (newSets, unseen) = (Set<Set<ContentIdentity.Key>>(), 0)
        for query in measured.queryIds where measured.hasRelevantDocument(query) {
            let relevant = measured.relevantDocuments(of: query).map { identity.document($0.document) }
            let found = relevant.count(where: known.contains)
            if found == relevant.count {
                seen.append(query)
            } else {
                new.append(query)
                shares.append(Double(found) / Double(relevant.count))
                guard 2 * found < relevant.count else { continue }
                unseen += 1
                newSets.insert(Set(relevant))
            }
        }
        (seenDocuments, newDocuments, seenShares) = (seen, new, shares)
        let areMost = 2 * unseen > seen.count + new.count
        tooFewNewSets = areMost && newSets.count < Self.fewestSets ? newSets.count : nil
    }

    /// The queries of a part.
    public func queries(_ part: Part) -> [String] { part == .seenDocuments ? seenDocuments : newDocuments }

    /// The comparison of all systems within each part. A part without queries is left out.
    public func reports(
        split: String, evaluations: [(name: String, evaluation: SeededEvaluation)], baseline: String,
        metrics: [Metric] = Metric.standard, bootstrap: PairedBootstrap = PairedBootstrap(),
        test: PairedRandomizationTest = PairedRandomizationTest()
    ) throws -> [Part: EvaluationReport] {
        var reports: [Part: EvaluationReport] = [:]
        for part in Part.allCases where !queries(part).isEmpty {
            let wanted = Set(queries(part))
            reports[part] = try EvaluationReport(
                split: "\(split), \(part.rawValue)",
                evaluations: evaluations.map { ($0.name, $0.evaluation.filter { wanted.contains($0) }) },
                baseline: baseline, metrics: metrics, bootstrap: bootstrap, test: test)
        }
        return reports
    }
}
