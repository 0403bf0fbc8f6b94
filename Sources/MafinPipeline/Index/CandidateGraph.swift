import Foundation
import MafinMethod
import MafinNumerics
import MafinRetrieval

/// The graph of an index: candidates for the best documents, without a look at every document.
package struct CandidateGraph: Sendable {
    /// The graph.
    let graph: NeighborGraph
    /// The sources of its parts, and the numbers in a vector of each.
    let parts: [(source: SourceName, dimension: Int)]
    /// What was measured.
    package let record: ApproximationRecord

    init(_ graph: NeighborGraph, _ parts: [IndexManifest.Part], _ record: ApproximationRecord) {
        (self.graph, self.record) = (graph, record)
        self.parts = parts.map { ($0.source, $0.dimension) }
    }

    /// Reads and checks the graph of an index.
    /// - Throws: `NumericsError` with the file, also for a graph of other vectors or weights.
    init(
        readingFrom folder: URL, _ manifest: IndexManifest, _ record: ApproximationRecord,
        _ approximations: [RowApproximation]
    ) throws {
        let hashes = manifest.parts.map { part in
            manifest.files.first { $0.path == part.bytesFile }?.sha256 ?? ""
        }
        self.init(
            try NeighborGraph(
                contentsOf: folder.appendingPathComponent(ApproximationRecord.file), of: approximations,
                weights: record.weights,
                binding: Self.binding(manifest.parts, hashes: hashes, weights: record.weights)),
            manifest.parts, record)
    }

    /// What the file of a graph is bound to: the vectors and the weights. A graph of others would find wrong candidates without a word.
    static func binding(_ parts: [IndexManifest.Part], hashes: [String], weights: [Float]) -> [UInt8] {
        let lines = zip(parts, zip(hashes, weights)).map { part, rest in
            "\(part.source.rawValue) \(part.dimension) \(rest.0) \(rest.1.bitPattern)\n"
        }
        return Array(ContentHash.sha256(Data(lines.joined().utf8)))
    }

    /// The weight of each part, from the weights of sources that have a vector of the query.
    func weights(_ weights: SourceWeights, of sources: [any ScoreSource], has: (any DenseSource) -> Bool) -> [Float] {
        Self.weights(weights, of: sources, parts: parts.map(\.source), has: has)
    }

    static func weights(
        _ weights: SourceWeights, of sources: [any ScoreSource], parts: [SourceName],
        has: (any DenseSource) -> Bool = { _ in true }
    ) -> [Float] {
        parts.map { part in
            sources.reduce(0) { sum, source in
                guard let source = source as? any DenseSource, source.documentVectors == part, has(source) else {
                    return sum
                }
                return sum + weights[source.name]
            }
        }
    }
}

// MARK: Searching

extension SourceIndex {
    /// The best `count` documents of the one query, and whether they are the best of candidates only.
    ///
    /// Candidates are what the graph finds by the vectors, and as many of the best of the other sources' weighted sum, such as BM25's. All sources score them as
    /// in ``rankings(of:weights:count:check:)``, bit for bit. A document that is among neither is missed, however good its whole score is. The search is exact if it is asked to be, if there is no graph,
    /// if nothing was measured with these weights, or if a quarter of all documents would be candidates.
    package func best(
        of queries: Queries, weights: SourceWeights, count: Int, exactly: Bool = false,
        check: @Sendable () throws -> Void = {}
    ) throws -> (ranking: [ScoredIndex], isApproximate: Bool) {
        if !exactly, let found = try approximate(queries, weights, count: count, check) { return (found, true) }
        return (Array(try rankings(of: queries, weights: weights, count: count, check: check)[0]), false)
    }

    /// The best of the candidates; `nil` if the search has to be exact.
    private func approximate(
        _ queries: Queries, _ weights: SourceWeights, count: Int, _ check: @Sendable () throws -> Void
    ) throws -> [ScoredIndex]? {
        precondition(queries.inputs.count == 1, "\(queries.inputs.count) queries instead of one")
        guard let candidates, let vectors, isDense(weights) else { return nil }
        let shares = candidates.weights(weights, of: sources) { queries.rows[$0.name] != nil }
        guard let recall = candidates.record.recall(with: shares) else { return nil }
        let breadth = max(recall.breadth, 2 * count)
        guard breadth <= documentCount / 4 else { return nil }
        let query = weighted(queries, 0..<1, weights)
        guard let near = try near(candidates, query, breadth: breadth) else { return nil }
        try check()
        let scoring = scorers(with: weights)
        guard !scoring.isEmpty else { return try vectors.search(query: query, among: near, count: count) }
        let sums = sums(scoring, queries, 0..<1)
        try check()
        let others = rank(scores: sums, count: breadth)[0].filter { $0.score > 0 }.map(\.index)
        let rows = Set(near).union(others).sorted()
        return try vectors.search(query: query, among: rows, adding: sums.values, count: count)
    }

    /// The best `count` documents of the one query by a dense source alone, among candidates; `nil` if nothing was measured with it alone.
    package func best(
        by source: SourceName, of queries: Queries, count: Int, check: @Sendable () throws -> Void = {}
    ) throws -> [ScoredIndex]? {
        try approximate(queries, SourceWeights([(source, 1)]), count: count, check)
    }

    /// Documents near to the weighted query; `nil` if it cannot be rounded to bytes.
    private func near(_ candidates: CandidateGraph, _ query: Matrix, breadth: Int) throws -> [Int]? {
        guard let vectors else { return nil }
        var ordered: [Float] = []
        for part in candidates.parts {
            guard let place = parts.firstIndex(of: part.source) else {
                ordered += [Float](repeating: 0, count: part.dimension)
                continue
            }
            let start = vectors.parts[..<place].reduce(0) { $0 + $1.columns }
            ordered += query.values[start..<start + part.dimension]
        }
        return try candidates.graph.candidates(of: ordered, breadth: breadth)
    }

    /// Whether searches with these weights may be approximate, if all vectors of queries are there.
    package func canApproximate(_ weights: SourceWeights) -> Bool {
        guard let candidates else { return false }
        return candidates.record.recall(with: candidates.weights(weights, of: sources) { _ in true }) != nil
    }
}
