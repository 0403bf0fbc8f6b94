/// Test queries by whether training saw their answers.
///
/// NUDGE, memories of queries and the popularity of documents can only help where a document was some training query's answer; what they gain
/// there says nothing of documents that are added later. So both kinds are reported apart.
public struct QueryPartition: Sendable, Codable, Hashable {
    /// A kind of test query.
    public enum Part: String, Sendable, Codable, CaseIterable {
        /// All relevant documents were relevant for some training query.
        case seenDocuments = "seen documents"
        /// Some relevant document, or all, never was.
        case newDocuments = "new documents"
    }

    /// Queries whose relevant documents were all labelled in training, in the order of the qrels.
    public let seenDocuments: [String]
    /// The other queries that have a relevant document.
    public let newDocuments: [String]
    /// For each of ``newDocuments`` the share of its relevant documents that training saw, below 1.
    public let seenShares: [Double]

    /// Parts the queries of `measured` that have a relevant document.
    /// - Parameter learned: the labels that systems learn from.
    public init(_ measured: Qrels, learned: Qrels) {
        var known = Set<String>()
        for query in learned.queryIds { known.formUnion(learned.relevantDocuments(of: query).map(\.document)) }
        var (seen, new, shares): ([String], [String], [Double]) = ([], [], [])
        for query in measured.queryIds where measured.hasRelevantDocument(query) {
            let relevant = measured.relevantDocuments(of: query)
            let found = relevant.count { known.contains($0.document) }
            if found == relevant.count {
                seen.append(query)
            } else {
                new.append(query)
                shares.append(Double(found) / Double(relevant.count))
            }
        }
        (seenDocuments, newDocuments, seenShares) = (seen, new, shares)
    }

    /// The queries of a part.
    public func queries(_ part: Part) -> [String] { part == .seenDocuments ? seenDocuments : newDocuments }

    /// The comparison of all systems within each part that has queries.
    /// - Throws: nothing for a part without queries, which is left out.
    public func reports(
        split: String, evaluations: [(name: String, evaluation: RunEvaluation)], baseline: String,
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

extension RunEvaluation {
    /// The values of those queries for which `isIncluded` holds, and their means. Counts of queries left out stay those of the whole.
    public func filter(_ isIncluded: (_ queryId: String) -> Bool) -> RunEvaluation {
        let kept = queryIds.indices.filter { isIncluded(queryIds[$0]) }
        let values = values.mapValues { column in kept.map { column[$0] } }
        return RunEvaluation(
            queryIds: kept.map { queryIds[$0] }, values: values,
            means: values.mapValues { $0.isEmpty ? 0 : $0.reduce(0, +) / Double($0.count) },
            queriesWithoutRelevantDocument: queriesWithoutRelevantDocument, queriesWithoutResult: queriesWithoutResult)
    }
}
