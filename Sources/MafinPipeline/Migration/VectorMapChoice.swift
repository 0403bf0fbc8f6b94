import MafinMethod
import MafinNumerics
import MafinRetrieval

/// A ``VectorMap`` whose form and strength were chosen on pairs that did not fit it.
///
/// A fifth of the judged pairs is held out. For each form and strength the map is fitted to the other pairs, and its
/// agreement is measured: the share of the ten best documents of a ranking that the map keeps. A mean cosine would reward
/// vectors that are near their targets without the differences between documents, which a ranking is made of. The form
/// with the highest agreement is fitted again to all pairs; the simplest of equally good ones is taken.
public struct VectorMapChoice: Sendable {
    /// A form with its strength, and how well it did on the held-out pairs.
    public struct Candidate: Sendable, Codable, Hashable {
        /// The form.
        public var form: VectorMap.Form
        /// Strength of the penalty of a ridge map, and of the maps that are made from one.
        public var strength: Double?
        /// Rank of a low-rank map.
        public var rank: Int?
        /// Passes over the pairs of a two-layer map.
        public var epochs: Int?
        /// Mean share of the ten best that the map keeps, 0…1.
        public var agreement: Double
        /// Mean cosine between mapped and true vectors.
        public var cosine: Double
    }

    /// What is mapped.
    public enum Use: Sendable {
        /// Documents, which queries of the target's space search. A held-out pair's true vector ranks the mapped vectors
        /// of the other held-out pairs.
        case documents
        /// Queries, which search documents of the target's space. A held-out pair's mapped vector ranks these documents, so
        /// it must be none of them.
        case queries(searching: Matrix)
    }

    /// The map, fitted to all pairs.
    public let map: VectorMap
    /// What was chosen.
    public let chosen: Candidate

    /// The fewest pairs that a map can be chosen on. A fifth of them are held out, and the ten best of fewer than 20 would
    /// hardly tell two maps apart.
    public static let fewestPairs = 100
    /// Strengths of ridge maps that are tried.
    static let strengths: [Double] = [0.001, 0.01, 0.1, 1, 10]
    /// Ranks that are tried, as far as they are below both dimensions.
    static let ranks = [32, 64, 128, 256]
    static let mostEpochs = 30
    /// Held-out pairs and searched documents at most, which bounds the time of the choice.
    private static let (mostHeldOut, mostDocuments) = (500, 2000)

    /// Chooses and fits a map.
    /// - Parameters:
    ///   - x, y: unit rows of the two models for the same texts, one row each.
    ///   - judged: the pairs that may be held out; `nil`: all.
    ///   - seed: of the division and of the two-layer form.
    /// - Precondition: there are ``fewestPairs`` judged pairs.
    /// - Throws: `CancellationError` when cancelled.
    /// - Complexity: for dimension d of x about ten times d³, and the training of the two-layer form, which is linear in
    ///   the number of pairs.
    public init(
        from x: Matrix, to y: Matrix, for use: Use, judged: [Int]? = nil, seed: UInt64,
        isCancelled: () -> Bool = { false }
    ) throws {
        precondition(x.rows == y.rows, "\(x.rows) rows against \(y.rows)")
        let judged = judged ?? Array(0..<x.rows)
        precondition(judged.count >= Self.fewestPairs, "a map from \(judged.count) pairs")
        var generator = RandomGenerator(seed: seed)
        let held = Array(judged.shuffled(using: &generator).prefix(min(Self.mostHeldOut, judged.count / 5)))
        let isHeld = Set(held)
        let kept = (0..<x.rows).filter { !isHeld.contains($0) }
        let (fitX, fitY) = (x.selecting(rows: kept), y.selecting(rows: kept))
        let judge = Judge(from: x.selecting(rows: held), to: y.selecting(rows: held), use, Self.mostDocuments)
        func check() throws { if isCancelled() { throw CancellationError() } }

        var best: [VectorMap.Form: Candidate] = [:]
        func offer(_ map: VectorMap, strength: Double? = nil, rank: Int? = nil, epochs: Int? = nil) {
            let (agreement, cosine) = judge.values(of: map)
            let candidate = Candidate(
                form: map.form, strength: strength, rank: rank, epochs: epochs, agreement: agreement, cosine: cosine)
            if let other = best[map.form], (other.agreement, other.cosine) >= (agreement, cosine) { return }
            best[map.form] = candidate
        }

        offer(VectorMap.procrustes(from: fitX, to: fitY))
        let moments = VectorMap.Moments(from: fitX, to: fitY)
        var ridges: [Double: VectorMap] = [:]
        for strength in Self.strengths {
            try check()
            let map = VectorMap.ridge(moments, strength: strength)
            ridges[strength] = map
            offer(map, strength: strength)
        }
        let strength = best[.ridge]?.strength ?? Self.strengths[0]
        guard let ridge = ridges[strength] else { preconditionFailure("every strength has a map") }
        for rank in Self.ranks where rank < min(x.columns, y.columns) {
            try check()
            offer(VectorMap.lowRank(moments, ridge: ridge, rank: rank), strength: strength, rank: rank)
        }
        _ = try VectorMap.twoLayer(after: ridge, from: fitX, to: fitY, epochs: Self.mostEpochs, seed: seed) {
            try check()
            offer($1, strength: strength, epochs: $0)
            // Three passes without a gain end it.
            return $0 - (best[.twoLayer]?.epochs ?? $0) < 3
        }

        let candidates = VectorMap.Form.allCases.compactMap { best[$0] }
        guard let highest = candidates.map(\.agreement).max(),
            let chosen = candidates.first(where: { $0.agreement >= highest - 1e-9 })
        else { preconditionFailure("at least one form is tried") }
        self.chosen = chosen
        map = try Self.map(chosen, from: x, to: y, seed: seed, isCancelled: isCancelled)
    }

    /// A map of a form and strength that were chosen, fitted to the given pairs.
    /// - Throws: `CancellationError` when cancelled.
    public static func map(
        _ chosen: Candidate, from x: Matrix, to y: Matrix, seed: UInt64, isCancelled: () -> Bool = { false }
    ) throws -> VectorMap {
        func check() throws { if isCancelled() { throw CancellationError() } }
        try check()
        if chosen.form == .procrustes { return VectorMap.procrustes(from: x, to: y) }
        let moments = VectorMap.Moments(from: x, to: y)
        let linear = VectorMap.ridge(moments, strength: chosen.strength ?? strengths[0])
        switch chosen.form {
        case .lowRank: return VectorMap.lowRank(moments, ridge: linear, rank: chosen.rank ?? 1)
        case .twoLayer:
            return try VectorMap.twoLayer(after: linear, from: x, to: y, epochs: chosen.epochs ?? 1, seed: seed) {
                _, _ in
                try check()
                return true
            }
        case .procrustes, .ridge: return linear
        }
    }

    /// Measures maps on held-out pairs.
    private struct Judge {
        let (x, y): (Matrix, Matrix)
        /// The documents that mapped queries search; `nil` if documents are mapped.
        let documents: Matrix?
        /// The ten best by the true vectors.
        let expected: [Set<Int>]

        init(from x: Matrix, to y: Matrix, _ use: Use, _ mostDocuments: Int) {
            (self.x, self.y) = (x, y)
            switch use {
            case .documents: documents = nil
            case .queries(let all):
                let step = max(1, (all.rows + mostDocuments - 1) / mostDocuments)
                documents = all.selecting(rows: Array(stride(from: 0, to: all.rows, by: step)))
            }
            expected = Self.best(y, documents ?? y, excludesOwn: documents == nil)
        }

        func values(of map: VectorMap) -> (agreement: Double, cosine: Double) {
            let mapped = map(x)
            let found =
                documents.map { Self.best(mapped, $0, excludesOwn: false) }
                ?? Self.best(y, mapped, excludesOwn: true)
            let shares = zip(found, expected).map { Double($0.intersection($1).count) / Double(max(1, $1.count)) }
            var cosine = 0.0
            for (a, b) in zip(mapped.values, y.values) { cosine += Double(a) * Double(b) }
            return (shares.reduce(0, +) / Double(shares.count), cosine / Double(y.rows))
        }

        /// The ten best rows of `candidates` for each row of `probes`; half of the rows, if there are fewer than 20.
        /// - Parameter excludesOwn: leaves out the row of the same number.
        private static func best(_ probes: Matrix, _ candidates: Matrix, excludesOwn: Bool) -> [Set<Int>] {
            var scores = Matrix.multiply(probes, transposed: candidates)
            if excludesOwn { for row in 0..<probes.rows { scores[row, row] = -.infinity } }
            let count = min(10, max(1, candidates.rows / 2))
            let ranked = rank(scores: scores, count: count)
            return (0..<ranked.count).map { Set(ranked[$0].map(\.index)) }
        }
    }
}
