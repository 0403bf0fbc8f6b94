import Testing

@testable import MafinMethod

@Suite struct TrainingInterpolationTests {
    /// A run of three updates, an evaluation after each, then one for each share.
    private func run(
        metrics: [Double] = [0.1, 0.2, 0.4, 0.3, 0.35, 0.5], likelihoods: [Double], shares: [Float],
        selection: TrainingOptions.Selection = .metric, mode: any TrainingMode = QueryTowerMode()
    ) throws -> (outcome: TrainingOutcome, encoder: ToyEncoder, seen: [[Float]]) {
        let encoder = ToyEncoder(vocabulary: TrainingFixture.vocabulary)
        var seen: [[Float]] = []
        let outcome = try Trainer(
            queryEncoder: encoder, data: try TrainingFixture.random(), mode: mode, loss: ListNet(),
            options: TrainingRunTests.options(3) {
                $0.evaluateEvery = 1
                $0.trainedShares = shares
                $0.selection = selection
            }
        ) { state in
            defer { seen.append(encoder.parameters) }
            return DevelopmentResult(
                metric: metrics[seen.count], logLikelihood: likelihoods[seen.count], scale: state.scale)
        }.run()
        return (outcome, encoder, seen)
    }

    @Test func theMeanOfTheBestMetricIsKept() throws {
        let (outcome, encoder, seen) = try run(likelihoods: [-4, -3, -2, -3, -1, -1.5], shares: [0.75, 0.25])
        #expect(outcome.best.step == 2 && outcome.trainedShare == 0.25)
        #expect(outcome.best.result.metric == 0.5 && outcome.best.result.logLikelihood == -1.5)
        // Of the best state (after update 2), not of the last one.
        let expected = zip(seen[2], seen[0]).map { 0.25 * $0 + 0.75 * $1 }
        for (value, wanted) in zip(encoder.parameters, expected) { #expect(abs(value - wanted) < 1e-6) }
        #expect(seen[2] != seen[0] && outcome.history.count == 4)
    }

    /// A mean with a higher likelihood but a worse metric than the best state is not kept.
    @Test func aMeanWithAHigherLikelihoodButAWorseMetricIsNotKept() throws {
        let (outcome, encoder, seen) = try run(
            metrics: [0.30, 0.31, 0.36, 0.35, 0.29], likelihoods: [-2.1, -2.05, -2, -2.2, -1.9], shares: [0.5])
        #expect(outcome.trainedShare == 1 && outcome.best.result.metric == 0.36 && encoder.parameters == seen[2])
        // Of equal metrics the mean with the higher likelihood is kept, as for all states.
        let equal = try run(
            metrics: [0.30, 0.31, 0.36, 0.35, 0.36], likelihoods: [-2.1, -2.05, -2, -2.2, -1.9], shares: [0.5])
        #expect(equal.outcome.trainedShare == 0.5)
    }

    @Test func likelihoodChoosesWhereItIsTheSelection() throws {
        let found = try run(likelihoods: [-4, -3, -2, -3, -1, -1.5], shares: [0.75, 0.25], selection: .likelihood)
        #expect(found.outcome.trainedShare == 0.75 && found.outcome.best.result.logLikelihood == -1)
    }

    @Test func trainedWeightsAreKeptIfNoMeanIsBetter() throws {
        let (outcome, encoder, seen) = try run(likelihoods: [-4, -3, -2, -3, -2, .nan], shares: [0.75, 0.25])
        #expect(outcome.trainedShare == 1 && outcome.best.result.metric == 0.4)
        #expect(encoder.parameters == seen[2])
    }

    @Test func noInterpolationIfTheDocumentEncoderIsTrained() throws {
        let (outcome, _, seen) = try run(
            likelihoods: [-4, -3, -2, -3, 0, 0], shares: [0.75], mode: PairMode(batch: .rows(4)))
        #expect(seen.count == 4 && outcome.trainedShare == 1)
    }

    @Test func sharesOutOfRangeAreRefused() {
        for share: Float in [0, 1, -0.5, .nan] {
            var options = TrainingOptions()
            options.trainedShares = [share]
            #expect(throws: TrainingError.self) { try options.validate() }
        }
    }
}
