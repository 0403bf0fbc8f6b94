import Foundation
import MafinNumerics
import Testing

@testable import MafinMethod

@Suite struct WeightFitTests {
    struct Golden: Decodable {
        struct Expected: Decodable {
            let weights: [Double]
            let loss: Double
            let uniformLoss: Double
            let spreads: [Double]
            let isAtBound: Bool
            let hessian: [Double]
            enum CodingKeys: String, CodingKey {
                case weights, loss, spreads, hessian
                case uniformLoss = "uniform_loss"
                case isAtBound = "is_at_bound"
            }
        }
        let candidates: [Int]
        let relevant: [[[Float]]]
        let masked: [[Int]]
        let scores: [[Float]]
        let rowWeights: [Double]?
        let boundOf: String
        let bound: Double
        let expected: Expected
        enum CodingKeys: String, CodingKey {
            case candidates, relevant, masked, scores, bound, expected
            case boundOf = "bound_of"
            case rowWeights = "row_weights"
        }

        var problem: Problem {
            Problem(
                block: ScoreBlock(candidates: candidates, scores: scores),
                labels: BlockLabels(
                    relevant: relevant.map { $0.map { Judgement(column: Int($0[0]), grade: $0[1]) } }, masked: masked))
        }
        var limit: WeightFit.Bound { boundOf == "sum" ? .sum(bound) : .spread(bound) }
    }

    struct Problem {
        var block: ScoreBlock
        var labels: BlockLabels

        var blocks: ScoreBlocks {
            ScoreBlocks(sources: block.scores.indices.map { SourceName(rawValue: "source \($0)") }, block)
        }
        /// The sources in another order, each multiplied by a factor.
        func selecting(_ sources: [Int], factors: [Float]? = nil) -> Problem {
            let scores = sources.enumerated().map { index, source in
                block.scores[source].map { (factors?[index] ?? 1) * $0 }
            }
            return Problem(block: ScoreBlock(candidates: candidates, scores: scores), labels: labels)
        }
        /// Each query so many times.
        func repeating(_ times: [Int]) -> Problem {
            let rows = times.indices.flatMap { [Int](repeating: $0, count: times[$0]) }
            let scores = block.scores.map { values in
                rows.flatMap { values[block.starts[$0]..<block.starts[$0 + 1]] }
            }
            return Problem(
                block: ScoreBlock(candidates: rows.map { candidates[$0] }, scores: scores),
                labels: BlockLabels(
                    relevant: rows.map { labels.relevant[$0] }, masked: rows.map { labels.masked[$0] }))
        }
        var candidates: [Int] { zip(block.starts.dropFirst(), block.starts).map { $0 - $1 } }
    }

    static func agree(_ mine: Double, _ theirs: Double, _ tolerance: Double) -> Bool {
        abs(mine - theirs) <= tolerance * max(1, abs(theirs))
    }

    @Test func weightsOfSciPy() throws {
        let goldens = try Goldens.read("weights.json", as: [String: Golden].self)
        #expect(goldens.count == 7 && goldens.values.count { $0.rowWeights != nil } == 1)
        for (name, golden) in goldens {
            let (problem, expected) = (golden.problem, golden.expected)
            let found = try WeightFit.fit(
                problem.blocks, labels: problem.labels, rowWeights: golden.rowWeights, bound: golden.limit)
            for (mine, theirs) in zip(found.weights, expected.weights) {
                #expect(Self.agree(mine, theirs, 1e-6) && (mine == 0) == (theirs == 0), "\(name)")
            }
            for (mine, theirs) in zip(found.spreads, expected.spreads) { #expect(Self.agree(mine, theirs, 1e-12)) }
            for (mine, theirs) in zip(found.hessian, expected.hessian) {
                #expect(Self.agree(mine, theirs, 1e-6), "\(name)")
            }
            #expect(Self.agree(found.loss, expected.loss, 1e-11), "\(name)")
            #expect(Self.agree(found.uniformLoss, expected.uniformLoss, 1e-12), "\(name)")
            #expect(found.isAtBound == expected.isAtBound && found.passes < 20, "\(name): \(found.passes) passes")
            let counted = problem.labels.rowsWithLabels.count { golden.rowWeights?[$0] != 0 }
            #expect(found.selection == nil && found.labelledRows == counted)

            // Blocks of any size and any start lead to the same optimum.
            let streamed = ScoreBlocks(sources: problem.blocks.sources, rows: golden.candidates.count, rowsPerBlock: 3)
            {
                let (from, to) = (problem.block.starts[$0.lowerBound], problem.block.starts[$0.upperBound])
                return ScoreBlock(
                    candidates: Array(golden.candidates[$0]), scores: golden.scores.map { Array($0[from..<to]) })
            }
            let again = try WeightFit.fit(
                streamed, labels: problem.labels, rowWeights: golden.rowWeights, bound: golden.limit,
                startingAt: expected.weights.map { 3 * $0 + 0.1 })
            for (mine, theirs) in zip(again.weights, expected.weights) {
                #expect(Self.agree(mine, theirs, 1e-6), "\(name)")
            }
        }
    }

    @Test func derivativesAreThoseOfFiniteDifferences() throws {
        for (name, golden) in try Goldens.read("weights.json", as: [String: Golden].self) {
            let problem = golden.problem
            let likelihood = try LabelLikelihood(
                blocks: problem.blocks, labels: problem.labels, target: .softmax(temperature: 0.5))
            let (rows, sources) = (likelihood.rows, Array(golden.scores.indices))
            let point = golden.expected.spreads.map { 0.3 / $0 }
            let found = try likelihood.evaluate(at: point, of: sources, rows: rows)
            for source in sources {
                let step = 1e-4 * point[source]
                func moved(_ sign: Double) throws -> Expansion {
                    var moved = point
                    moved[source] += sign * step
                    return try likelihood.evaluate(at: moved, of: sources, rows: rows)
                }
                let (above, below) = (try moved(1), try moved(-1))
                let scale = golden.expected.spreads[source]
                let slope = (above.value - below.value) / (2 * step)
                #expect(abs(slope - found.gradient[source]) < 1e-7 * scale, "\(name)")
                for other in sources {
                    let curvature = (above.gradient[other] - below.gradient[other]) / (2 * step)
                    #expect(
                        abs(curvature - found.hessian[source * sources.count + other]) < 1e-6 * scale
                            * golden.expected.spreads[other], "\(name)")
                }
            }
            let least = likelihood.labelEntropy(of: rows)
            #expect(least > 0 && least < found.value)
        }
    }

    @Test func orderUnitsAndThreadsDoNotMatter() throws {
        let goldens = try Goldens.read("weights.json", as: [String: Golden].self)
        let golden = try #require(goldens["six sources"])
        let problem = golden.problem
        let first = try WeightFit.fit(problem.blocks, labels: problem.labels)
        let order = [3, 1, 5, 0, 2, 4]
        let moved = problem.selecting(order)
        let permuted = try WeightFit.fit(moved.blocks, labels: moved.labels)
        // Powers of two change no digit.
        let factors: [Float] = [0.125, 64, 1, 2, 1024, 0.5]
        let rescaled = problem.selecting(Array(0..<6), factors: factors)
        let scaled = try WeightFit.fit(rescaled.blocks, labels: rescaled.labels)
        for source in 0..<6 {
            #expect(Self.agree(permuted.weights[source], first.weights[order[source]], 1e-9))
            #expect(scaled.weights[source] * Double(factors[source]) == first.weights[source])
        }
        #expect(scaled.loss == first.loss)
        for threads in [1, 3, 8] {
            let other = try Parallelism.withThreads(threads) {
                try WeightFit.select(problem.blocks, labels: problem.labels)
            }
            #expect(try other == WeightFit.select(problem.blocks, labels: problem.labels))
        }
    }

    @Test func copiesShareAWeightAndConstantsHaveNone() throws {
        let goldens = try Goldens.read("weights.json", as: [String: Golden].self)
        var problem = try #require(goldens["two sources"]).problem
        let alone = try WeightFit.fit(problem.blocks, labels: problem.labels)
        // Equal within each query, but not between queries.
        let constant = problem.candidates.enumerated().flatMap { [Float](repeating: Float($0) / 7, count: $1) }
        problem.block = ScoreBlock(
            candidates: problem.candidates, scores: problem.block.scores + [problem.block.scores[0], constant])
        let found = try WeightFit.fit(problem.blocks, labels: problem.labels)
        #expect(Self.agree(found.weights[0] + found.weights[2], alone.weights[0], 1e-6))
        #expect(Self.agree(found.weights[1], alone.weights[1], 1e-6))
        #expect(found.weights[3] == 0 && found.spreads[3] == 0 && found.dropped == [SourceName(rawValue: "source 3")])
        #expect(abs(found.loss - alone.loss) < 1e-11)
    }

    @Test func separableLabelsStopAtTheBound() throws {
        var scores = [Float](repeating: 0, count: 60)
        for row in 0..<6 { scores[10 * row + row] = 4 }
        let problem = Problem(
            block: ScoreBlock(candidates: [Int](repeating: 10, count: 6), scores: [scores]),
            labels: BlockLabels(relevant: (0..<6).map { [Judgement(column: $0)] }))
        // One of ten candidates 4 above the others: a standard deviation of 1.2.
        let found = try WeightFit.fit(problem.blocks, labels: problem.labels, bound: .spread(50))
        #expect(found.isAtBound && found.loss < 1e-9)
        #expect(abs(found.weights[0] * 1.2 - 50) < 1e-6)
    }

    @Test func integerWeightsAreRepetitions() throws {
        let goldens = try Goldens.read("weights.json", as: [String: Golden].self)
        let problem = try #require(goldens["six sources"]).problem
        let times = problem.candidates.indices.map { $0 * 7 % 4 }
        let repeated = problem.repeating(times)
        let found = try WeightFit.fit(problem.blocks, labels: problem.labels, rowWeights: times.map(Double.init))
        let expected = try WeightFit.fit(repeated.blocks, labels: repeated.labels)
        let apart = try WeightFit.fit(problem.blocks, labels: problem.labels)
        for (mine, theirs) in zip(found.weights, expected.weights) { #expect(Self.agree(mine, theirs, 1e-7)) }
        for (mine, theirs) in zip(found.spreads, expected.spreads) { #expect(Self.agree(mine, theirs, 1e-12)) }
        for (mine, theirs) in zip(found.hessian, expected.hessian) { #expect(Self.agree(mine, theirs, 1e-7)) }
        #expect(Self.agree(found.loss, expected.loss, 1e-12) && abs(found.loss - apart.loss) > 1e-3)
        #expect(Self.agree(found.uniformLoss, expected.uniformLoss, 1e-12))
        #expect(Self.agree(found.labelEntropy, expected.labelEntropy, 1e-12))
        #expect(found.labelledRows < expected.labelledRows)
    }

    // MARK: Selection

    @Test func selectionsByWeightAreThoseByRepetition() throws {
        let problem = Self.drawn(seed: 8, weights: [1, 0.3, 0, 0, 0])
        let (rows, groups) = (problem.labels.rows, Array(0..<problem.labels.rows))
        let doubled = problem.repeating([Int](repeating: 2, count: rows))
        let expected = try WeightFit.select(
            doubled.blocks, labels: doubled.labels, groups: groups.flatMap { [$0, $0] }, standardErrors: 0.5)
        let found = try WeightFit.select(
            problem.blocks, labels: problem.labels, rowWeights: [Double](repeating: 2, count: rows), groups: groups,
            standardErrors: 0.5)
        for (mine, theirs) in zip(found.weights, expected.weights) { #expect(Self.agree(mine, theirs, 1e-6)) }
        let (mine, theirs) = (try #require(found.selection), try #require(expected.selection))
        #expect(Self.agree(mine.penalty, theirs.penalty, 1e-9))
        #expect(Self.agree(mine.crossFittedLoss, theirs.crossFittedLoss, 1e-7))
        // Half of the queries count nothing: the same as if they were not there.
        let some = problem.repeating(groups.map { $0 < 75 ? 1 : 0 })
        let without = try WeightFit.select(some.blocks, labels: some.labels)
        let left = try WeightFit.select(
            problem.blocks, labels: problem.labels, rowWeights: groups.map { $0 < 75 ? 1 : 0 })
        for (mine, theirs) in zip(left.weights, without.weights) { #expect(Self.agree(mine, theirs, 1e-9)) }
    }

    /// `sources` scores of normal noise in different units. Labels are drawn with the given weights of unit scores.
    static func drawn(seed: UInt64, queries: Int = 150, candidates: Int = 40, weights: [Double]) -> Problem {
        var generator = RandomGenerator(seed: seed)
        let unit = weights.map { _ in (0..<queries * candidates).map { _ in generator.normal() } }
        let relevant = (0..<queries).map { query -> [Judgement] in
            let shares = (0..<candidates).map { column in
                exp(zip(weights, unit).reduce(0) { $0 + $1.0 * Double($1.1[query * candidates + column]) })
            }
            var rest = Double(generator.uniform()) * shares.reduce(0, +)
            var column = 0
            while column < candidates - 1, rest > shares[column] {
                rest -= shares[column]
                column += 1
            }
            return [Judgement(column: column)]
        }
        let scores = unit.enumerated().map { index, values in values.map { $0 * [0.02, 10, 1, 0.1, 3][index % 5] } }
        return Problem(
            block: ScoreBlock(candidates: [Int](repeating: candidates, count: queries), scores: scores),
            labels: BlockLabels(relevant: relevant))
    }

    @Test func noiseIsDroppedAndWhatHelpsIsKept() throws {
        let helpful: [Double] = [1, 0.6, 0, 0, 0]
        var (clean, kept) = (0, 0)
        for seed in 0..<20 {
            let problem = Self.drawn(seed: UInt64(seed), weights: helpful)
            let found = try WeightFit.select(problem.blocks, labels: problem.labels)
            if found.weights[2...].allSatisfy({ $0 == 0 }) { clean += 1 }
            if found.weights[0] > 0, found.weights[1] > 0 { kept += 1 }
            let selection = try #require(found.selection)
            #expect(selection.folds == 5 && selection.penalty > 0)
            #expect(found.loss < selection.crossFittedLoss && selection.crossFittedLoss < found.uniformLoss)
            // What is left is fitted without the penalty.
            let left = found.weights.indices.filter { found.weights[$0] > 0 }
            let alone = problem.selecting(left)
            let refitted = try WeightFit.fit(alone.blocks, labels: alone.labels)
            for (index, source) in left.enumerated() {
                #expect(Self.agree(found.weights[source], refitted.weights[index], 1e-7))
            }
        }
        #expect(clean >= 19 && kept == 20, "\(clean) of 20 without noise, \(kept) with both")
    }

    /// The conditions of Karush, Kuhn and Tucker, with and without an active bound.
    @Test(arguments: [0.5, 1.5, 100]) func twentySourcesMeetTheConditionsOfAMinimum(limit: Double) throws {
        let weights = (0..<20).map { $0 % 3 == 0 ? 0.4 : 0 }
        let problem = Self.drawn(seed: 21, weights: weights)
        let found = try WeightFit.fit(problem.blocks, labels: problem.labels, bound: .spread(limit))
        let likelihood = try LabelLikelihood(
            blocks: problem.blocks, labels: problem.labels, target: .exponentialGain)
        let gradient = try likelihood.evaluate(
            at: found.weights, of: Array(0..<20), rows: likelihood.rows
        ).gradient
        let slopes = zip(gradient, found.spreads).map { $0 / $1 }
        let used = zip(found.weights, found.spreads).reduce(0) { $0 + $1.0 * $1.1 }
        let multiplier = found.isAtBound ? -(slopes.min() ?? .nan) : 0
        #expect(used <= limit * (1 + 1e-12) && multiplier >= 0 && found.isAtBound == (limit < 2))
        #expect(found.weights.contains(0) && found.weights.contains { $0 > 0 })
        for (weight, slope) in zip(found.weights, slopes) {
            #expect(weight >= 0 && slope + multiplier > -1e-7)
            if weight > 0 { #expect(abs(slope + multiplier) < 1e-7) }
        }
    }

    @Test func nothingIsKeptOfNoise() throws {
        let problem = Self.drawn(seed: 3, weights: [0, 0, 0])
        let found = try WeightFit.select(problem.blocks, labels: problem.labels)
        #expect(found.weights == [0, 0, 0] && found.dropped.count == 3)
        #expect(found.loss == found.uniformLoss && abs(found.loss - log(40)) < 1e-12)
    }

    @Test func fewerStandardErrorsKeepMore() throws {
        let problem = Self.drawn(seed: 8, weights: [1, 0.3, 0, 0, 0])
        var before: WeightFit.Selection?
        for standardErrors in [0.0, 0.5, 1, 2, 1000] {
            let found = try WeightFit.select(problem.blocks, labels: problem.labels, standardErrors: standardErrors)
            let selection = try #require(found.selection)
            if let before {
                #expect(selection.penalty >= before.penalty && selection.crossFittedLoss >= before.crossFittedLoss)
            }
            before = selection
        }
        // Everything is within so many standard errors, so the penalty is the one that leaves nothing.
        #expect(try WeightFit.select(problem.blocks, labels: problem.labels, standardErrors: 1000).dropped.count == 5)
    }

    @Test func groupsAreNeverCut() throws {
        let groups = [4, 1, 4, 2, 1, 9, 9, 9, 3, 4]
        let parts = WeightFit.parts([0, 1, 2, 3, 4, 5, 6, 8, 9], groups: groups, count: 3)
        #expect(parts.flatMap { $0 }.sorted() == [0, 1, 2, 3, 4, 5, 6, 8, 9])
        for part in parts { #expect(part.count == 3 && part == part.sorted()) }
        for group in Set(groups) {
            #expect(parts.count { part in part.contains { groups[$0] == group } } == 1)
        }
        // All queries in one group: there is nothing to cross-fit.
        let problem = Self.drawn(seed: 1, weights: [1, 0])
        let found = try WeightFit.select(
            problem.blocks, labels: problem.labels, groups: [Int](repeating: 7, count: problem.labels.rows))
        #expect(try found == WeightFit.fit(problem.blocks, labels: problem.labels))
    }

    /// Each query fifty times. By itself each copy would be a witness for the others.
    @Test func copiesOfQueriesInOneGroupProveNothing() throws {
        let few = Self.drawn(seed: 12, queries: 12, weights: [1.5, 0, 0, 0])
        let copies = (0..<600).map { $0 % 12 }
        let problem = Problem(
            block: ScoreBlock(
                candidates: [Int](repeating: 40, count: 600),
                scores: few.block.scores.map { values in copies.flatMap { values[40 * $0..<40 * $0 + 40] } }),
            labels: BlockLabels(relevant: copies.map { few.labels.relevant[$0] }))
        let grouped = try WeightFit.select(problem.blocks, labels: problem.labels, groups: copies)
        let apart = try WeightFit.select(problem.blocks, labels: problem.labels)
        #expect(grouped.weights.count { $0 > 0 } < apart.weights.count { $0 > 0 })
        #expect(
            (grouped.selection?.crossFittedLoss ?? .nan) > (apart.selection?.crossFittedLoss ?? .nan))
    }

    @Test func badInputIsNamed() {
        var problem = Self.drawn(seed: 1, queries: 5, weights: [1, 0])
        let unlabelled = BlockLabels(relevant: [[Judgement]](repeating: [], count: 5))
        #expect(throws: CalibrationError.noLabelledRow(rows: 5)) {
            try WeightFit.fit(problem.blocks, labels: unlabelled)
        }
        #expect(throws: CalibrationError.noLabelledRow(rows: 5)) {
            try WeightFit.fit(problem.blocks, labels: problem.labels, rowWeights: [0, 0, 0, 0, 0])
        }
        var scores = problem.block.scores
        scores[1][40 * 3 + 7] = .nan
        problem.block = ScoreBlock(candidates: problem.candidates, scores: scores)
        #expect(
            throws: CombinationError.notFinite(
                source: SourceName(rawValue: "source 1"), row: 3, column: 7, id: nil)
        ) { try WeightFit.fit(problem.blocks, labels: problem.labels) }
    }
}
