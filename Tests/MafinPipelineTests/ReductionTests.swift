import Foundation
import MafinMethod
import MafinNumerics
import MafinRetrieval
import MafinTestSupport
import Testing

@testable import MafinPipeline

private func random(_ rows: Int, _ columns: Int, seed: UInt64) -> Matrix {
    var generator = RandomGenerator(seed: seed)
    return Matrix(rows: rows, columns: columns, values: (0..<rows * columns).map { _ in generator.normal() })
}

private typealias Rows = [[Double]]

private func inner(_ a: [Double], _ b: [Double]) -> Double {
    var sum = 0.0
    for place in a.indices { sum += a[place] * b[place] }
    return sum
}

private func transposed(_ a: Rows) -> Rows {
    var result = Rows(repeating: [], count: a[0].count)
    for row in a { for (column, value) in row.enumerated() { result[column].append(value) } }
    return result
}

private func product(_ a: Rows, _ b: Rows) -> Rows {
    let columns = transposed(b)
    return a.map { row in columns.map { inner(row, $0) } }
}

private func trace(_ rows: Rows) -> Double {
    var sum = 0.0
    for place in rows.indices { sum += rows[place][place] }
    return sum
}

/// Gauss and Jordan, with pivots.
private func inverse(_ matrix: Rows) -> Rows {
    let size = matrix.count
    var rows = matrix.enumerated().map { place, row in row + (0..<size).map { $0 == place ? 1.0 : 0 } }
    for column in 0..<size {
        let pivot = (column..<size).max { abs(rows[$0][column]) < abs(rows[$1][column]) } ?? column
        rows.swapAt(column, pivot)
        let value = rows[column][column]
        rows[column] = rows[column].map { $0 / value }
        for row in 0..<size where row != column {
            let factor = rows[row][column]
            for k in rows[row].indices { rows[row][k] -= factor * rows[column][k] }
        }
    }
    return rows.map { Array($0[size...]) }
}

private func doubles(_ matrix: Matrix) -> Rows { (0..<matrix.rows).map { matrix.row($0).map(Double.init) } }

@Suite struct ReductionTests {
    /// `E (qᵀ d − (B q)ᵀ A d)²` for second moments of queries and documents.
    private func error(_ a: Rows, _ b: Rows, queries: Rows, documents: Rows) -> Double {
        var rest = product(transposed(b), a)
        for row in rest.indices {
            for column in rest.indices { rest[row][column] = (row == column ? 1 : 0) - rest[row][column] }
        }
        return trace(product(product(product(transposed(rest), queries), rest), documents))
    }

    private func moments(_ rows: Rows) -> Rows {
        product(transposed(rows), rows).map { $0.map { $0 / Double(rows.count) } }
    }

    /// No other pair of maps is better. Alternating least squares, each step of which is the exact optimum of one map, ends
    /// at the same error.
    @Test(arguments: [(7, 3), (7, 1), (12, 5)])
    func theClosedFormHasTheLeastError(_ columns: Int, _ dimension: Int) {
        var documents = random(200, columns, seed: 1)
        var queries = random(90, columns, seed: 2)
        // Axes of different spread, turned against each other.
        let turn = random(columns, columns, seed: 3)
        documents.forEachRow { _, values in
            for column in values.indices { values[column] *= 1 / Float(1 + column) }
        }
        documents = Matrix.multiply(documents, turn)
        queries.forEachRow { _, values in
            for column in values.indices { values[column] *= 1 / Float(1 + (column * 5) % columns) }
        }
        let weights = (0..<columns).map { $0 < columns / 2 ? Float(0.7) : 0.3 }
        let maps = DimensionReduction.closedForm(
            to: dimension, documents: documents, queries: queries, columnWeights: weights)
        #expect(maps.dimension == dimension && maps.joinedDimension == columns)

        let ofDocuments = moments(doubles(documents))
        let own = moments(doubles(queries))
        var asQueries = ofDocuments
        for row in 0..<columns {
            for column in 0..<columns { asQueries[row][column] *= Double(weights[row] * weights[column]) }
        }
        let share = Double(DimensionReduction.documentShare)
        let factor = share * trace(own) / trace(asQueries)
        var ofQueries = own
        for row in 0..<columns {
            for column in 0..<columns {
                ofQueries[row][column] = (1 - share) * own[row][column] + factor * asQueries[row][column]
            }
        }
        let found = error(
            doubles(maps.documents), doubles(maps.queries), queries: ofQueries, documents: ofDocuments)
        var least = Double.infinity
        for start in 0..<3 {
            var b = doubles(random(dimension, columns, seed: UInt64(10 + start)))
            var a = b
            for _ in 0..<600 {
                a = product(inverse(product(product(b, ofQueries), transposed(b))), product(b, ofQueries))
                b = product(inverse(product(product(a, ofDocuments), transposed(a))), product(a, ofDocuments))
            }
            least = min(least, error(a, b, queries: ofQueries, documents: ofDocuments))
        }
        #expect(abs(found - least) < 1e-3 * least, "\(found), \(least)")
        // Documents keep their mean squared length.
        let reduced = moments(product(doubles(documents), transposed(doubles(maps.documents))))
        #expect(abs(trace(reduced) / trace(ofDocuments) - 1) < 1e-4)
        // Each dimension is spread alike in documents and queries, the widest first, and is not correlated with others.
        let asked = product(product(doubles(maps.queries), ofQueries), transposed(doubles(maps.queries)))
        let ratio = reduced[0][0] / asked[0][0]
        for row in 0..<dimension {
            #expect(abs(reduced[row][row] / asked[row][row] / ratio - 1) < 1e-3)
            if row > 0 { #expect(reduced[row][row] <= reduced[row - 1][row - 1] * 1.001) }
            for column in 0..<row { #expect(abs(reduced[row][column]) < 1e-3 * reduced[0][0]) }
        }
    }

    /// The first dimensions are the reduction to fewer, but for one factor.
    @Test func aReductionCanBeCut() {
        let (documents, queries) = (random(80, 9, seed: 13), random(40, 9, seed: 14))
        func maps(_ dimension: Int) -> DimensionReduction {
            DimensionReduction.closedForm(
                to: dimension, documents: documents, queries: queries, columnWeights: [Float](repeating: 1, count: 9))
        }
        let (few, many) = (maps(3), maps(7))
        let ratio = few.documents[0, 0] / many.documents[0, 0]
        for row in 0..<3 {
            for column in 0..<9 {
                #expect(abs(few.documents[row, column] - ratio * many.documents[row, column]) < 1e-4)
                #expect(abs(few.queries[row, column] - many.queries[row, column] / ratio) < 1e-4)
            }
        }
    }

    /// Two sums over the same documents, each with columns of its own: the second loses its columns unless it counts.
    @Test func bothSumsKeepTheirColumns() {
        let (first, second) = (SourceName(rawValue: "a"), SourceName(rawValue: "b"))
        let sources: [any ScoreSource] = [
            MovedDocuments(ids: [], vectors: Matrix(rows: 0, columns: 4), name: first),
            MovedDocuments(ids: [], vectors: Matrix(rows: 0, columns: 3), name: second),
        ]
        let documents = random(400, 7, seed: 15)
        func queries(_ columns: Range<Int>, scale: Float, seed: UInt64) -> Matrix {
            var rows = random(60, 7, seed: seed)
            rows.forEachRow { _, values in
                for column in values.indices { values[column] *= columns.contains(column) ? scale : 0 }
            }
            return rows
        }
        let asked = (queries(0..<4, scale: 1, seed: 16), SourceWeights([(first, 1), (second, 0)]))
        // Weights have a unit of their own.
        let unasked = (queries(4..<7, scale: 0.01, seed: 17), SourceWeights([(first, 0), (second, 0.01)]))
        func loss(_ sums: [(joined: Matrix, weights: SourceWeights)]) -> Float {
            let maps = ReductionFit.closedForm(to: 4, of: sources, documents: documents, queries: sums)
            let before = Matrix.multiply(unasked.0, transposed: documents)
            let after = Matrix.multiply(
                Matrix.multiply(unasked.0, transposed: maps.queries),
                transposed: Matrix.multiply(documents, transposed: maps.documents))
            let error = zip(before.values, after.values).reduce(Float(0)) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
            return error / before.values.reduce(0) { $0 + $1 * $1 }
        }
        #expect(loss([asked]) > 0.9)
        #expect(loss([asked, unasked]) < 0.5)
    }

    /// With all dimensions nothing is lost, also if there are no queries or fewer than columns.
    @Test(arguments: [0, 3, 60])
    func withAllDimensionsProductsStayTheSame(_ count: Int) {
        let (documents, queries) = (random(80, 9, seed: 4), random(20, 9, seed: 5))
        let maps = DimensionReduction.closedForm(
            to: 9, documents: documents, queries: random(count, 9, seed: 6),
            columnWeights: [Float](repeating: 0.5, count: 9))
        let before = Matrix.multiply(queries, transposed: documents)
        let after = Matrix.multiply(
            Matrix.multiply(queries, transposed: maps.queries),
            transposed: Matrix.multiply(documents, transposed: maps.documents))
        for (left, right) in zip(before.values, after.values) { #expect(abs(left - right) < 1e-3) }
    }

    /// The gradient against finite differences of the loss as its description states it, in double precision.
    @Test func theGradientOfTheQueryMap() {
        let (documents, queries) = (random(11, 6, seed: 7), random(4, 6, seed: 8))
        let start = DimensionReduction(documents: random(3, 6, seed: 9), queries: random(3, 6, seed: 10))
        let labels: [[Judgement]] = [
            [Judgement(column: 2, grade: 1), Judgement(column: 5, grade: 2)], [], [Judgement(column: 10)],
            [Judgement(column: 0), Judgement(column: 3, grade: 0)],
        ]
        let training = QueryMapTraining(
            from: start, queries: queries, labels: labels, documents: documents, scale: 1.5)
        // The query without a label is left out.
        let rows = [0, 2, 3]
        func softmax(_ values: [Double]) -> [Double] {
            let powers: [Double] = values.map { Foundation.exp(1.5 * $0) }
            let sum: Double = powers.reduce(0, +)
            return powers.map { $0 / sum }
        }
        func loss(_ map: Rows) -> Double {
            let own = rows.map { doubles(queries)[$0] }
            let reduced = product(doubles(documents), transposed(doubles(start.documents)))
            let after = product(product(own, transposed(map)), transposed(reduced))
            let before = product(own, transposed(doubles(documents)))
            var sum = 0.0
            for row in rows.indices {
                let p = softmax(after[row])
                var target: [Double] = softmax(before[row]).map { $0 / 2 }
                let gains: [Double] = labels[rows[row]].map { Foundation.exp2(Double($0.grade)) - 1 }
                let total: Double = gains.reduce(0, +)
                for (label, gain) in zip(labels[rows[row]], gains) { target[label.column] += gain / total / 2 }
                sum -= inner(target, p.map { Foundation.log($0) }) / 3
            }
            return sum
        }
        let gradient = training.gradient(of: [0, 1, 2], map: start.queries)
        let map = doubles(start.queries)
        for row in 0..<3 {
            for column in 0..<6 {
                var (up, down) = (map, map)
                up[row][column] += 1e-5
                down[row][column] -= 1e-5
                let expected = (loss(up) - loss(down)) / 2e-5
                #expect(abs(Double(gradient[row, column]) - expected) < 1e-3 * max(1, abs(expected)))
            }
        }
    }

    /// A query that asks for one axis more than its vector says is learned.
    @Test func trainingRaisesTheLabels() throws {
        let documents = random(60, 8, seed: 11).normalizedRows().matrix
        var queries = documents.selecting(rows: Array(0..<40))
        // The labels follow the first four axes alone.
        let noise = random(40, 8, seed: 12)
        for row in 0..<40 { for column in 4..<8 { queries[row, column] = noise[row, column] } }
        let start = DimensionReduction.closedForm(
            to: 6, documents: documents, queries: queries, columnWeights: [Float](repeating: 1, count: 8))
        let training = QueryMapTraining(
            from: start, queries: queries, labels: (0..<40).map { [Judgement(column: $0)] }, documents: documents,
            scale: 10)
        func likelihood(_ maps: DimensionReduction) -> Double {
            let scores = Matrix.multiply(
                Matrix.multiply(queries, transposed: maps.queries),
                transposed: Matrix.multiply(documents, transposed: maps.documents))
            var sum = 0.0
            for row in 0..<40 {
                let powers: [Double] = scores.row(row).map { Foundation.exp(10 * Double($0)) }
                let total: Double = powers.reduce(0, +)
                sum += Foundation.log(powers[row] / total)
            }
            return sum
        }
        let trained = try training.run(seed: 1)
        #expect(trained.documents == start.documents)
        #expect(likelihood(trained) > likelihood(start))
        #expect(try training.run(seed: 1) == trained)
        #expect(throws: CancellationError.self) { try training.run(seed: 1, isCancelled: { true }) }
    }

    /// Reduced sources beside others: each part of a score is `w_k ⟨B_k q_k, A d⟩`, whatever the weights, and a score does
    /// not depend on the other texts.
    @Test func partsOfReducedScoresFollowTheFormula() throws {
        let texts = (0..<30).map { "word\($0 % 7) other\($0 % 4)" }
        let documents = try SourceDocuments(
            ids: (0..<30).map { "d\($0)" }, texts: texts, blackBox: random(30, 10, seed: 1),
            local: random(30, 6, seed: 2), form: .unit)
        let queries = try SourceQueries(
            texts: ["word1", "word2 other3", "none"], blackBox: random(3, 10, seed: 3), local: random(3, 6, seed: 4),
            form: .unit)
        var adapter = Adapter(shape: .linear, dimension: 10, seed: 1)
        adapter.weights = random(10, 10, seed: 5).values.map { 0.2 * $0 }
        let moved = MovedDocuments(
            ids: ["d2", "d9"], vectors: random(2, 10, seed: 6), name: SourceName(rawValue: "nudge-n"))
        let sources: [any ScoreSource] = [
            BlackBoxVectorSource(dimension: 10), LocalVectorSource(dimension: 6),
            LexicalSource(BM25Weighting(LexicalStatistics(of: InvertedIndex(texts: texts)))),
            AdapterSource(adapter, mapsDocuments: false, name: SourceName(rawValue: "adapter")), moved,
        ]
        let maps = DimensionReduction(documents: random(5, 26, seed: 7), queries: random(5, 26, seed: 8))
        let reduced = try ReducedSource.reduce(sources, by: maps)
        #expect(reduced.map(\.name) == sources.map(\.name) && reduced.map(\.face) == sources.map(\.face))
        #expect(Mixture.denseParts(of: reduced).map(\.dimension) == [5])
        #expect(reduced.unreduced.map(\.record) == sources.map(\.record))

        guard let boxes = documents.blackBox, let locals = documents.local?.vectors, let asked = queries.blackBox,
            let mine = queries.local?.vectors
        else { return }
        var joined: Rows = []
        for row in 0..<30 {
            var last = boxes.row(row)
            if row == 2 { last = moved.moved.row(0) }
            if row == 9 { last = moved.moved.row(1) }
            joined.append((boxes.row(row) + locals.row(row) + last).map { Double($0) })
        }
        let ofDocuments = product(joined, transposed(doubles(maps.documents)))
        let blocks: [SourceName: (Matrix, Range<Int>)] = [
            .blackBox: (asked, 0..<10), .local: (mine, 10..<16),
            SourceName(rawValue: "adapter"): (adapter(asked), 0..<10), moved.name: (asked, 16..<26),
        ]
        let index = try SourceIndex(reduced, documents: documents)
        #expect(index.parts == [.reduced])
        let prepared = try index.queries(queries)
        for values in [[1, 2, 0, 0.5, 0.3], [0, 1, 0, 0, 0], [0.2, 0, 0.7, 3, 0]] as [[Float]] {
            let weights = SourceWeights(sources.indices.map { (sources[$0].name, values[$0]) })
            let rankings = try index.rankings(of: prepared, weights: weights, count: 30)
            for row in 0..<3 {
                let entries = Array(rankings[row])
                let parts = index.parts(of: entries.map(\.index), query: row, of: prepared, weights: weights)
                for (place, entry) in entries.enumerated() {
                    for (column, source) in sources.enumerated() where source.name != .bm25 {
                        guard let (vectors, columns) = blocks[source.name] else { continue }
                        let own = vectors.row(row).map { Double($0) }
                        let mapped = doubles(maps.queries.selecting(columns: columns)).map { inner($0, own) }
                        let expected = Double(values[column]) * inner(mapped, ofDocuments[entry.index])
                        #expect(abs(Double(parts[place, column]) - expected) < 2e-3 * max(1, abs(expected)))
                    }
                    let sum: Float = parts.row(place).reduce(0, +)
                    #expect(abs(sum - entry.score) < 1e-3)
                }
                // The same query and documents alone.
                let alone = try index.rankings(
                    of: index.queries(queries.selecting(rows: [row])), weights: weights, count: 30)
                #expect(Array(alone[0]) == entries)
            }
        }
        let one = try SourceIndex(reduced, documents: documents.selecting(rows: [9]))
        #expect(one.vectors?.parts[0].row(0) == index.vectors?.parts[0].row(9))
    }
}
