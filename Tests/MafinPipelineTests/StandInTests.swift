import Foundation
import MafinEncoder
import MafinMethod
import MafinNumerics
import MafinTestSupport
import MafinText
import Testing

@testable import MafinPipeline

@Suite struct StandInTests {
    private static func random(_ rows: Int, _ columns: Int, seed: UInt64) -> Matrix {
        var generator = RandomGenerator(seed: seed)
        return Matrix(rows: rows, columns: columns, values: (0..<rows * columns).map { _ in generator.normal() })
    }

    private static let heads = StandInHeads(blackBox: random(7, 5, seed: 1), local: random(7, 4, seed: 2))

    private static func encoder() -> TransformerEncoder {
        TransformerEncoder(
            architecture: .bert(
                EncoderConfiguration(
                    hiddenSize: 8, layerCount: 1, headCount: 2, intermediateSize: 16, vocabularySize: 20)),
            pooling: .mean, seed: 3)
    }

    private static func tokens(_ rows: [[Int32]]) -> TokenBatch {
        var batch = TokenBatch()
        for row in rows { batch.append(row) }
        return batch
    }

    /// z = unit(W [u ; 1]), in double precision.
    @Test func headsMapUnitVectors() throws {
        let inputs = Self.random(3, 6, seed: 3)
        let (blackBox, local) = try Self.heads(inputs)
        for (head, found) in [(Self.heads.blackBox, blackBox), (try #require(Self.heads.local), try #require(local))] {
            for row in 0..<3 {
                let x = inputs.row(row).map(Double.init)
                let length = x.reduce(0) { $0 + $1 * $1 }.squareRoot()
                let extended = x.map { $0 / length } + [1]
                let mapped = (0..<head.columns).map { column in
                    extended.indices.reduce(0) { $0 + extended[$1] * Double(head[$1, column]) }
                }
                let norm = mapped.reduce(0) { $0 + $1 * $1 }.squareRoot()
                #expect(largestDifference(found.row(row), mapped.map { $0 / norm }) < 1e-6)
            }
        }
        #expect(throws: CombinationError.self) { try Self.heads(Matrix(rows: 1, columns: 6)) }
    }

    /// Gradients of the heads and of the vectors below them, against central differences of a linear function.
    @Test func gradientsOfHeads() throws {
        let inputs = Self.random(3, 6, seed: 4)
        let (first, second) = (Self.random(3, 5, seed: 5), Self.random(3, 4, seed: 6))
        func value(_ heads: StandInHeads, _ inputs: Matrix) -> Double {
            let pass = heads.forward(inputs)
            let found: [Float] = pass.blackBox.unit.values + (pass.local?.unit.values ?? [])
            let slopes: [Float] = first.values + second.values
            var sum = 0.0
            for (value, slope) in zip(found, slopes) { sum += Double(value) * Double(slope) }
            return sum
        }
        var heads = Self.heads
        var gradient = [Float](repeating: 0, count: heads.parameters.count)
        let below = heads.backward(blackBox: first, local: second, pass: heads.forward(inputs), into: &gradient)
        func differences(_ values: [Float], _ changed: ([Float]) -> Double) -> [Double] {
            values.indices.map { index in
                var (above, below) = (values, values)
                above[index] += 4e-3
                below[index] -= 4e-3
                return (changed(above) - changed(below)) / 8e-3
            }
        }
        let ofHeads = differences(heads.parameters) {
            heads.parameters = $0
            return value(heads, inputs)
        }
        let ofInputs = differences(inputs.values) { value(Self.heads, Matrix(rows: 3, columns: 6, values: $0)) }
        #expect(relativeDifference(gradient.map(Double.init), from: ofHeads) < 2e-3)
        #expect(relativeDifference(below.values.map(Double.init), from: ofInputs) < 2e-3)
    }

    /// A head gives what the map gives that it is made from.
    @Test func headsOfMaps() throws {
        let (inputs, targets) = (
            Self.random(40, 6, seed: 7).normalizedRows().matrix, Self.random(40, 3, seed: 8).normalizedRows().matrix
        )
        let map = VectorMap.ridge(VectorMap.Moments(from: inputs, to: targets), strength: 0.1)
        let found = try StandInHeads(blackBox: StandInHeads.head(map))(inputs).blackBox
        #expect(largestDifference(found.values, map(inputs).values) < 1e-6)
        let own = try StandInHeads(blackBox: StandInHeads.identity(6))(inputs).blackBox
        #expect(largestDifference(own.values, inputs.values) < 1e-6)
    }

    /// The mean output over the inputs stays, and deviations from it are multiplied.
    @Test func amplifiedHeads() {
        let head = Self.random(7, 5, seed: 12)
        let inputs = Self.random(4, 6, seed: 13).normalizedRows().matrix
        func outputs(_ head: Matrix) -> [[Float]] {
            (0..<4).map { row in
                (0..<5).map { column in
                    (0..<6).reduce(head[6, column]) { $0 + inputs[row, $1] * head[$1, column] }
                }
            }
        }
        let (plain, amplified) = (outputs(head), outputs(StandInHeads.amplified(head, by: 3, over: inputs)))
        for column in 0..<5 {
            let mean = plain.reduce(0) { $0 + $1[column] } / 4
            for row in 0..<4 { #expect(abs(amplified[row][column] - (mean + 3 * (plain[row][column] - mean))) < 1e-5) }
        }
        #expect(StandInHeads.amplified(head, by: 1, over: inputs) == head)
    }

    @Test func correlationOfRows() {
        let a = Matrix(rows: 2, columns: 3, values: [1, 2, 4, 1, 2, 3])
        let b = Matrix(rows: 2, columns: 3, values: [3, 5, 9, 6, 4, 2])
        #expect(abs(StandInTraining.correlation(a, b)) < 1e-12, "1 and −1")
    }

    // MARK: As an encoder

    /// The trainer sees [a z_bb ; b z_local]. State and weights come back bit for bit.
    @Test func trainsLikeAnEncoder() throws {
        let heads = StandInHeads(blackBox: Self.random(9, 5, seed: 11), local: StandInHeads.identity(8))
        let inputs = ItemBatch.tokens(Self.tokens([[1, 5, 2], [1, 7, 9, 2], [1, 3, 2]]))
        let targets = Self.random(3, 13, seed: 12)
        func steps(_ model: StandInEncoder<TransformerEncoder>, _ count: Int) throws {
            for _ in 0..<count {
                let pass = try model.forward(inputs, dropoutSeed: nil)
                try model.backward(pass, gradient: targets)
                _ = try model.update(learningRate: 1e-2, maximumGradientNorm: 1)
            }
        }
        let model = StandInEncoder(Self.encoder(), heads: heads, shares: (1, 0.5), headRate: 3)
        let start = try model.embed(inputs)
        #expect(start.columns == 13 && model.dimension == 13)
        let alone = try model.base.embed(inputs).normalizedRows().matrix
        for row in 0..<3 {
            #expect(largestDifference(start.row(row).suffix(8), alone.row(row).map { 0.5 * $0 }) < 1e-6)
        }
        let released = model.weights()
        try steps(model, 2)
        #expect(differingElements(model.heads.blackBox.values, heads.blackBox.values) == 45, "the heads learn too")

        let folder = try TemporaryFolder()
        try model.saveTrainingState(to: folder.url)
        try steps(model, 1)
        let other = StandInEncoder(Self.encoder(), heads: heads, shares: (1, 0.5), headRate: 3)
        try other.restoreTrainingState(from: folder.url)
        try steps(other, 1)
        #expect(differingElements(other.weights(), model.weights()) == 0)
        other.restore(weights: released)
        #expect(differingElements(try other.embed(inputs).values, start.values) == 0)
    }

    // MARK: Sureness

    @Test func surenessIsAProbability() {
        let mixture = Mixture(SourceWeights([(.standIn, 6), (.local, 2)]), origin: .calibrated)
        // Weights for ranking are ¾ and ¼, so that a logit is eight scores.
        let scores: [Float] = [0.5, 0.375, 0]
        let expected = 1 / (1 + exp(-1.0) + exp(-4.0))
        #expect(abs(Sureness.probability(ofFirst: scores, mixture) - expected) < 1e-6)
        #expect(Sureness.probability(ofFirst: [0.3], mixture) == 1)
        #expect(Sureness.probability(ofFirst: [Float](), mixture) == 0)
    }

    /// The queries that the stand-in is least sure of are asked first.
    @Test func theCurveGoesFromNoneToAll() {
        let curve = Sureness.curve(
            sureness: [0.9, 0.1, 0.5, 0.3], offline: [1, 0, 1, 0], asked: [1, 1, 0, 1], count: 4)
        #expect(curve.map(\.asked) == [0, 0.25, 0.5, 0.75, 1])
        #expect(curve.map(\.metric) == [0.5, 0.75, 1, 0.75, 0.75])
        #expect(curve.prefix(4).map(\.threshold) == [0.1, 0.3, 0.5, 0.9])
        #expect((curve.last?.threshold ?? 0) > 1)
    }

    /// At each threshold as many queries are below it as the point says, also if many are equally sure, or quite sure.
    @Test(
        arguments: [
            [0.5, 0.9997, 0.5, 0.5, 1, 0.2, 0.9997, 1, 0.5], [0.3, 0.3, 0.3], [1, 1, 1], [0.999_999_9, 1],
        ] as [[Double]]) func equallySureQueriesAreAskedTogether(sureness: [Double]) throws
    {
        let offline = sureness.indices.map { Double($0 % 2) }
        let asked = sureness.indices.map { Double($0 % 3) }
        let curve = Sureness.curve(sureness: sureness, offline: offline, asked: asked, count: 20)
        #expect(curve.first?.asked == 0 && curve.last?.asked == 1)
        #expect(Set(curve.map(\.threshold)).count == curve.count)
        for point in curve.dropLast() {
            #expect(point.threshold < 1, "1 asks for all")
            let below = sureness.indices.filter { sureness[$0] < point.threshold }
            #expect(abs(point.asked - Double(below.count) / Double(sureness.count)) < 1e-12)
            let values = sureness.indices.map { below.contains($0) ? asked[$0] : offline[$0] }
            #expect(abs(point.metric - values.reduce(0, +) / Double(values.count)) < 1e-12)
        }
    }
}
