import MafinNumerics
import MafinRetrieval

/// Applies filters one after the other. Holds the queries that are left, and the rejected ones with the reason.
public struct QueryFiltering: Sendable {
    /// Queries that have passed so far, in the order in which they were made.
    public private(set) var kept: [GeneratedQuery]
    /// Rejected queries, in the order in which they were rejected.
    public private(set) var rejected: [RejectedQuery] = []

    /// Starts with all queries, before any filter.
    public init(_ queries: [GeneratedQuery]) {
        kept = queries
    }

    /// How many were rejected for each reason.
    public var rejections: [RejectionReason: Int] { rejected.reduce(into: [:]) { $0[$1.reason, default: 0] += 1 } }

    private mutating func reject(_ objection: (Int, GeneratedQuery) -> (reason: RejectionReason, detail: String)?) {
        var passed: [GeneratedQuery] = []
        for (index, query) in kept.enumerated() {
            if let (reason, detail) = objection(index, query) {
                rejected.append(RejectedQuery(query: query, reason: reason, detail: detail))
            } else {
                passed.append(query)
            }
        }
        kept = passed
    }

    /// Rejects by length, by wording, and for runs of words that are copied from the passage.
    public mutating func byText(_ documents: [Document]) {
        let filters: [any TextFilter] = [LengthFilter(), DeicticFilter(), CopyFilter()]
        reject { _, query in
            filters.lazy.compactMap { $0.objection(to: query, of: documents[query.passage]) }.first
        }
    }

    /// Rejects queries that say the same as an earlier or a known query of any passage, so that no query is in two parts of a split.
    /// - Parameter known: queries with another use, for example for the measurement.
    public mutating func byDuplicates(known: [String] = [], comparison: SimilarTexts = SimilarTexts()) {
        let texts = kept.map(\.text)
        var twins = [String?](repeating: nil, count: texts.count)
        for pair in comparison.pairs(known, texts) where twins[pair.second] == nil {
            twins[pair.second] = "an existing query"
        }
        // Stored by the index of the later query, so that its rejection can name the earlier one.
        for pair in comparison.pairs(texts, texts)
        where pair.first < pair.second && twins[pair.first] == nil && twins[pair.second] == nil {
            twins[pair.second] = kept[pair.first].id
        }
        let found = twins
        reject { index, _ in found[index].map { (.duplicate, "like \($0)") } }
    }

    /// Rejects queries whose own passage is not among the first `count` of all documents that the black box finds for them (round-trip
    /// consistency: Alberti et al. 2019; Dai et al. 2022). Documents of equal text count as one.
    ///
    /// A strict bound rejects the queries that a black box gets wrong, which a local encoder can learn from. So 1 is only for a strong black box.
    /// - Parameters:
    ///   - documents: vectors of all documents, row by row, of unit length.
    ///   - queries: vectors of ``kept``, row by row, of unit length.
    ///   - texts: the documents that the vectors belong to.
    ///   - rowOfPassage: for each document of the corpus, its row in `texts`.
    ///   - count: number of documents among which the passage must be.
    /// - Throws: `RetrievalError` for vectors that are not finite.
    public mutating func byRoundTrip(
        documents: Matrix, queries: Matrix, texts: [Document], rowOfPassage: [Int], count: Int
    ) throws {
        precondition(
            queries.rows == kept.count && documents.rows == texts.count, "a vector for each query and document")
        guard !kept.isEmpty else { return }
        var firstRow: [String: Int] = [:]
        let identity = texts.enumerated().map { row, document -> Int in
            let text = document.textForEncoding
            if let first = firstRow[text] { return first }
            firstRow[text] = row
            return row
        }
        // Copies of a text take several places, so a few more documents are searched.
        let rankings = try VectorIndex(VectorRows(documents)).search(
            queries: queries, count: min(texts.count, 2 * count + 16))
        let ranks = kept.indices.map { index -> Int? in
            let own = identity[rowOfPassage[kept[index].passage]]
            var seen = Set<Int>()
            for entry in rankings[index] {
                seen.insert(identity[entry.index])
                if identity[entry.index] == own { return seen.count }
            }
            return nil
        }
        reject { index, _ in
            guard let rank = ranks[index] else { return (.roundTrip, "its passage is not among the first \(count)") }
            return rank > count ? (.roundTrip, "its passage is number \(rank)") : nil
        }
    }

    /// Rejects queries with a judge's grade below ``JudgePrompt/leastGrade``.
    mutating func byGrades(_ grades: [Int]) {
        reject { index, _ in
            grades[index] < JudgePrompt.leastGrade ? (.judged, "grade \(grades[index])") : nil
        }
    }
}
