import MafinRetrieval

/// Texts that stand on both sides of a split.
public struct LeakCheck: Sendable {
    /// Queries that are learned from or chosen on and measured too.
    public let queries: LeakReport
    /// Relevant documents that only measured queries have, and their twins among those of training.
    public let documents: [LeakFacts.Finding]

    /// Texts of a finding that are kept, in characters.
    private static let textLength = 2_000
    /// Findings that are shown.
    private static let shown = 50

    /// Compares both sides.
    /// - Parameters:
    ///   - learned: labels that are learned from and chosen on.
    ///   - measured: labels to measure on.
    public init(_ collection: RetrievalCollection, learned: [Qrels], measured: Qrels) {
        queries = LeakReport(
            learned: collection.queries.filter { query in learned.contains { $0[query.id] != nil } },
            measured: collection.queries(judgedIn: measured))
        func relevant(_ qrels: [Qrels]) -> Set<String> {
            Set(
                qrels.flatMap { labels in labels.queryIds.flatMap { labels.relevantDocuments(of: $0).map(\.document) } }
            )
        }
        let known = relevant(learned)
        let new = relevant([measured]).subtracting(known)
        // In the order of the corpus, so that findings do not depend on hashing.
        let sides = (
            collection.documents.filter { known.contains($0.id) }, collection.documents.filter { new.contains($0.id) }
        )
        let comparison = SimilarTexts(shingles: .words(3), threshold: 0.8)
        documents = comparison.pairs(sides.0.map(\.textForEncoding), sides.1.map(\.textForEncoding))
            .sorted { ($1.similarity, $0.first, $0.second) < ($0.similarity, $1.first, $1.second) }
            .map { pair in
                LeakFacts.Finding(
                    kind: .document, trainingId: sides.0[pair.first].id, testId: sides.1[pair.second].id,
                    trainingText: String(sides.0[pair.first].textForEncoding.prefix(Self.textLength)),
                    testText: String(sides.1[pair.second].textForEncoding.prefix(Self.textLength)),
                    similarity: pair.similarity)
            }
    }

    /// For the report.
    /// - Parameter isAllowed: whether the user lets queries on both sides stand.
    public func facts(isAllowed: Bool) -> LeakFacts {
        let pairs = queries.pairs.map { pair in
            LeakFacts.Finding(
                kind: .query, trainingId: pair.learned.id, testId: pair.measured.id, trainingText: pair.learned.text,
                testText: pair.measured.text, similarity: pair.similarity)
        }
        return LeakFacts(
            method:
                "\(Number.count(queries.measuredQueries)) measured queries were compared with \(Number.count(queries.learnedQueries)) "
                + "of train and dev by \(queries.comparedBy) (\(Number.percent(queries.threshold)) or more in common), and relevant documents "
                + "that training does not know with those that it does, by 3-word shingles.",
            found: pairs.count + documents.count, findings: Array((pairs + documents).prefix(Self.shown)),
            isAllowed: isAllowed && !pairs.isEmpty)
    }
}
