import MafinNumerics

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
