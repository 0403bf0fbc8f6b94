import Foundation
import MafinMethod
import MafinNumerics

/// Trains the map B of queries on labels, from the closed form on. The map of documents stays as it is, so a later training
/// needs no new index.
///
/// The loss of a query is the cross entropy between T and `P = softmax(s · ⟨B q, A d⟩)` over documents. Half of T is the
/// distribution of the labels (`(2^grade − 1)`, as in ``MafinMethod/ListNet``), and half is the softmax of the scores before
/// the reduction, which keeps the ranking of documents that labels do not name.
struct QueryMapTraining {
    /// Queries of a step.
    static let batch = 64
    /// In units of the root mean square of a row of B.
    static let learningRate: Float = 0.01
    /// Passes over the labels.
    static let epochs = 6
    /// At most this many documents are candidates. Those with a label come first.
    static let candidates = 20_000

    /// Weighted joined vectors of the training queries.
    let queries: Matrix
    /// The labels of each.
    let labels: [[Judgement]]
    /// s: the factor of scores in logits.
    let scale: Float
    private let start: DimensionReduction
    private let documents: Matrix
    private let reduced: Matrix

    init(
        from start: DimensionReduction, queries: Matrix, labels: [[Judgement]], documents: Matrix, scale: Float
    ) {
        (self.start, self.scale) = (start, scale)
        let labelled = labels.indices.filter { labels[$0].contains { $0.grade > 0 } }
        self.queries = queries.selecting(rows: labelled)
        var columns = Array(Set(labelled.flatMap { labels[$0].filter { $0.grade > 0 }.map(\.column) })).sorted()
        let room = Self.candidates - columns.count
        if documents.rows <= Self.candidates {
            columns = Array(0..<documents.rows)
        } else if room > 0 {
            let step = (documents.rows + room - 1) / room
            columns = Array(Set(columns).union(stride(from: 0, to: documents.rows, by: step))).sorted()
        }
        let places = Dictionary(uniqueKeysWithValues: columns.enumerated().map { ($1, $0) })
        self.labels = labelled.map { row in
            labels[row].compactMap { label in
                guard label.grade > 0, let place = places[label.column] else { return nil }
                return Judgement(column: place, grade: label.grade)
            }
        }
        self.documents = documents.selecting(rows: columns)
        reduced = Matrix.multiply(self.documents, transposed: start.documents)
    }

    /// The maps after all passes.
    /// - Throws: `CancellationError` when cancelled.
    func run(seed: UInt64, isCancelled: () -> Bool = { false }) throws -> DimensionReduction {
        let (dimension, columns) = (start.dimension, start.joinedDimension)
        // A row's own unit: rows of small eigenvalues have large entries.
        let units = (0..<dimension).map { row in
            (start.queries.row(row).reduce(0) { $0 + $1 * $1 } / Float(columns)).squareRoot()
        }
        var moves = [Float](repeating: 0, count: dimension * columns)
        var optimiser = AdamW(count: moves.count, options: AdamWOptions(weightDecay: 0))
        var map = start.queries
        var generator = RandomGenerator(seed: seed)
        for _ in 0..<Self.epochs {
            var order = Array(queries.rows == 0 ? 0..<0 : 0..<queries.rows)
            for place in order.indices.reversed() where place > 0 {
                order.swapAt(place, generator.index(below: place + 1))
            }
            for first in stride(from: 0, to: order.count, by: Self.batch) {
                if isCancelled() { throw CancellationError() }
                var gradient = gradient(of: Array(order[first..<min(first + Self.batch, order.count)]), map: map)
                gradient.forEachRow { row, values in
                    for column in values.indices { values[column] *= units[row] }
                }
                optimiser.update(&moves, gradient: gradient.values, learningRate: Self.learningRate)
                for row in 0..<dimension {
                    for place in row * columns..<(row + 1) * columns {
                        map.values[place] = start.queries.values[place] + units[row] * moves[place]
                    }
                }
            }
        }
        return DimensionReduction(documents: start.documents, queries: map)
    }

    /// The gradient of the mean loss of some queries with respect to B: `s/n · Σ (P − T) A d qᵀ`.
    func gradient(of rows: [Int], map: Matrix) -> Matrix {
        let own = queries.selecting(rows: rows)
        var logits = Matrix.multiply(Matrix.multiply(own, transposed: map), transposed: reduced)
        let before = Matrix.multiply(own, transposed: documents)
        let (scale, labels) = (scale, labels)
        logits.forEachRow { row, values in
            Self.softmax(values, scale: scale)
            var target = Array(before.row(row))
            target.withUnsafeMutableBufferPointer { Self.softmax($0, scale: scale) }
            let gains = labels[rows[row]].map { ($0.column, exp2($0.grade) - 1) }
            let sum = gains.reduce(0) { $0 + $1.1 }
            for column in values.indices { values[column] -= target[column] / 2 }
            for (column, gain) in gains { values[column] -= gain / sum / 2 }
        }
        logits.scale(by: scale / Float(rows.count))
        return Matrix.multiply(transposed: Matrix.multiply(logits, reduced), own)
    }

    private static func softmax(_ values: UnsafeMutableBufferPointer<Float>, scale: Float) {
        let largest = values.max() ?? 0
        var sum: Float = 0
        for index in values.indices {
            values[index] = exp(scale * (values[index] - largest))
            sum += values[index]
        }
        for index in values.indices { values[index] /= sum }
    }
}
