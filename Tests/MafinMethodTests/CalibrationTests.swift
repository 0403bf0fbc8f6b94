import Foundation
import MafinNumerics
import Testing

@testable import MafinMethod

@Suite struct CalibrationTests {
    struct Golden: Decodable {
        struct Expected: Decodable {
            let blackBox: Double
            let local: Double
            let loss: Double
            let lambdaStandardError: Double?
            let logTemperatureStandardError: Double
            enum CodingKeys: String, CodingKey {
                case blackBox = "black_box"
                case local, loss
                case lambdaStandardError = "lambda_standard_error"
                case logTemperatureStandardError = "log_temperature_standard_error"
            }
        }
        let rows: Int
        let columns: Int
        let relevant: [[[Float]]]
        let masked: [[Int]]
        let targetTemperature: Float?
        let blackBox: [Float]
        let local: [Float]
        let expected: Expected
        enum CodingKeys: String, CodingKey {
            case rows, columns, relevant, masked, local, expected
            case blackBox = "black_box"
            case targetTemperature = "target_temperature"
        }

        var labels: BlockLabels {
            BlockLabels(
                relevant: relevant.map { $0.map { Judgement(column: Int($0[0]), grade: $0[1]) } }, masked: masked)
        }
        var target: ListNet.Target { targetTemperature.map { .softmax(temperature: $0) } ?? .exponentialGain }
        var blackBoxScores: Matrix { Matrix(rows: rows, columns: columns, values: blackBox) }
        var localScores: Matrix { Matrix(rows: rows, columns: columns, values: local) }
    }

    @Test func scalesOfSciPy() throws {
        let goldens = try Goldens.read("calibration.json", as: [String: Golden].self)
        #expect(goldens.count == 5)
        for (name, golden) in goldens {
            let expected = golden.expected
            let found = try Calibration.fit(
                blackBox: golden.blackBoxScores, local: golden.localScores, labels: golden.labels, target: golden.target
            )
            func agree(_ mine: Double, _ theirs: Double, _ tolerance: Double) -> Bool {
                abs(mine - theirs) <= tolerance * max(1, abs(theirs))
            }
            #expect(agree(Double(found.scale.blackBox), expected.blackBox, 1e-6), "\(name)")
            #expect(agree(Double(found.scale.local), expected.local, 1e-6), "\(name)")
            #expect(agree(found.loss, expected.loss, 1e-11), "\(name)")
            #expect((found.lambdaStandardError == nil) == (expected.lambdaStandardError == nil), "\(name)")
            if let mine = found.lambdaStandardError, let theirs = expected.lambdaStandardError {
                #expect(agree(mine, theirs, 1e-8), "\(name)")
            }
            #expect(
                agree(found.logTemperatureStandardError ?? .nan, expected.logTemperatureStandardError, 1e-8), "\(name)")
            #expect(!found.isTemperatureAtMinimum && found.passes < 20)
            let outcome: Calibration.Outcome =
                expected.local == 0 ? .blackBoxOnly : expected.blackBox == 0 ? .localOnly : .both
            #expect(found.outcome == outcome, "\(name)")

            // Row blocks of any size and any start lead to the same optimum.
            let (blackBox, local) = (golden.blackBoxScores, golden.localScores)
            let streamed = try Calibration.fit(
                ScoreBlocks(rows: golden.rows, rowsPerBlock: 3) {
                    (blackBox.selecting(rows: $0), local.selecting(rows: $0))
                },
                labels: golden.labels, target: golden.target, startingAt: MixtureWeights(blackBox: 900, local: 400))
            #expect(agree(Double(streamed.scale.blackBox), expected.blackBox, 1e-6), "\(name)")
            #expect(agree(Double(streamed.scale.local), expected.local, 1e-6), "\(name)")
        }
    }

    /// The value that is minimised is that of ListNet at the logits of the scale.
    @Test func lossIsThatOfListNet() throws {
        for golden in try Goldens.read("calibration.json", as: [String: Golden].self).values {
            let found = try Calibration.fit(
                blackBox: golden.blackBoxScores, local: golden.localScores, labels: golden.labels, target: golden.target
            )
            let logits = Matrix(
                rows: golden.rows, columns: golden.columns,
                values: zip(golden.blackBox, golden.local).map { found.scale.blackBox * $0 + found.scale.local * $1 })
            let value = ListNet(target: golden.target).evaluate(logits: logits, labels: golden.labels).value
            #expect(abs(Double(value) - found.loss) < 1e-5)
            #expect(found.labelEntropy > 0 && found.labelEntropy < found.loss)
        }
    }

    private let labels = BlockLabels(relevant: [
        [Judgement(column: 0)], [], [Judgement(column: 2)], [Judgement(column: 1)],
    ])

    private func noise(seed: UInt64, spread: Float = 0.1) -> Matrix {
        var generator = RandomGenerator(seed: seed)
        return Matrix(rows: 4, columns: 30, values: (0..<120).map { _ in spread * generator.normal() })
    }

    /// Scores that rank every positive first with a clear margin.
    private func separating() -> Matrix {
        var scores = noise(seed: 3, spread: 0.01)
        for (row, judgements) in labels.relevant.enumerated() {
            for judgement in judgements { scores[row, judgement.column] = 0.5 }
        }
        return scores
    }

    @Test func separableLabelsStopAtTheSmallestTemperature() throws {
        let found = try Calibration.fit(blackBox: noise(seed: 4), local: separating(), labels: labels)
        #expect(found.isTemperatureAtMinimum)
        #expect(abs(found.scale.temperature - 0.001) < 1e-8)
        #expect(found.scale.lambda > 0.5 && found.loss < 1e-9)
        #expect(found.logTemperatureStandardError == nil)
        let wider = try Calibration.fit(
            blackBox: noise(seed: 4), local: separating(), labels: labels, minimumTemperature: 0.05)
        #expect(abs(wider.scale.temperature - 0.05) < 1e-7 && wider.isTemperatureAtMinimum)
        // On the bound only λ is free, and no other λ is better.
        func loss(_ lambda: Float) -> Float {
            let scale = MixtureWeights(lambda: lambda, temperature: 0.05)
            return ListNet().evaluate(
                logits: Matrix(
                    rows: 4, columns: 30,
                    values: zip(noise(seed: 4).values, separating().values).map {
                        scale.blackBox * $0 + scale.local * $1
                    }),
                labels: labels
            ).value
        }
        for lambda in stride(from: Float(0), through: 1, by: 0.01) {
            #expect(Double(loss(lambda)) >= wider.loss - 1e-6)
        }
    }

    @Test func aHalfWithEqualScoresGetsNoWeight() throws {
        var informative = noise(seed: 5)
        for (row, judgements) in labels.relevant.enumerated() {
            for judgement in judgements { informative[row, judgement.column] += 0.15 }
        }
        // Scores that are constant within each query do not affect any ranking, even if they differ between queries.
        var constant = Matrix(rows: 4, columns: 30)
        for row in 0..<4 { for column in 0..<30 { constant[row, column] = 0.3 + Float(row) / 10 } }
        let first = try Calibration.fit(blackBox: constant, local: informative, labels: labels)
        #expect(first.scale.blackBox == 0 && first.scale.lambda == 1 && first.outcome == .localOnly)
        let second = try Calibration.fit(blackBox: informative, local: constant, labels: labels)
        #expect(second.scale.local == 0 && second.scale.lambda == 0 && second.outcome == .blackBoxOnly)
        #expect(second.lambdaStandardError == nil)
        #expect(abs(first.scale.local - second.scale.blackBox) < 1e-4)
        let alone = try Calibration.fit(blackBox: nil, local: informative, labels: labels)
        #expect(alone.scale == first.scale)
    }

    @Test func aCopyOfOneHalfGivesTheSameTemperature() throws {
        var informative = noise(seed: 5)
        for (row, judgements) in labels.relevant.enumerated() {
            for judgement in judgements { informative[row, judgement.column] += 0.15 }
        }
        let alone = try Calibration.fit(blackBox: nil, local: informative, labels: labels)
        let twice = try Calibration.fit(blackBox: informative, local: informative, labels: labels)
        #expect(abs(twice.scale.temperature / alone.scale.temperature - 1) < 1e-5)
        #expect(twice.lambdaStandardError.map { $0 > 10 } ?? true)
    }

    @Test func nothingToFitIsAnError() {
        let unlabelled = BlockLabels(relevant: [[], [], [], []])
        #expect(throws: CalibrationError.noLabelledRow(rows: 4)) {
            try Calibration.fit(blackBox: noise(seed: 1), local: noise(seed: 2), labels: unlabelled)
        }
        var opposed = noise(seed: 7, spread: 0.01)
        for (row, judgements) in labels.relevant.enumerated() {
            for judgement in judgements { opposed[row, judgement.column] = -0.5 }
        }
        #expect(throws: CalibrationError.uninformative(labelledRows: 3)) {
            try Calibration.fit(blackBox: opposed, local: opposed, labels: labels)
        }
        let constant = Matrix(rows: 4, columns: 30, repeating: 0.7)
        #expect(throws: CalibrationError.uninformative(labelledRows: 3)) {
            try Calibration.fit(blackBox: constant, local: constant, labels: labels)
        }
        var broken = noise(seed: 1)
        broken[2, 9] = .infinity
        #expect(throws: CombinationError.notFinite(source: .blackBox, row: 2, column: 9, id: nil)) {
            try Calibration.fit(blackBox: broken, local: noise(seed: 2), labels: labels)
        }
    }

    /// The standard error equals the scatter of fits to many samples that are drawn with known weights.
    @Test func standardErrorIsTheScatterOfRepeatedFits() throws {
        var generator = RandomGenerator(seed: 11)
        let (rows, columns, a, b) = (60, 40, 12.0, 8.0)
        var lambdas: [Double] = []
        var errors: [Double] = []
        for _ in 0..<300 {
            func scores() -> Matrix {
                Matrix(
                    rows: rows, columns: columns, values: (0..<rows * columns).map { _ in 0.15 * generator.normal() })
            }
            let (blackBox, local) = (scores(), scores())
            var relevant: [[Judgement]] = []
            for row in 0..<rows {
                let weights = (0..<columns).map { exp(a * Double(blackBox[row, $0]) + b * Double(local[row, $0])) }
                var rest = Double(generator.uniform()) * weights.reduce(0, +)
                var column = 0
                while column < columns - 1, rest > weights[column] {
                    rest -= weights[column]
                    column += 1
                }
                relevant.append([Judgement(column: column)])
            }
            let found = try Calibration.fit(blackBox: blackBox, local: local, labels: BlockLabels(relevant: relevant))
            lambdas.append(Double(found.scale.lambda))
            errors.append(found.lambdaStandardError ?? .nan)
        }
        let mean = lambdas.reduce(0, +) / 300
        let scatter = (lambdas.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 299).squareRoot()
        let stated = errors.reduce(0, +) / 300
        #expect(abs(mean - 0.4) < 4 * scatter / 300.0.squareRoot())
        #expect(abs(stated / scatter - 1) < 0.2, "stated \(stated), found \(scatter)")
    }
}
