import Foundation
import MafinNumerics
import Testing

@testable import MafinMethod

/// Faults of the public code of an earlier version (VectifyAI/FAE).
@Suite struct TrainingFaultTests {
    /// Four documents, two queries each, all in one batch.
    static func twoQueriesADocument() throws -> TrainingData<ToyInputs> {
        try TrainingData(
            queries: ToyInputs(rows: (0..<8).map { [10 + $0] }), documents: ToyInputs(rows: (0..<4).map { [$0] }),
            labels: (0..<8).map { [Judgement(column: $0 / 2)] }, trainQueries: Array(0..<8), devQueries: [],
            blackBoxQueries: TrainingFixture.vectors(8, 6, seed: 1),
            blackBoxDocuments: TrainingFixture.vectors(4, 6, seed: 2))
    }

    static func lastLoss(
        _ data: TrainingData<ToyInputs>, _ mode: any TrainingMode, _ loss: any Loss
    ) throws -> Float {
        let log = EventLog()
        let options = TrainingRunTests.options(300) {
            $0.dropout = 0
            $0.scale = .given(MixtureWeights(lambda: 0.9, temperature: 0.05))
        }
        _ = try Trainer(
            queryEncoder: ToyEncoder(vocabulary: 20, hidden: 10, dimension: 8), data: data, mode: mode, loss: loss,
            options: options
        ) { state in
            DevelopmentResult(metric: Double(state.step), logLikelihood: 0, scale: state.scale)
        }.run(onEvent: log.add)
        return log.steps.last?.loss ?? .nan
    }

    /// Fault 1: a row's own positive as a negative keeps the loss above ln 2.
    @Test func twoQueriesOfADocumentReachLossZero() throws {
        let data = try Self.twoQueriesADocument()
        #expect(try Self.lastLoss(data, PairMode(batch: .rows(8)), InfoNCE()) < 0.01)
        #expect(try Self.lastLoss(data, BlockMode(documents: .rows(4)), ListNet()) < 0.01)
        #expect(try Self.lastLoss(data, QueryTowerMode(batch: .rows(8)), ListNet()) < 0.01)
    }

    /// The same for a second document that has a positive's text but no label.
    @Test func aTextEqualToAPositiveIsNotANegative() throws {
        let documents = [[0], [1], [2], [0]]
        let vectors = TrainingFixture.vectors(3, 6, seed: 2)
        let data = try TrainingData(
            queries: ToyInputs(rows: [[10], [11], [12]]), documents: ToyInputs(rows: documents),
            labels: (0..<3).map { [Judgement(column: $0)] }, trainQueries: [0, 1, 2], devQueries: [],
            blackBoxQueries: TrainingFixture.vectors(3, 6, seed: 1),
            blackBoxDocuments: vectors.selecting(rows: [0, 1, 2, 0]),
            documentIdentities: TextIdentity.classes(of: documents))
        #expect(try Self.lastLoss(data, QueryTowerMode(), ListNet()) < 0.01)
        #expect(try Self.lastLoss(data, BlockMode(), ListNet()) < 0.01)
    }

    /// With several labels per row, the minimum is the entropy of the label distribution, here of the grades 1 and 2: Q
    /// = (1/4, 3/4).
    @Test func severalLabelsReachTheirEntropy() throws {
        let data = try TrainingData(
            queries: ToyInputs(rows: [[10], [11]]), documents: ToyInputs(rows: (0..<4).map { [$0] }),
            labels: [
                [Judgement(column: 0, grade: 1), Judgement(column: 1, grade: 2)],
                [Judgement(column: 2, grade: 1), Judgement(column: 3, grade: 2)],
            ], trainQueries: [0, 1], devQueries: [], blackBoxQueries: TrainingFixture.vectors(2, 6, seed: 1),
            blackBoxDocuments: TrainingFixture.vectors(4, 6, seed: 2))
        let entropy: Float = 0.25 * log(4) + 0.75 * log(4 / 3)
        #expect(abs(try Self.lastLoss(data, BlockMode(), ListNet()) - entropy) < 0.01)
    }

    /// Fault 2: vectors divided by the norm of the batch give a ragged last batch another weight.
    @Test(arguments: [LocalForm.unit, .norm(factor: 0.7)]) func preparedRowsIgnoreTheBatch(form: LocalForm) throws {
        let rows = TrainingFixture.vectors(5, 6, seed: 3)
        let whole = form.prepare(rows)
        let parts = [form.prepare(rows.selecting(rows: 0..<4)), form.prepare(rows.selecting(rows: 4..<5))]
        #expect(whole.vectors.values == parts[0].vectors.values + parts[1].vectors.values)
        #expect(whole.weights == parts[0].weights + parts[1].weights)
        for row in 0..<5 {
            // With the black box's unit row beside it the joined row has unit length.
            let square = whole.vectors.row(row).reduce(0) { $0 + $1 * $1 }
            let weight = whole.weights.isEmpty ? 0 : whole.weights[row]
            #expect(abs(square + weight * weight - 1) < 1e-5)
        }
    }

    /// Fault 2 in training: five rows in one batch give the same gradient as batches of four rows and one row, weighted
    /// by rows.
    @Test func aShorterLastBatchIsWeightedByItsRows() throws {
        func gradient(_ queries: [Int], factor: Float, into encoder: ToyEncoder) throws {
            let data = try TrainingFixture.random()
            let engine = StepEngine(
                queryEncoder: encoder, documentEncoder: nil, data: data,
                scores: FrozenScores(
                    queries: data.index.trainQueries, queryVectors: data.blackBoxQueries,
                    documentVectors: data.blackBoxDocuments, byteBudget: 1 << 20), loss: ListNet())
            var bank = DocumentBank(rows: LocalForm.unit.prepare(TrainingFixture.vectors(14, 5, seed: 6)))
            _ = try engine.run(
                StepPlan(queries: queries).againstCorpus(data.index),
                head: ScoreHead(scale: MixtureWeights(blackBox: 3, local: 4), form: .unit), bank: &bank, seed: nil,
                gradientFactor: factor, wantsScale: false)
        }
        let (whole, parts) = (
            ToyEncoder(vocabulary: TrainingFixture.vocabulary), ToyEncoder(vocabulary: TrainingFixture.vocabulary)
        )
        try gradient([0, 1, 2, 5, 6], factor: 1, into: whole)
        try gradient([0, 1, 2, 5], factor: 0.8, into: parts)
        try gradient([6], factor: 0.2, into: parts)
        #expect(TrainingGradientTests.relativeError(parts.gradient, whole.gradient) < 1e-5)
    }

    /// Fault 4: one schedule and one optimiser over all epochs.
    @Test func scheduleAndMomentsGoOnOverEpochs() throws {
        let data = try TrainingFixture.random()
        let encoder = ToyEncoder(vocabulary: TrainingFixture.vocabulary)
        let log = EventLog()
        let options = TrainingRunTests.options(1) {
            $0.steps = nil
            $0.epochs = 6
        }
        _ = try Trainer(
            queryEncoder: encoder, data: data, mode: QueryTowerMode(batch: .rows(5)), loss: ListNet(), options: options
        ) { state in
            DevelopmentResult(metric: Double(state.step), logLikelihood: 0, scale: state.scale)
        }.run(onEvent: log.add)
        let rates = log.steps.map(\.learningRate)
        #expect(rates.count == 18 && encoder.steps == 18)
        #expect(log.steps.map(\.epoch) == (0..<18).map { $0 / 3 })
        let peak = try #require(rates.firstIndex(of: rates.max() ?? 0))
        for step in 1..<18 {
            #expect(step <= peak ? rates[step] > rates[step - 1] : rates[step] <= rates[step - 1])
        }
    }

    /// Shuffled: no epoch has the order of the one before.
    @Test func everyEpochHasItsOwnOrder() throws {
        let data = try TrainingFixture.random()
        let encoder = ToyEncoder(vocabulary: TrainingFixture.vocabulary)
        let options = TrainingRunTests.options(1) {
            $0.steps = nil
            $0.epochs = 3
        }
        _ = try Trainer(
            queryEncoder: encoder, data: data, mode: QueryTowerMode(batch: .rows(12)), loss: ListNet(), options: options
        ) { state in
            DevelopmentResult(metric: 0, logLikelihood: 0, scale: state.scale)
        }.run()
        #expect(encoder.forwarded.count == 3 && Set(encoder.forwarded).count == 3)
        // Queries 3 and 4 are one text, encoded once.
        #expect(encoder.forwarded.allSatisfy { $0.count == 11 && Set($0).count == 11 })
    }
}
