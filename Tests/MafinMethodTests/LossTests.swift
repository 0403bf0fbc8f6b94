import Foundation
import MafinNumerics
import Testing

@testable import MafinMethod

/// A loss of the golden file by its name there.
private func loss(named name: String) throws -> any Loss {
    switch name {
    case "InfoNCE": InfoNCE()
    case "ListNet gain": ListNet(target: .exponentialGain)
    case "ListNet softmax 0.5": ListNet(target: .softmax(temperature: 0.5))
    case "ListMLE": ListMLE()
    case "ListMLE@3": ListMLE(cutoff: 3)
    case "hybrid ListNet 0.3": HybridLoss(listwise: ListNet(), contrastive: InfoNCE(), weight: 0.3)
    case "hybrid ListMLE@3 0.7": HybridLoss(listwise: ListMLE(cutoff: 3), contrastive: InfoNCE(), weight: 0.7)
    default: throw Goldens.Missing(name: name)
    }
}

private let allLosses: [any Loss] = [
    InfoNCE(), ListNet(), ListNet(target: .softmax(temperature: 0.3)), ListMLE(), ListMLE(cutoff: 2),
    HybridLoss(listwise: ListNet(target: .softmax(temperature: 0.7)), contrastive: InfoNCE(), weight: 0.4),
]

private func labels(rows: Int, columns: Int, seed: UInt64, relevant: ClosedRange<Int> = 0...5) -> BlockLabels {
    var random = RandomGenerator(seed: seed)
    var result = BlockLabels(relevant: [[Judgement]](repeating: [], count: rows))
    for row in 0..<rows {
        let order = Array(0..<columns).shuffled(using: &random)
        let count = Int.random(in: relevant, using: &random)
        result.relevant[row] = order.prefix(count).map {
            Judgement(column: $0, grade: Float(1 + random.index(below: 3)))
        }
        result.masked[row] = Array(order[count..<count + random.index(below: 3)])
    }
    return result
}

private func scores(rows: Int, columns: Int, seed: UInt64, spread: Float = 2) -> Matrix {
    var random = RandomGenerator(seed: seed)
    return Matrix(rows: rows, columns: columns, values: (0..<rows * columns).map { _ in spread * random.normal() })
}

@Suite struct LossTests {
    struct Golden: Decodable {
        struct Expected: Decodable {
            let value: Double
            let gradient: [Double]
        }
        let rows: Int
        let columns: Int
        let logits: [Float]
        let relevant: [[[Float]]]
        let masked: [[Int]]
        let losses: [String: Expected]
    }

    @Test func valuesAndGradientsOfPyTorch() throws {
        for golden in try Goldens.read("losses.json", as: [Golden].self) {
            let labels = BlockLabels(
                relevant: golden.relevant.map { $0.map { Judgement(column: Int($0[0]), grade: $0[1]) } },
                masked: golden.masked)
            let logits = Matrix(rows: golden.rows, columns: golden.columns, values: golden.logits)
            #expect(golden.losses.count == 7)
            for (name, expected) in golden.losses {
                let found = try loss(named: name).evaluate(logits: logits, labels: labels)
                #expect(abs(Double(found.value) - expected.value) <= 1e-6 * (1 + abs(expected.value)), "\(name)")
                for (mine, theirs) in zip(found.gradient.values, expected.gradient) {
                    #expect(abs(Double(mine) - theirs) <= 3e-7, "\(name)")
                }
            }
        }
    }

    @Test func gradientsByFiniteDifferences() {
        let labels = labels(rows: 3, columns: 11, seed: 4, relevant: 1...5)
        let logits = scores(rows: 3, columns: 11, seed: 5)
        for loss in allLosses {
            let gradient = loss.evaluate(logits: logits, labels: labels).gradient
            for index in logits.values.indices {
                // A step of this size keeps the rounding errors of Float values below the error of the quotient, 1e-4.
                let step: Float = 1 / 64
                var (above, below) = (logits, logits)
                above.values[index] += step
                below.values[index] -= step
                let quotient =
                    (loss.evaluate(logits: above, labels: labels).value
                        - loss.evaluate(logits: below, labels: labels).value) / (2 * step)
                #expect(abs(quotient - gradient.values[index]) < 1e-4, "\(loss.summary.name) at \(index)")
            }
        }
    }

    @Test func infoNCEIsListNetWithOnePositive() {
        let labels = labels(rows: 20, columns: 101, seed: 1, relevant: 1...1)
        for spread in [0.1, 1, 10, 60] as [Float] {
            let logits = scores(rows: 20, columns: 101, seed: 2, spread: spread)
            let contrastive = InfoNCE().evaluate(logits: logits, labels: labels)
            for listwise in [ListNet() as any Loss, ListMLE(), ListMLE(cutoff: 1)] {
                let found = listwise.evaluate(logits: logits, labels: labels)
                #expect(abs(found.value - contrastive.value) <= 1e-6 * max(1, contrastive.value))
                for (a, b) in zip(found.gradient.values, contrastive.gradient.values) { #expect(abs(a - b) <= 1e-6) }
            }
        }
    }

    @Test func listMLEWithOneGradeIsListNet() {
        var labels = labels(rows: 8, columns: 40, seed: 6, relevant: 2...6)
        for row in labels.relevant.indices {
            for index in labels.relevant[row].indices { labels.relevant[row][index].grade = 2 }
        }
        let logits = scores(rows: 8, columns: 40, seed: 7)
        let listwise = ListNet().evaluate(logits: logits, labels: labels)
        let likelihood = ListMLE().evaluate(logits: logits, labels: labels)
        #expect(abs(listwise.value - likelihood.value) < 1e-6)
        for (a, b) in zip(listwise.gradient.values, likelihood.gradient.values) { #expect(abs(a - b) < 1e-6) }
    }

    /// The public code of the paper's first version uses the document of another query as a negative even if it is the
    /// same document, so its loss cannot fall below ln 2. Here two queries of one document reach the lower bound of the
    /// loss by gradient descent on free scores.
    @Test func twoQueriesOfOneDocumentReachTheLowerBound() {
        // Documents 0 and 1 are two copies of one text in the block; queries 0 and 1 belong to one of them each.
        let copies = BlockLabels(
            relevant: [[Judgement(column: 0)], [Judgement(column: 1)]], masked: [[1], [0]])
        for loss in [InfoNCE() as any Loss, ListNet(), ListMLE()] {
            #expect(descend(loss, copies, columns: 5) < 1e-3)
        }
        // The same block without the mask cannot fall below ln 2 when both copies have the same score, as one text must have.
        let unmasked = BlockLabels(relevant: copies.relevant)
        #expect(InfoNCE().evaluate(logits: tied(), labels: unmasked).value > 0.69)
        #expect(InfoNCE().evaluate(logits: tied(), labels: copies).value < 1e-6)
        // Several labels: 0 for InfoNCE, which masks the other positives; the entropy of Q for ListNet.
        let several = BlockLabels(relevant: [
            [Judgement(column: 0), Judgement(column: 3)],
            [Judgement(column: 0, grade: 2), Judgement(column: 4, grade: 1)],
        ])
        #expect(descend(InfoNCE(), several, columns: 5) < 1e-3)
        let entropies = [log(2), -(0.75 * log(0.75) + 0.25 * log(0.25))]
        #expect(abs(Double(descend(ListNet(), several, columns: 5)) - entropies.reduce(0, +) / 2) < 1e-3)
    }

    private func tied() -> Matrix {
        Matrix(rows: 2, columns: 5, values: [40, 40, 0, 0, 0, 40, 40, 0, 0, 0])
    }

    private func descend(_ loss: any Loss, _ labels: BlockLabels, columns: Int) -> Float {
        var logits = scores(rows: labels.rows, columns: columns, seed: 3, spread: 0.1)
        for _ in 0..<6_000 {
            let found = loss.evaluate(logits: logits, labels: labels)
            for index in logits.values.indices { logits.values[index] -= 4 * found.gradient.values[index] }
        }
        return loss.evaluate(logits: logits, labels: labels).value
    }

    @Test func maskedColumnsAndUnlabelledRowsTakeNoPart() {
        let labels = labels(rows: 12, columns: 30, seed: 8, relevant: 0...3)
        let logits = scores(rows: 12, columns: 30, seed: 9)
        var other = logits
        for row in 0..<12 {
            for column in labels.masked[row] { other[row, column] = 1_000 }
            if labels.relevant[row].isEmpty { for column in 0..<30 { other[row, column] = 500 } }
        }
        #expect(labels.relevant.contains { $0.isEmpty } && labels.labelledRows > 0)
        for loss in allLosses {
            let (first, second) = (
                loss.evaluate(logits: logits, labels: labels), loss.evaluate(logits: other, labels: labels)
            )
            #expect(abs(first.value - second.value) < 1e-5)
            for row in 0..<12 {
                for column in labels.masked[row] { #expect(second.gradient[row, column] == 0) }
                if labels.relevant[row].isEmpty { #expect(second.gradient.row(row).allSatisfy { $0 == 0 }) }
            }
        }
    }

    @Test func blocksWithNothingToLearn() {
        let none = BlockLabels(relevant: [[], []])
        let onlyPositives = BlockLabels(relevant: [[Judgement(column: 0)]], masked: [[1, 2, 1]])
        for loss in allLosses {
            let nothing = loss.evaluate(logits: scores(rows: 2, columns: 3, seed: 1), labels: none)
            #expect(nothing.value == 0 && nothing.gradient.values.allSatisfy { $0 == 0 })
            let certain = loss.evaluate(logits: scores(rows: 1, columns: 3, seed: 1), labels: onlyPositives)
            #expect(certain.value == 0 && certain.gradient.values.allSatisfy { $0 == 0 })
            #expect(loss.evaluate(logits: Matrix(rows: 0, columns: 4), labels: BlockLabels(relevant: [])).value == 0)
        }
    }

    @Test func notANumberIsNotHidden() {
        let labels = BlockLabels(relevant: [[Judgement(column: 0)]])
        for column in 0..<9 {
            var logits = scores(rows: 1, columns: 9, seed: 1)
            logits[0, column] = .nan
            for loss in allLosses { #expect(loss.evaluate(logits: logits, labels: labels).value.isNaN) }
        }
    }

    @Test func resultDoesNotDependOnTheNumberOfThreads() {
        let labels = labels(rows: 33, columns: 257, seed: 10)
        let logits = scores(rows: 33, columns: 257, seed: 11)
        for loss in allLosses {
            let alone = Parallelism.withThreads(1) { loss.evaluate(logits: logits, labels: labels) }
            let together = Parallelism.withThreads(4) { loss.evaluate(logits: logits, labels: labels) }
            #expect(alone.value == together.value && alone.gradient == together.gradient)
        }
    }

    @Test func gradientsOfWeights() {
        let labels = labels(rows: 4, columns: 20, seed: 12, relevant: 1...3)
        let (blackBox, local) = (scores(rows: 4, columns: 20, seed: 13), scores(rows: 4, columns: 20, seed: 14))
        func found(_ a: Float, _ b: Float) -> LossValue {
            let logits = zip(blackBox.values, local.values).map { a * $0 + b * $1 }
            return ListNet().evaluate(logits: Matrix(rows: 4, columns: 20, values: logits), labels: labels)
        }
        func value(_ a: Float, _ b: Float) -> Double { Double(found(a, b).value) }
        let (a, b) = (0.7, 0.4) as (Float, Float)
        let value0 = found(a, b)
        let step: Float = 1 / 64
        let byBlackBox = (value(a + step, b) - value(a - step, b)) / (2 * Double(step))
        #expect(abs(value0.gradientOfWeight(on: blackBox) - byBlackBox) < 2e-4)
        let byLocal = (value(a, b + step) - value(a, b - step)) / (2 * Double(step))
        #expect(abs(value0.gradientOfWeight(on: local) - byLocal) < 2e-4)
    }

    @Test func summariesNameEveryHyperParameter() throws {
        let hybrid = HybridLoss(listwise: ListMLE(cutoff: 5), contrastive: InfoNCE(), weight: 0.25).summary
        let text = try JSONEncoder().encode(hybrid)
        #expect(try JSONDecoder().decode(LossSummary.self, from: text) == hybrid)
        #expect(hybrid.parameters == ["weight": 0.25])
        #expect(hybrid.parts["listwise"]?.parameters == ["cutoff": 5])
        #expect(ListNet(target: .softmax(temperature: 0.5)).summary.parameters == ["targetTemperature": 0.5])
    }
}
