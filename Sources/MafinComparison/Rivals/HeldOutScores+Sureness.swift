import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval

extension HeldOutScores {
    /// How sure weighted sums are of queries whose labels they have not seen (`Sureness`), in the order of ``queries``.
    /// - Parameters:
    ///   - wanted: the queries.
    ///   - weights: for each fold one weight per source, in the logit.
    func sureness(of wanted: Set<Int>, weights: [[Double]], isCancelled: () -> Bool) throws -> [Double] {
        var result: [Double] = []
        let folds = folds.map { $0.filter(wanted.contains) }
        try forEachBlock(of: folds, isCancelled: isCancelled) { queries, fold in
            let used = weights[fold].indices.filter { weights[fold][$0] > 0 }
            let scores = try scores(of: queries, fold: fold, by: used)
            var sum = Matrix(rows: queries.count, columns: data.index.documentCount)
            sum.forEachRow { row, sum in
                for (source, scores) in zip(used, scores) {
                    let weight = Float(weights[fold][source])
                    for (column, score) in scores.row(row).enumerated() { sum[column] += weight * score }
                }
            }
            let ranked = rank(scores: sum, count: Sureness.depth)
            result += (0..<ranked.count).map {
                Sureness.probability(ofFirst: ranked[$0].map(\.score), logitPerScore: 1)
            }
        }
        return result
    }

    /// The same of the development queries, in their order.
    func developmentSureness(weights: [[Double]], _ isCancelled: () -> Bool) throws -> [Double] {
        let dev = data.index.devQueries
        let isDev = Set(dev)
        let found = try sureness(of: isDev, weights: weights, isCancelled: isCancelled)
        let places = Dictionary(uniqueKeysWithValues: zip(queries.filter(isDev.contains), found))
        return dev.compactMap { places[$0] }
    }
}
