import MafinMethod
import MafinNumerics
import MafinRetrieval

/// Documents that several sources have prepared, ranked by the weighted sum of their scores. The comparison, `evaluate`,
/// `search` and the service all rank with it.
///
/// A score depends only on its query and document (``MafinRetrieval/VectorIndex``), so every command computes the same
/// score for a pair, bit for bit, as long as the documents are the same. With the weights 1 and 0 it is the first source's
/// own score.
package struct SourceIndex: Sendable {
    /// The sources, in the order of the weights.
    package let sources: [any ScoreSource]
    /// Number of documents.
    package let documentCount: Int
    /// The vectors of all dense sources side by side; `nil` if there is none.
    package let vectors: VectorIndex?
    /// For each part of ``vectors`` the source whose document vectors it holds.
    package let parts: [SourceName]
    /// What finds candidates for single searches; `nil`: every search looks at all documents.
    package let candidates: CandidateGraph?
    private let scorers: [SourceName: Scorer]

    /// What computes a source's scores.
    struct Scorer {
        let scorer: any DocumentScorer
        /// The name of its known queries.
        let known: String?

        /// Calls `body` with the scores of all documents.
        func withScores(
            _ source: SourceName, row: Int, of queries: Queries, count: Int,
            _ body: (UnsafeBufferPointer<Float>) -> Void
        ) {
            if let scored = queries.scores[source] { return scored.row(row).withUnsafeBufferPointer(body) }
            withUnsafeTemporaryAllocation(of: Float.self, capacity: count) { scores in
                scores.initialize(repeating: 0)
                let cosines = known.map { known in
                    guard let cosines = queries.cosines[known] else {
                        preconditionFailure("the black box's vectors are missing")
                    }
                    return cosines.row(row)
                }
                scorer.write(row: row, of: queries.inputs, cosines: cosines ?? [], to: scores)
                body(UnsafeBufferPointer(scores))
            }
        }
    }

    /// Query vectors and texts, ready for a search.
    package struct Queries: Sendable {
        /// What the sources read.
        package let inputs: SourceQueries
        /// The query vectors of each dense source.
        let rows: [SourceName: Matrix]
        /// The cosines to known queries, by the name of these (``ScoringSource/knownQueries``).
        fileprivate let cosines: [String: Matrix]
        /// The scores of all documents by each scoring source, if they were computed in advance; see ``SourceIndex/scored(_:)``.
        fileprivate var scores: [SourceName: Matrix] = [:]

        /// Some of the queries, in the given order.
        package func selecting(rows selected: [Int]) -> Queries {
            func selecting<Key>(_ matrices: [Key: Matrix]) -> [Key: Matrix] {
                matrices.mapValues { $0.selecting(rows: selected) }
            }
            return Queries(
                inputs: inputs.selecting(rows: selected), rows: selecting(rows), cosines: selecting(cosines),
                scores: selecting(scores))
        }
    }

    /// Prepares documents for all sources. A dense source whose vectors are missing can take no part in a ranking.
    /// - Throws: `CombinationError` for vectors that cannot be used.
    package init(_ sources: [any ScoreSource], documents: SourceDocuments) throws {
        let dense = sources.compactMap { $0 as? any DenseSource }
        var rows: [(source: SourceName, rows: VectorRows)] = []
        for source in dense
        where documents.has(source.documentInputs) && !rows.contains(where: { $0.source == source.documentVectors }) {
            rows.append((source.documentVectors, try VectorRows(source.vectors(of: documents))))
        }
        try self.init(sources, documents: documents, vectors: rows)
    }

    /// The same with document vectors that were prepared before, such as those of an index on disk.
    /// - Parameters:
    ///   - documents: identifiers and texts, as far as ``ScoringSource``s read them.
    ///   - vectors: for each value of ``DenseSource/documentVectors`` its rows.
    package init(
        _ sources: [any ScoreSource], documents: SourceDocuments, vectors: [(source: SourceName, rows: VectorRows)]
    ) throws {
        try self.init(
            sources, documents: documents, parts: vectors.map(\.source),
            vectors: vectors.isEmpty ? nil : VectorIndex(parts: vectors.map(\.rows)))
    }

    /// The same with vectors that another index holds, and their approximation if that was made.
    /// - Parameters:
    ///   - parts: for each part of `vectors` the source whose document vectors it holds.
    ///   - candidates: a graph of the same documents.
    package init(
        _ sources: [any ScoreSource], documents: SourceDocuments, parts: [SourceName], vectors: VectorIndex?,
        candidates: CandidateGraph? = nil
    ) throws {
        (self.sources, self.parts, self.vectors, self.candidates) = (sources, parts, vectors, candidates)
        documentCount = vectors?.count ?? documents.count
        var scorers: [SourceName: Scorer] = [:]
        for case let source as any ScoringSource in sources {
            scorers[source.name] = Scorer(scorer: try source.scorer(of: documents), known: source.knownQueries?.name)
        }
        self.scorers = scorers
    }

    private init(_ other: SourceIndex, vectors: VectorIndex?) {
        (sources, documentCount, parts, scorers) = (other.sources, other.documentCount, other.parts, other.scorers)
        candidates = other.candidates
        self.vectors = vectors
    }

    /// The same with one byte in memory for each number of the vectors, so that single searches read less; see
    /// `VectorIndex.init(parts:isApproximated:)`. The results are the same.
    package func approximated() -> SourceIndex {
        SourceIndex(self, vectors: vectors.map { VectorIndex(parts: $0.parts, isApproximated: true) })
    }

    /// Prepares queries for all sources. A source whose vectors are missing can take no part in a ranking.
    /// - Throws: `CombinationError` for vectors that cannot be used.
    package func queries(_ inputs: SourceQueries) throws -> Queries {
        var rows: [SourceName: Matrix] = [:]
        for case let source as any DenseSource in sources where inputs.has(source.queryInputs) {
            rows[source.name] = try source.vectors(of: inputs)
        }
        var cosines: [String: Matrix] = [:]
        if let vectors = inputs.blackBox {
            for case let source as any ScoringSource in sources where inputs.has(source.queryInputs) {
                guard let known = source.knownQueries, cosines[known.name] == nil else { continue }
                cosines[known.name] = Matrix.innerProducts(vectors, known.unitRows)
            }
        }
        return Queries(inputs: inputs, rows: rows, cosines: cosines)
    }

    /// The same queries with the scores of every scoring source that can take part, so that neither a ranking nor its
    /// parts compute them again. For few queries: they take O(queries × documents) of memory for each source.
    package func scored(_ queries: Queries) -> Queries {
        var scored = queries
        let sources = sources.filter { scorers[$0.name] != nil && queries.inputs.has($0.queryInputs) }
        let found = parallelMap(sources.count) { place in
            var scores = Matrix(rows: queries.inputs.count, columns: documentCount)
            for row in 0..<queries.inputs.count {
                scorers[sources[place].name]?.withScores(
                    sources[place].name, row: row, of: queries, count: documentCount
                ) { scores.values.replaceSubrange(row * documentCount..<(row + 1) * documentCount, with: $0) }
            }
            return scores
        }
        for (source, scores) in zip(sources, found) { scored.scores[source.name] = scores }
        return scored
    }

    // MARK: Ranking

    /// Bytes of scores of ``ScoringSource``s that are held at a time.
    private static let scoreBytes = 64 << 20

    /// The best `count` documents of each query: best first, equal scores by row, ascending.
    ///
    /// If no dense source has a weight, documents that every other source scores 0 are not ranked.
    /// - Parameter check: throws once the result is no longer wanted.
    package func rankings(
        of queries: Queries, weights: SourceWeights, count: Int, check: @Sendable () throws -> Void = {}
    ) throws -> Rankings {
        let scoring = scorers(with: weights)
        if scoring.isEmpty, let vectors {
            return try vectors.search(
                queries: weighted(queries, 0..<queries.inputs.count, weights), count: count, check: check)
        }
        let rowsAtATime = max(1, Self.scoreBytes / (MemoryLayout<Float>.stride * max(1, documentCount)))
        var rankings = Rankings()
        for start in stride(from: 0, to: queries.inputs.count, by: rowsAtATime) {
            try check()
            let rows = start..<min(start + rowsAtATime, queries.inputs.count)
            let sums = sums(scoring, queries, rows)
            let block: Rankings
            if let vectors, isDense(weights) {
                block = try vectors.search(
                    queries: weighted(queries, rows, weights), adding: sums, count: count, check: check)
            } else {
                block = rankPositive(sums, count: count)
            }
            for row in 0..<block.count { rankings.append(block[row]) }
        }
        return rankings
    }

    /// The ranking by one dense source alone.
    package func rankings(
        by source: SourceName, of queries: Queries, count: Int, check: @Sendable () throws -> Void = {}
    )
        throws -> Rankings
    {
        guard let (index, rows) = own(source, of: queries) else {
            return try rankings(of: queries, weights: SourceWeights([(source, 1)]), count: count, check: check)
        }
        return try index.search(queries: rows, count: count, check: check)
    }

    /// Ranks of some documents by one dense source alone, from 1; `nil` if the source is not dense.
    package func places<Failure: Error>(
        of documents: [Int], by source: SourceName, query: Int, of queries: Queries,
        check: @Sendable () throws(Failure) -> Void
    ) throws(Failure) -> [Int]? {
        guard let (index, rows) = own(source, of: queries) else { return nil }
        return try index.places(of: documents, query: Array(rows.row(query)), check: check)
    }

    /// The scores of all documents, `(queries, documentCount)`. They agree with those of
    /// ``rankings(of:weights:count:check:)`` but for rounding, and are made faster.
    package func scores(of queries: Queries, weights: SourceWeights) -> Matrix {
        let rows = 0..<queries.inputs.count
        var result = sums(scorers(with: weights), queries, rows)
        guard let vectors, isDense(weights) else { return result }
        var column = 0
        let weighted = weighted(queries, rows, weights)
        for part in vectors.parts {
            let own = weighted.selecting(columns: column..<column + part.columns)
            column += part.columns
            let scores = Matrix.multiply(own, transposed: part.matrix)
            result.values.withUnsafeMutableBufferPointer { sums in
                for index in sums.indices { sums[index] += scores.values[index] }
            }
        }
        return result
    }

    // MARK: Parts of scores

    /// Each source's weighted part of the scores of some documents, `(documents.count, sources.count)`. With at most one
    /// source beside the dense ones, and none that share document vectors, their sum from left to right, dense sources
    /// first, is the score of ``rankings(of:weights:count:check:)`` bit for bit.
    /// - Parameter query: a row of `queries`.
    package func parts(of documents: [Int], query: Int, of queries: Queries, weights: SourceWeights) -> Matrix {
        var result = Matrix(rows: documents.count, columns: sources.count)
        for (column, source) in sources.enumerated() where weights[source.name] != 0 {
            let scores: [Float]
            if let scorer = scorers[source.name] {
                var own: [Float] = []
                scorer.withScores(source.name, row: query, of: queries, count: documentCount) { scores in
                    own = documents.map { weights[source.name] * scores[$0] }
                }
                scores = own
            } else if let (index, rows) = own(source.name, of: queries) {
                let vector = rows.row(query).map { weights[source.name] * $0 }
                scores = index.partScores(of: documents, query: vector).values
            } else {
                preconditionFailure("\(source.name) has neither vectors nor a scorer")
            }
            for (row, score) in scores.enumerated() { result[row, column] = score }
        }
        return result
    }

    /// The vectors of one dense source, and its query vectors.
    private func own(_ name: SourceName, of queries: Queries) -> (index: VectorIndex, rows: Matrix)? {
        guard let vectors, let rows = queries.rows[name],
            let source = sources.first(where: { $0.name == name }) as? any DenseSource,
            let part = parts.firstIndex(of: source.documentVectors)
        else { return nil }
        return (vectors.part(part), rows)
    }

    func isDense(_ weights: SourceWeights) -> Bool {
        sources.contains { $0 is any DenseSource && weights[$0.name] != 0 }
    }

    func scorers(with weights: SourceWeights) -> [(source: SourceName, weight: Float, scorer: Scorer)] {
        sources.compactMap { source in
            guard let scorer = scorers[source.name], weights[source.name] != 0 else { return nil }
            return (source.name, weights[source.name], scorer)
        }
    }

    func sums(
        _ scorers: [(source: SourceName, weight: Float, scorer: Scorer)], _ queries: Queries, _ rows: Range<Int>
    ) -> Matrix {
        var sums = Matrix(rows: rows.count, columns: documentCount)
        let columns = documentCount
        guard !scorers.isEmpty else { return sums }
        sums.values.withUnsafeMutableBufferPointer { values in
            let output = UnsafeTransfer(values)
            parallelFor(rows.count) { place in
                let row = UnsafeMutableBufferPointer(
                    rebasing: output.value[place * columns..<(place + 1) * columns])
                for (source, weight, scorer) in scorers {
                    scorer.withScores(source, row: rows.lowerBound + place, of: queries, count: columns) { scores in
                        for document in 0..<columns { row[document] += weight * scores[document] }
                    }
                }
            }
        }
        return sums
    }

    private func rankPositive(_ sums: Matrix, count: Int) -> Rankings {
        let ranked = rank(scores: sums, count: count)
        var rankings = Rankings()
        for row in 0..<ranked.count { rankings.append(ranked[row].prefix { $0.score > 0 }) }
        return rankings
    }

    /// Query vectors for ``vectors``: for each part the weighted sum over the sources that share its document vectors.
    func weighted(_ queries: Queries, _ rows: Range<Int>, _ weights: SourceWeights) -> Matrix {
        Self.weighted(sources, queries.rows, parts, widths: vectors?.parts.map(\.columns) ?? [], rows) {
            weights[$0.name]
        }
    }

    /// The vectors of several dense sources side by side, those that share document vectors added up.
    /// - Parameter factor: multiplies a source's vectors.
    static func weighted(
        _ sources: [any ScoreSource], _ vectors: [SourceName: Matrix], _ parts: [SourceName], widths: [Int],
        _ rows: Range<Int>, factor: (any DenseSource) -> Float
    ) -> Matrix {
        let starts = widths.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1) }
        var result = Matrix(rows: rows.count, columns: starts[starts.count - 1])
        for case let source as any DenseSource in sources {
            let factor = factor(source)
            guard factor != 0, let own = vectors[source.name], let part = parts.firstIndex(of: source.documentVectors)
            else { continue }
            // The rows are written through pointers.
            precondition(
                own.columns == widths[part], "\(own.columns) columns of \(source.name) in a part of \(widths[part])")
            let start = starts[part]
            result.forEachRow(grain: 64) { place, target in
                let values = own.row(rows.lowerBound + place)
                // The first is written and not added, so that −0 stays −0.
                for (column, value) in values.enumerated() {
                    let target = UnsafeMutableBufferPointer(rebasing: target[start...])
                    target[column] = target[column] == 0 ? factor * value : target[column] + factor * value
                }
            }
        }
        return result
    }
}
