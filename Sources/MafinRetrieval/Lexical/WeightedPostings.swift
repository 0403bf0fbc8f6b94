import MafinNumerics

/// An inverted index with a weight for each posting. A score is the sum of the weights of the query's terms.
///
/// Weights are above 0. A query reads only the postings of its terms.
struct WeightedPostings: Sendable {
    let index: InvertedIndex
    /// One weight per posting, in the order of the index.
    let weights: [Float]

    /// Scores of the documents that share a term with a query. A thread reuses it for its next query.
    struct Accumulator {
        fileprivate var scores: [Float]
        fileprivate var touched: [Int32] = []
    }

    func makeAccumulator() -> Accumulator { Accumulator(scores: [Float](repeating: 0, count: index.documentCount)) }

    /// Adds `factor × weight` for each posting of each term, in the given order.
    private func accumulate(_ query: [(term: Int, factor: Float)], into accumulator: inout Accumulator) {
        for (term, factor) in query {
            for posting in index.offsets[term]..<index.offsets[term + 1] {
                let document = Int(index.postingDocuments[posting])
                if accumulator.scores[document] == 0 { accumulator.touched.append(Int32(document)) }
                accumulator.scores[document] += factor * weights[posting]
            }
        }
    }

    /// The best of the documents that share a term with a query.
    func ranking(
        of query: [(term: Int, factor: Float)], count: Int, with accumulator: inout Accumulator
    ) -> [ScoredIndex] {
        accumulate(query, into: &accumulator)
        var selector = TopKSelector(count: min(count, accumulator.touched.count))
        for document in accumulator.touched {
            selector.offer(accumulator.scores[Int(document)], at: Int(document))
            accumulator.scores[Int(document)] = 0
        }
        accumulator.touched.removeAll(keepingCapacity: true)
        return selector.take()
    }

    /// Calls `body` with the score of each document that shares a term with a query, in no order.
    func forEachScore(
        of query: [(term: Int, factor: Float)], with accumulator: inout Accumulator, _ body: (Int, Float) -> Void
    ) {
        accumulate(query, into: &accumulator)
        for document in accumulator.touched {
            body(Int(document), accumulator.scores[Int(document)])
            accumulator.scores[Int(document)] = 0
        }
        accumulator.touched.removeAll(keepingCapacity: true)
    }

    /// The score of every document; 0 if it shares no term with the query.
    func scores(of query: [(term: Int, factor: Float)]) -> [Float] {
        var accumulator = makeAccumulator()
        accumulate(query, into: &accumulator)
        return accumulator.scores
    }

    /// The rankings of many queries, on all threads.
    func rankings(
        of queries: [String], count: Int, terms: @Sendable (String) -> [(term: Int, factor: Float)]
    ) -> Rankings {
        var best = [[ScoredIndex]](repeating: [], count: queries.count)
        best.withUnsafeMutableBufferPointer { best in
            let output = UnsafeTransfer(best)
            parallelRanges(queries.count) { range in
                var accumulator = makeAccumulator()
                for row in range {
                    output.value[row] = ranking(of: terms(queries[row]), count: count, with: &accumulator)
                }
            }
        }
        return Rankings(best)
    }

    /// The scores of many queries, on all threads.
    func scores(of queries: [String], terms: @Sendable (String) -> [(term: Int, factor: Float)]) -> Matrix {
        var result = Matrix(rows: queries.count, columns: index.documentCount)
        let columns = result.columns
        result.values.withUnsafeMutableBufferPointer { values in
            let output = UnsafeTransfer(values)
            parallelFor(queries.count) { row in
                let scores = scores(of: terms(queries[row]))
                for (column, score) in scores.enumerated() { output.value[row * columns + column] = score }
            }
        }
        return result
    }
}
