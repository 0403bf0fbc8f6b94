import MafinMethod
import MafinNumerics
import MafinRetrieval

/// Both halves' vectors of some queries and all documents: what a ranking is made from.
struct HalfVectors {
    /// The black box's unit rows.
    var blackBoxQueries: Matrix
    var blackBoxDocuments: Matrix
    /// The local encoder's rows, made ready for the combination's form.
    var localQueries: LocalRows
    var localDocuments: LocalRows

    /// Memory for the scores of a block of queries.
    private static let scoreBytes = 64 << 20

    /// How the halves are mixed in a ranking.
    enum Mixing {
        /// `(1−λ) s_bb + λ s_θ`.
        case lambda(Float)
        /// `w_q w_d s_bb + u_q · u_d`, with the weights of the norm form.
        case norm
    }

    /// The best `count` documents of every query. λ = 0 and λ = 1 are the halves' own rankings, bit for bit.
    func rankings(_ mixing: Mixing, count: Int) -> Rankings {
        var rankings = Rankings()
        let rows = max(1, Self.scoreBytes / (2 * MemoryLayout<Float>.stride * max(1, blackBoxDocuments.rows)))
        for start in stride(from: 0, to: blackBoxQueries.rows, by: rows) {
            let block = Array(start..<min(start + rows, blackBoxQueries.rows))
            let ranked = rank(scores: scores(of: block, mixing), count: count)
            for row in 0..<ranked.count { rankings.append(ranked[row]) }
        }
        return rankings
    }

    private func scores(of block: [Int], _ mixing: Mixing) -> Matrix {
        func blackBox() -> Matrix {
            Matrix.multiply(blackBoxQueries.selecting(rows: block), transposed: blackBoxDocuments)
        }
        func local() -> Matrix {
            Matrix.multiply(localQueries.vectors.selecting(rows: block), transposed: localDocuments.vectors)
        }
        switch mixing {
        case .lambda(0): return blackBox()
        case .lambda(1): return local()
        case .lambda(let lambda): return MixedScores.mix(blackBox: blackBox(), local: local(), lambda: lambda)
        case .norm:
            // Temperature 1: it moves no ranking.
            let head = ScoreHead(scale: MixtureWeights(lambda: 0.5, temperature: 1), form: .norm(factor: 1))
            return head.forward(
                queries: localQueries.selecting(rows: block), documents: localDocuments, blackBox: blackBox()
            ).logits
        }
    }
}

extension Combination {
    /// How scores are mixed to rank as joined vectors do.
    var mixing: HalfVectors.Mixing { lambda.map { .lambda($0) } ?? .norm }

    /// What is done to local rows before they are compared.
    var localForm: LocalForm {
        switch self {
        case .symmetric, .querySided: .unit
        case .norm(let factor): .norm(factor: factor)
        }
    }
}
