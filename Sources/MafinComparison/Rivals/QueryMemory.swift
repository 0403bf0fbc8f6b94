import Foundation
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval

/// Scores documents as answers of similar training queries: `score(q, d) = Σ_t exp((q · t − 1) / τ) · y(t, d) / n(t)^ν`
/// over the training queries t. y is 1 for an answer of t and 0 otherwise, and n is the number of answers of t.
///
/// This is a kernel estimate of relevance (Nadaraya 1964; Watson 1964), without its normalisation, with the similarity
/// of query vectors as kernel. NUDGE moves a document toward the *sum* of its queries. A memory keeps the queries
/// separate, so a document can answer questions of different kinds. Like NUDGE, it scores only documents that training
/// saw, so it is combined with a system that scores all documents.
public struct QueryMemory: RankingSystem {
    /// τ: how slowly the weight of a training query falls with its distance.
    public let bandwidth: Float
    /// ν, in 0…1: how far a query with several answers divides its weight among them. 0: not at all; 1: fully.
    public let sharing: Double
    /// Number of documents.
    public let documentCount: Int
    /// The unit rows of all queries of the table.
    private let queries: Matrix
    private let learned: [Int]
    private let vectors: Matrix
    private let answers: [[Int32]]

    /// Remembers the training queries.
    /// - Parameter queries: unit rows, one per query of the table.
    public init(_ queries: Matrix, index: TrainingIndex, bandwidth: Float, sharing: Double) {
        precondition(bandwidth > 0 && (0...1).contains(sharing), "τ = \(bandwidth), ν = \(sharing)")
        self.queries = queries
        self.bandwidth = bandwidth
        self.sharing = sharing
        documentCount = index.documentCount
        learned = index.trainQueries
        vectors = queries.selecting(rows: index.trainQueries)
        answers = index.trainQueries.map { query in index.labels[query].map { Int32($0.column) } }
    }

    /// See ``RankingSystem/scores(queries:)``. The answers of a training query are not used for that query itself, so
    /// that memories can be measured on training queries too.
    /// - Complexity: O(queries × training labels), plus the product with the training queries' vectors.
    public func scores(queries rows: [Int]) -> Matrix {
        let similarity = Matrix.multiply(queries.selecting(rows: rows), transposed: vectors)
        var result = Matrix(rows: rows.count, columns: documentCount)
        let shares = answers.map { Float(pow(Double($0.count), -sharing)) }
        result.forEachRow { row, target in
            for (position, similarity) in similarity.row(row).enumerated() where learned[position] != rows[row] {
                let weight = exp((similarity - 1) / bandwidth) * shares[position]
                for document in answers[position] { target[Int(document)] += weight }
            }
        }
        return result
    }
}

/// The fusion of a system with a ``QueryMemory``. Bandwidth, sharing and weight are chosen on dev.
public struct MemoryRival: Rival {
    /// Its name in tables and JSON.
    public let name: String
    /// The system that the memory is added to.
    public let base: any RankingSystem
    /// The vectors by which queries are compared, one row per query of the table.
    public let queries: Matrix
    /// Values of τ that are tried. Cosines of texts on the same subject differ by about as much.
    public var bandwidths: [Float] = [0.02, 0.035, 0.05, 0.07, 0.1]
    /// Values of ν that are tried.
    public var sharings: [Double] = [0, 0.5, 1]

    /// A memory over the given vectors. Their rows are scaled to unit length.
    public init(_ base: any RankingSystem, queries: Matrix, name: String = "query-memory") {
        self.base = base
        self.queries = queries
        self.name = name
    }

    /// See ``Rival/fit(to:seed:isCancelled:)``; nothing is drawn.
    public func fit(to data: RivalData, seed: UInt64, isCancelled: () -> Bool) throws -> FittedRival {
        let unit = try UnitRows.make(queries, source: .blackBox)
        var best: (rival: FittedRival, memory: QueryMemory)?
        for bandwidth in bandwidths {
            for sharing in sharings {
                let memory = QueryMemory(unit, index: data.index, bandwidth: bandwidth, sharing: sharing)
                let fusion = ConvexFusion(("base", base), ("memory", memory), name: name, normalizations: [.zScore])
                let fitted = try fusion.fit(to: data, seed: seed, isCancelled: isCancelled)
                if fitted.development > best?.rival.development ?? -1 { best = (fitted, memory) }
            }
        }
        guard let best else { preconditionFailure("nothing was tried") }
        var choices = best.rival.choices
        choices["bandwidth"] = .number(Double(best.memory.bandwidth))
        choices["sharing"] = .number(best.memory.sharing)
        return FittedRival(name: name, system: best.rival.system, development: best.rival.development, choices: choices)
    }
}
