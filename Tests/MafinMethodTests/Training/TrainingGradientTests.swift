import Foundation
import MafinNumerics
import Testing

@testable import MafinMethod

/// The gradient of whole steps (loss ∘ head ∘ normalisation ∘ encoder), compared with central differences of the loss.
@Suite struct TrainingGradientTests {
    enum Kind: String, CaseIterable {
        case query, block, blockWithoutBank, pair, mined, towers
    }

    struct Setup {
        var data: TrainingData<ToyInputs>
        var query: ToyEncoder
        var document: ToyEncoder?
        var engine: StepEngine<ToyEncoder>
        var step: TrainingStep
        var bank: DocumentBank
    }

    static func setup(
        _ kind: Kind, form: LocalForm, loss: any Loss, base: TrainingBase? = nil
    ) throws -> Setup {
        let data = try TrainingFixture.random()
        let query = ToyEncoder(vocabulary: TrainingFixture.vocabulary)
        let document = kind == .towers ? ToyEncoder(vocabulary: TrainingFixture.vocabulary, seed: 8) : nil
        let index = data.index
        let engine = StepEngine(
            queryEncoder: query, documentEncoder: document, data: data,
            scores: data.frozenScores(of: index.trainQueries, base: base, byteBudget: 1 << 20), loss: loss)
        // A stale bank, from an encoder with other weights.
        let stale = try ToyEncoder(vocabulary: TrainingFixture.vocabulary, seed: 9).embed(data.documents)
        let queries = [0, 1, 3, 4, 7]
        let plan = StepPlan(queries: queries, documents: [11, 2, 5, 12])
        let step: TrainingStep
        switch kind {
        case .query: step = StepPlan(queries: queries).againstCorpus(index)
        case .block, .towers: step = plan.againstCorpus(index)
        case .blockWithoutBank:
            let known = Set(queries.flatMap { index.labels[$0].map(\.column) }).sorted()
            step = StepPlan(queries: queries, documents: known).againstDocuments(index)
        case .pair:
            let targets = queries.map { index.labels[$0][0].column }
            step = StepPlan(queries: queries, targets: targets, documents: targets).againstDocuments(index)
        case .mined:
            let others = queries.flatMap { index.labels[$0].map(\.column) } + [0, 9, 13]
            // All that query 1 is compared with is suspect but for one document.
            step = plan.againstDocuments(
                index, others: others, mined: MinedNegatives(negatives: [1: [9]], thresholds: [1: -2]))
        }
        return Setup(
            data: data, query: query, document: document, engine: engine, step: step,
            bank: DocumentBank(rows: form.prepare(stale)))
    }

    static func value(_ setup: Setup, _ head: ScoreHead, seed: UInt64?) throws -> StepEngine<ToyEncoder>.Outcome {
        var bank = setup.bank
        return try setup.engine.run(
            setup.step, head: head, bank: &bank, seed: seed, gradientFactor: 1, wantsScale: true)
    }

    /// Central differences of every parameter of `encoder`.
    static func differences(_ encoder: ToyEncoder, _ value: () throws -> Float) throws -> [Float] {
        let step: Float = 4e-3
        return try encoder.parameters.indices.map { index in
            let kept = encoder.parameters[index]
            encoder.parameters[index] = kept + step
            let above = try value()
            encoder.parameters[index] = kept - step
            let below = try value()
            encoder.parameters[index] = kept
            return (above - below) / (2 * step)
        }
    }

    static func relativeError(_ a: [Float], _ b: [Float]) -> Float {
        var (difference, norm): (Float, Float) = (0, 0)
        for (a, b) in zip(a, b) {
            difference += (a - b) * (a - b)
            norm += b * b
        }
        return (difference / norm).squareRoot()
    }

    static func check(_ setup: Setup, _ head: ScoreHead, seed: UInt64?) throws {
        _ = try value(setup, head, seed: seed)
        let encoders = [setup.query, setup.document].compactMap { $0 }
        // Every further evaluation adds to the gradients, so they are taken first.
        for (encoder, analytic) in zip(encoders, encoders.map(\.gradient)) {
            let numeric = try differences(encoder) { try value(setup, head, seed: seed).loss }
            #expect(numeric.contains { abs($0) > 1e-3 })
            #expect(relativeError(analytic, numeric) < 3e-3)
        }
    }

    @Test(arguments: Kind.allCases) func unitForm(kind: Kind) throws {
        let head = ScoreHead(scale: MixtureWeights(blackBox: 3, local: 4), form: .unit)
        try Self.check(try Self.setup(kind, form: head.form, loss: ListNet(target: .exponentialGain)), head, seed: nil)
    }

    @Test(arguments: Kind.allCases) func normForm(kind: Kind) throws {
        let head = ScoreHead(scale: MixtureWeights(lambda: 0.5, temperature: 0.2), form: .norm(factor: 0.8))
        try Self.check(try Self.setup(kind, form: head.form, loss: ListNet(target: .exponentialGain)), head, seed: nil)
    }

    @Test(arguments: [Kind.query, .towers, .pair]) func localOnlyWithDropout(kind: Kind) throws {
        let head = ScoreHead(scale: MixtureWeights(blackBox: 0, local: 5), form: .unit)
        try Self.check(try Self.setup(kind, form: head.form, loss: InfoNCE()), head, seed: 5)
    }

    /// Beside a teacher of some columns of the queries' vectors. The query that occurs twice in the step counts once.
    @Test(arguments: [Kind.query, .towers]) func besideATeacher(kind: Kind) throws {
        var setup = try Self.setup(kind, form: .unit, loss: ListNet(target: .exponentialGain))
        let head = ScoreHead(scale: MixtureWeights(blackBox: 0, local: 4), form: .unit)
        let alone = try Self.value(setup, head, seed: nil).loss
        setup = try Self.setup(kind, form: .unit, loss: ListNet(target: .exponentialGain))
        let targets = TrainingFixture.vectors(17, 3, seed: 30)
        setup.engine.distillation = Distillation(targets: targets, weight: 2)
        try Self.check(setup, head, seed: nil)

        // The definition, written out. Queries 3 and 4 have one text.
        let queries = [0, 1, 3, 7]
        let vectors = try setup.query.embed(setup.data.queries.selecting(rows: queries))
        let expected = queries.enumerated().reduce(Float(0)) { sum, query in
            sum + 1 - (0..<3).reduce(0) { $0 + vectors[query.offset, $1] * targets[query.element, $1] }
        }
        let added = try Self.value(setup, head, seed: nil).loss - alone
        #expect(abs(added - 2 * expected / 4) < 1e-4 * max(1, abs(added)))
    }

    /// Beside scores that are no inner products of the black box's vectors.
    @Test(arguments: Kind.allCases, [LocalForm.unit, .norm(factor: 0.8)])
    func besideAnyBase(kind: Kind, form: LocalForm) throws {
        var scores = TrainingFixture.vectors(17, 14, seed: 20)
        scores.scale(by: 0.3)
        let base = TrainingBase(name: "made up", queries: Array(0..<17), scores: scores)
        let scale =
            form == .unit ? MixtureWeights(blackBox: 3, local: 4) : MixtureWeights(lambda: 0.5, temperature: 0.2)
        let head = ScoreHead(scale: scale, form: form)
        let loss = ListNet(target: .exponentialGain)
        let beside = try Self.setup(kind, form: form, loss: loss, base: base)
        try Self.check(beside, head, seed: nil)
        let blackBox = try Self.setup(kind, form: form, loss: loss)
        #expect(try Self.value(beside, head, seed: nil).loss != Self.value(blackBox, head, seed: nil).loss)
    }

    /// Columns that are gathered once give the loss and the gradient of columns that are gathered in each step.
    @Test(arguments: [LocalForm.unit, .norm(factor: 0.8)]) func fixedColumnsAreThoseOfEachStep(form: LocalForm) throws {
        let head = ScoreHead(scale: MixtureWeights(blackBox: 3, local: 4), form: form)
        let plan = StepPlan(queries: [0, 1, 3, 4, 7])
        var each = try Self.setup(.query, form: form, loss: ListNet())
        each.step = plan.againstDocuments(each.data.index, others: each.data.index.judgedDocuments)
        var once = try Self.setup(.query, form: form, loss: ListNet())
        let fixed = StepEngine<ToyEncoder>.FixedColumns(once.data.index, bank: once.bank)
        once.step = plan.againstFixedColumns(fixed.texts, once.data.index)
        once.engine = StepEngine(
            queryEncoder: once.query, documentEncoder: nil, data: once.data,
            scores: FrozenScores(
                queries: once.data.index.trainQueries, queryVectors: once.data.blackBoxQueries,
                documentVectors: once.data.blackBoxDocuments.selecting(rows: fixed.texts.rows), byteBudget: 1 << 20),
            loss: ListNet(), fixed: fixed)
        let (a, b) = (try Self.value(each, head, seed: 3), try Self.value(once, head, seed: 3))
        #expect(fixed.texts.rows.count > 5 && a.loss == b.loss && a.blackBoxScale == b.blackBoxScale)
        #expect(each.query.gradient == once.query.gradient)
    }

    /// The loops of the norm form add up in the order of the rows and columns, on however many threads.
    @Test func theNormFormIsTheSameOnAnyThreads() {
        let form = LocalForm.norm(factor: 0.7)
        let head = ScoreHead(scale: MixtureWeights(lambda: 0.5, temperature: 0.2), form: form)
        let queries = form.prepare(TrainingFixture.vectors(37, 6, seed: 1))
        let documents = form.prepare(TrainingFixture.vectors(53, 6, seed: 2))
        let (blackBox, gradient) = (
            TrainingFixture.vectors(37, 53, seed: 3), TrainingFixture.vectors(37, 53, seed: 4)
        )
        let fresh = [52, 0, 7, 8, 7] + Array(10..<40)
        var weighted = blackBox
        var queryWeights = [Float](repeating: 0, count: 37)
        var columnWeights = [Float](repeating: 0, count: 53)
        for row in 0..<37 {
            for column in 0..<53 {
                weighted[row, column] *= queries.weights[row] * documents.weights[column]
                let product = gradient[row, column] * blackBox[row, column]
                queryWeights[row] += product * documents.weights[column]
                columnWeights[column] += product * queries.weights[row]
            }
        }
        let columns = (0..<53).map { column in (0..<37).map { gradient[$0, column] } }
        for threads in [1, 2, 7] {
            Parallelism.withThreads(threads) {
                let pass = head.forward(queries: queries, documents: documents, blackBox: blackBox)
                let weights = MixtureWeights(blackBox: head.blackBoxFactor, local: head.localFactor)
                #expect(pass.logits == weights.mix(blackBox: weighted, local: pass.local))
                let found = head.backward(
                    gradient: gradient, pass: pass, queries: queries, documents: documents, freshColumns: fresh)
                #expect(found.queryWeights == queryWeights.map { head.blackBoxFactor * $0 })
                #expect(found.documentWeights == fresh.map { head.blackBoxFactor * columnWeights[$0] })
                var documentGradient = Matrix.multiply(
                    Matrix(rows: fresh.count, columns: 37, values: fresh.flatMap { columns[$0] }), queries.vectors)
                documentGradient.scale(by: head.localFactor)
                #expect(found.documents == documentGradient)
            }
        }
    }

    @Test func scaleOfTheLearnedForm() throws {
        let setup = try Self.setup(.block, form: .unit, loss: ListNet(target: .exponentialGain))
        func loss(_ scale: MixtureWeights) throws -> Float {
            try Self.value(setup, ScoreHead(scale: scale, form: .unit), seed: nil).loss
        }
        let scale = MixtureWeights(lambda: 0.4, temperature: 0.2)
        let outcome = try Self.value(setup, ScoreHead(scale: scale, form: .unit), seed: nil)
        let analytic = LearnedScale.gradient(
            scale: scale, blackBox: outcome.blackBoxScale, local: outcome.localScale)
        func logistic(_ x: Float) -> Float { 1 / (1 + exp(-x)) }
        let (logit, logarithm) = (log(Float(0.4 / 0.6)), log(Float(0.2)))
        let step: Float = 1e-2
        let byLogit =
            (try loss(MixtureWeights(lambda: logistic(logit + step), temperature: 0.2))
                - loss(MixtureWeights(lambda: logistic(logit - step), temperature: 0.2))) / (2 * step)
        let byTemperature =
            (try loss(MixtureWeights(lambda: 0.4, temperature: exp(logarithm + step)))
                - loss(MixtureWeights(lambda: 0.4, temperature: exp(logarithm - step)))) / (2 * step)
        #expect(abs(Float(analytic.logit) - byLogit) < 1e-3)
        #expect(abs(Float(analytic.logTemperature) - byTemperature) < 1e-3)
        #expect(abs(byLogit) > 1e-2 && abs(byTemperature) > 1e-2)
    }

    @Test func learnedScaleFollowsItsGradient() {
        var optimizer = LearnedScale(scale: MixtureWeights(lambda: 0.5, temperature: 0.1))
        // More local weight lowers the loss, more black-box weight raises it.
        for _ in 0..<50 { optimizer.update(blackBox: 1, local: -1, learningRate: 0.01) }
        #expect(optimizer.scale.lambda > 0.55)
        #expect(abs(LearnedScale(scale: MixtureWeights(lambda: 0.5, temperature: 0.1)).scale.temperature - 0.1) < 1e-6)
    }
}
