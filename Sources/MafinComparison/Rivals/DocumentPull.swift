import MafinMethod
import MafinNumerics

/// For each document that is some training query's answer, the direction in which those queries pull it: the gradient that NUDGE follows.
struct DocumentPull: Sendable {
    /// Documents that are pulled, ascending.
    let documents: [Int]
    /// `Σ q` over the training queries that each is an answer of, one row a pulled document; grades are not looked at.
    let sums: Matrix

    /// - Parameter queryVectors: one row a query of the table.
    init(_ index: TrainingIndex, queryVectors: Matrix) {
        let documents = index.queriesOfDocument.indices.filter { !index.queriesOfDocument[$0].isEmpty }
        let columns = queryVectors.columns
        var sums = Matrix(rows: documents.count, columns: columns)
        sums.values.withUnsafeMutableBufferPointer { sums in
            queryVectors.values.withUnsafeBufferPointer { queries in
                let pointers = UnsafeTransfer((sums: sums, queries: queries))
                parallelRanges(documents.count, grain: 16) { range in
                    let (sums, queries) = pointers.value
                    for row in range {
                        for query in index.queriesOfDocument[documents[row]] {
                            for column in 0..<columns {
                                sums[row * columns + column] += queries[query * columns + column]
                            }
                        }
                    }
                }
            }
        }
        self.documents = documents
        self.sums = sums
    }
}
