import MafinNumerics

/// Bytes of scores that ``rank(queryVectors:documentVectors:count:)`` holds at a time.
private let scoreBudget = 64 << 20

/// The `count` best documents for each query by inner product, exactly.
///
/// Row `i` of the result belongs to row `i` of `queryVectors`; equal scores are ordered by document index, ascending.
/// Queries are taken in blocks whose scores fill at most 64 MiB (at least one query), so that memory stays bounded; every
/// block is one matrix product. For cosines, normalise the rows first.
/// - Complexity: O(queries × documents × columns), on all threads.
public func rank(queryVectors: Matrix, documentVectors: Matrix, count: Int) -> Rankings {
    precondition(
        queryVectors.columns == documentVectors.columns,
        "query vectors of \(queryVectors.columns) columns against document vectors of \(documentVectors.columns)")
    let bytes = MemoryLayout<Float>.stride * max(1, documentVectors.rows)
    return rank(
        queryVectors: queryVectors, documentVectors: documentVectors, count: count,
        block: max(1, scoreBudget / bytes))
}

/// As above, `block` queries at a time.
func rank(queryVectors: Matrix, documentVectors: Matrix, count: Int, block: Int) -> Rankings {
    var rankings = Rankings()
    var start = 0
    while start < queryVectors.rows {
        let rows = start..<min(queryVectors.rows, start + block)
        let queries = rows.count == queryVectors.rows ? queryVectors : queryVectors.selecting(rows: rows)
        for best in topRows(Matrix.multiply(queries, transposed: documentVectors), count: count) {
            rankings.append(best)
        }
        start = rows.upperBound
    }
    return rankings
}

/// The `count` best columns of every row of a score matrix, `(queries, documents)`; see ``topK(_:count:)``.
public func rank(scores: Matrix, count: Int) -> Rankings {
    var rankings = Rankings()
    for best in topRows(scores, count: count) { rankings.append(best) }
    return rankings
}

private func topRows(_ scores: Matrix, count: Int) -> [[ScoredIndex]] {
    var best = [[ScoredIndex]](repeating: [], count: scores.rows)
    best.withUnsafeMutableBufferPointer { best in
        let output = UnsafeTransfer(best)
        parallelFor(scores.rows) { row in output.value[row] = topK(scores.row(row), count: count) }
    }
    return best
}
