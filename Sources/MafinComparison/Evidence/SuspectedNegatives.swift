import MafinMethod
import MafinNumerics
import MafinRetrieval

/// An unlabelled document that the black box and the local encoder both rank first for a query. Either both are wrong in the same way, or a label is missing.
public struct SuspectedNegative: Sendable, Codable, Hashable {
    /// Row of the query.
    public let query: Int
    /// Row of the document.
    public let document: Int
    /// The difference of its score to that of the best labelled document, in standard deviations of the query's scores;
    /// the smaller one of both systems.
    public let margin: Double
}

/// Finds labels that may be missing, for people to check.
public enum SuspectedNegatives {
    /// Finds queries for which both systems rank the same unlabelled document first. Results are in order of falling
    /// margin.
    /// - Parameters:
    ///   - queries: rows of queries of any split. Queries without a relevant document are skipped.
    ///   - local: the local encoder's system. The encoder should not have been trained on these labels, because it
    ///     would have learned to agree with them.
    ///   - relevant: for each row of the table of queries, its relevant documents.
    ///   - judged: for each row, documents that were judged irrelevant and are never suspected. May be empty.
    ///   - documentIdentities: equal numbers for documents of equal text. They count as one document. `nil`: all texts
    ///     differ.
    ///   - count: the largest number of suspects to return.
    /// - Throws: whatever the systems throw.
    /// - Complexity: one pass over both systems' scores.
    public static func find(
        queries: [Int], blackBox: any RankingSystem, local: any RankingSystem, relevant: [[Judgement]],
        judged: [[Int]] = [], documentIdentities: [Int]? = nil, count: Int = 100
    ) throws -> [SuspectedNegative] {
        let labelled = queries.filter { !relevant[$0].isEmpty }
        var suspects: [SuspectedNegative] = []
        try blackBox.forEachBlock(of: labelled) { range, scores in
            let rows = Array(labelled[range])
            let others = try local.scores(queries: rows)
            for (position, query) in rows.enumerated() {
                let halves = [scores.row(position), others.row(position)].map { Array($0) }
                let first = halves.map { topK($0, count: 1).first?.index }
                guard let document = first[0], let other = first[1] else { continue }
                func identity(_ document: Int) -> Int { documentIdentities?[document] ?? document }
                guard identity(document) == identity(other) else { continue }
                let known = relevant[query].map(\.column) + (judged.isEmpty ? [] : judged[query])
                guard !known.contains(where: { identity($0) == identity(document) }) else { continue }
                let margins = halves.map { half in
                    let normalized = ScoreNormalization.zScore.normalized(half)
                    let best = relevant[query].map { normalized[$0.column] }.max() ?? 0
                    return Double((normalized.max() ?? 0) - best)
                }
                suspects.append(
                    SuspectedNegative(query: query, document: document, margin: min(margins[0], margins[1])))
            }
        }
        let ordered = suspects.enumerated().sorted {
            ($1.element.margin, $0.offset) < ($0.element.margin, $1.offset)
        }
        return ordered.prefix(count).map(\.element)
    }
}
