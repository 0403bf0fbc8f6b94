import MafinNumerics

/// The `count` best columns of every row of a score matrix, `(queries, documents)`; see ``topK(_:count:)``.
public func rank(scores: Matrix, count: Int) -> Rankings {
    Rankings(parallelMap(scores.rows) { topK(scores.row($0), count: count) })
}
