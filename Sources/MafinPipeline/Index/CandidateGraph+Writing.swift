import Foundation
import MafinMethod
import MafinNumerics
import MafinRetrieval

extension SearchIndex {
    /// Whether an index gets a graph of near documents, with which single searches are faster but approximate.
    package enum Approximation: String, Sendable, CaseIterable {
        /// If exact search is slow (``SearchIndex/largestExact``), and if the graph finds enough.
        case automatic = "auto"
        /// In any case.
        case always = "on"
        /// Never.
        case never = "off"
    }

    /// Numbers (documents × the numbers of all their vectors) up to which exact search is fast enough. Two cores with AVX2 read so many bytes for one query in about 50 ms
    /// (Documentation/approximate.md).
    package static let largestExact = 1_500_000_000
}

extension CandidateGraph {
    /// Candidates of a search that are tried, one after the other, until the sample's best are found.
    private static let breadths = [128, 256, 512, 1024]
    /// Shares of the sample's best 10 and best 100 that have to be found.
    private static let (enoughAt10, enoughAt100) = (0.98, 0.95)
    private static let sampleSize = 200

    /// Builds the graph of an index whose vectors and bytes are written, measures it and writes it.
    /// - Parameters:
    ///   - folder: the index, whose other files are still to come.
    ///   - linking: told how many documents are linked.
    /// - Returns: what `index.json` says of it; `nil` if there is no graph.
    static func write(
        to folder: URL, _ parts: [IndexManifest.Part], count: Int, of model: ArtefactModel,
        wanted: SearchIndex.Approximation, isCancelled: () -> Bool, linking: (Int) -> Void, note: (String) -> Void
    ) throws -> ApproximationRecord? {
        let numbers = count * parts.reduce(0) { $0 + $1.dimension }
        guard wanted == .always || wanted == .automatic && numbers > SearchIndex.largestExact, count > 0 else {
            return nil
        }
        let names = parts.map(\.source)
        let possible = possibleWeights(of: model).map {
            ApproximationRecord.shares(Self.weights($0, of: model.sources, parts: names))
        }
        guard let weights = possible[0] else {
            if wanted == .always { note("no source with vectors has a weight, so there is nothing to approximate") }
            return nil
        }
        func file(_ name: String) -> URL { folder.appendingPathComponent(name) }
        let rows = try parts.map { try VectorRows(contentsOf: file($0.file)) }
        let bytes = try zip(parts, rows).map { try RowApproximation(contentsOf: file($0.bytesFile), of: $1) }
        let settings = NeighborGraph.Settings()
        let graph = try NeighborGraph.build(
            bytes, weights: weights, settings: settings, isCancelled: isCancelled, progress: linking)
        let sample = Sample(VectorIndex(parts: rows, approximations: bytes), graph, size: sampleSize)
        /// With the smallest breadth that finds enough, or with the largest.
        func recall(_ weights: [Float]) throws -> ApproximationRecord.Recall {
            var found = try sample.recall(with: weights, breadth: breadths[0])
            for breadth in breadths.dropFirst() where !isEnough(found) {
                if isCancelled() { throw CancellationError() }
                found = try sample.recall(with: weights, breadth: breadth)
            }
            return found
        }
        let own = try recall(weights)
        guard wanted == .always || isEnough(own) else {
            note(
                "searches stay exact: with \(own.breadth) candidates a graph finds only \(ApproximationRecord.percent(own.at10)) of the best 10 and \(ApproximationRecord.percent(own.at100)) of the best 100; --approximate on writes it all the same"
            )
            return nil
        }
        var record = ApproximationRecord(
            links: settings.links, buildBreadth: settings.breadth, weights: weights, sample: sample.rows.count,
            measured: [own])
        for case let weights? in possible.dropFirst() where record.recall(with: weights) == nil {
            let other = try recall(weights)
            if isEnough(other) { record.measured.append(other) }
        }
        try graph.write(
            to: file(ApproximationRecord.file),
            binding: binding(
                parts, hashes: parts.map { try ContentHash.sha256(of: file($0.bytesFile)) }, weights: weights))
        return record
    }

    private static func isEnough(_ recall: ApproximationRecord.Recall) -> Bool {
        recall.at10 >= enoughAt10 && recall.at100 >= enoughAt100
    }

    /// The weights that searches with an artefact have if a request does not change them: first its own, then those without the black box, those of
    /// its stand-in, and the black box's alone, whose ranking the service shows.
    private static func possibleWeights(of model: ArtefactModel) -> [SourceWeights] {
        let own = model.manifest.rankingWeights(offline: false)
        return [
            own, own.withoutBlackBox(model.sources),
            model.manifest.offline.map { _ in model.manifest.rankingWeights(offline: true) },
            SourceWeights([(.blackBox, 1)]),
        ].compactMap(\.self)
    }
}

/// Documents whose own vectors are queries, and what exact search finds for them.
private struct Sample {
    let rows: [Int]
    private let index: VectorIndex
    private let graph: NeighborGraph

    init(_ index: VectorIndex, _ graph: NeighborGraph, size: Int) {
        (self.index, self.graph) = (index, graph)
        let count = min(size, index.count)
        rows = (0..<count).map { $0 * index.count / count }
    }

    /// The shares of the best 10 and of the best 100 other documents that a search with so many candidates finds.
    func recall(with weights: [Float], breadth: Int) throws -> ApproximationRecord.Recall {
        var queries = Matrix(rows: rows.count, columns: index.columns)
        for (place, row) in rows.enumerated() {
            var column = 0
            for (part, weight) in zip(index.parts, weights) {
                for value in part.row(row) {
                    queries[place, column] = weight * value
                    column += 1
                }
            }
        }
        let exact = try index.search(queries: queries, count: 101)
        var (at10, at100) = (0.0, 0.0)
        for (place, row) in rows.enumerated() {
            let query = Matrix(rows: 1, columns: queries.columns, values: Array(queries.row(place)))
            let near = try graph.candidates(of: query.values, breadth: breadth) ?? []
            let found = try index.search(query: query, among: near, count: 101)
            func scores(_ ranking: some Sequence<ScoredIndex>) -> [Float] {
                ranking.filter { $0.index != row }.map(\.score)
            }
            let (best, mine) = (scores(exact[place]), scores(found))
            func share(_ count: Int) -> Double {
                let wanted = min(count, best.count)
                guard wanted > 0 else { return 1 }
                return Double(mine.prefix(wanted).count { $0 >= best[wanted - 1] }) / Double(wanted)
            }
            at10 += share(10)
            at100 += share(100)
        }
        let count = Double(max(1, rows.count))
        return ApproximationRecord.Recall(weights: weights, breadth: breadth, at10: at10 / count, at100: at100 / count)
    }
}
