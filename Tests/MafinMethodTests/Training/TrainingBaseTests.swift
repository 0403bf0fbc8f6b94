import Foundation
import MafinNumerics
import Testing

@testable import MafinMethod

/// Training beside any frozen scores.
@Suite struct TrainingBaseTests {
    /// The black box's scores as a base that computes them when asked.
    private static func blackBox(_ data: TrainingData<ToyInputs>) -> TrainingBase {
        let (queries, documents) = (data.blackBoxQueries, data.blackBoxDocuments)
        return TrainingBase(name: "the black box again", identity: "1") {
            Matrix.multiply(queries.selecting(rows: $0), transposed: documents)
        }
    }

    private static func run(
        _ kind: TrainingResumeTests.Kind, data: TrainingData<ToyInputs>, base: TrainingBase?, bytes: Int = 1 << 20,
        scale: ScaleStart
    ) throws -> (outcome: TrainingOutcome, weights: [[Float]]) {
        var options = TrainingResumeTests.options(kind)
        options.scoreByteBudget = bytes
        options.scale = scale
        let life = try TrainingResumeTests.life(kind, folder: nil, options: options, data: data, base: base)
        return (try life.trainer.run(), life.weights)
    }

    /// In memory, or block by block where the bytes hold one row of scores.
    @Test(arguments: TrainingResumeTests.Kind.allCases, [1 << 20, 400])
    func aBaseOfTheBlackBoxsScoresChangesNothing(kind: TrainingResumeTests.Kind, bytes: Int) throws {
        let data = try TrainingFixture.jargon()
        let expected = try Self.run(kind, data: data, base: nil, bytes: bytes, scale: .calibrated)
        let found = try Self.run(kind, data: data, base: Self.blackBox(data), bytes: bytes, scale: .calibrated)
        #expect(TrainingResumeTests.figures(found.outcome) == TrainingResumeTests.figures(expected.outcome))
        #expect(found.weights == expected.weights)
    }

    /// Documents that all score the same in the base are ranked by the encoder alone.
    @Test func theBaseReplacesTheBlackBox() throws {
        let data = try TrainingFixture.random()
        let flat = TrainingBase(name: "flat", queries: Array(0..<17), scores: Matrix(rows: 17, columns: 14))
        let evaluator = try DevelopmentEvaluator(data: data, byteBudget: 1 << 20, base: flat)
        let encoder = ToyEncoder(vocabulary: TrainingFixture.vocabulary)
        let result = try evaluator.evaluate(
            DevelopmentState(
                step: 0,
                queries: LocalForm.unit.prepare(
                    try encoder.embed(data.queries.selecting(rows: data.index.devQueries))),
                documents: LocalForm.unit.prepare(try encoder.embed(data.documents)), scale: .paper, form: .norm))
        #expect(result.metric == result.figures["local"] && result.figures["fitted"] == 0)
        let given = ScaleStart.given(MixtureWeights(lambda: 0.5, temperature: 0.1))
        let weights = try Self.run(.query, data: data, base: flat, scale: given).weights
        #expect(try weights != Self.run(.query, data: data, base: nil, scale: given).weights)
    }

    @Test func scoresOfABaseComeByQueryAndDocument() throws {
        let values = TrainingFixture.vectors(3, 14, seed: 5)
        let base = TrainingBase(name: "three", queries: [9, 2, 5], scores: values)
        for bytes in [1 << 20, 0] {
            let all = FrozenScores(
                queries: [2, 9], documents: nil, documentCount: 14, base: base, byteBudget: bytes)
            let some = FrozenScores(
                queries: [2, 9], documents: [13, 0, 4], documentCount: 14, base: base, byteBudget: bytes)
            #expect(all.isCached == (bytes > 0) && some.isCached == (bytes > 0))
            #expect(all.block(queries: [9, 2]) == values.selecting(rows: [0, 1]))
            #expect(all.block(queries: [2], columns: [7, 3]).values == [values[1, 7], values[1, 3]])
            #expect(some.block(queries: [9]).values == [values[0, 13], values[0, 0], values[0, 4]])
            #expect(some.block(queries: [9], columns: [2, 0]).values == [values[0, 4], values[0, 13]])
        }
    }

    @Test func anotherBaseIsRefused() throws {
        let data = try TrainingFixture.random()
        let blackBox = Self.blackBox(data)
        let scores = TrainingFixture.vectors(17, 14, seed: 6)
        func base(_ name: String, _ scores: Matrix) -> TrainingBase {
            TrainingBase(name: name, queries: Array(0..<17), scores: scores)
        }
        let scratch = try ScratchFolder()
        func message(_ base: TrainingBase?) throws -> String {
            do {
                _ = try TrainingResumeTests.life(.query, folder: scratch.url, base: base).trainer.run(resume: true)
                return ""
            } catch {
                return "\(error)"
            }
        }
        _ = try TrainingResumeTests.life(.query, folder: scratch.url, base: base("bm25", scores)).trainer.run()
        #expect(try message(base("bm25", scores)) == "")
        var other = scores
        other[16, 13] += 1
        #expect(
            try message(base("bm25", other)).contains(
                "expected a run beside these scores of bm25, found one beside other scores of that name"))
        #expect(try message(nil).contains("expected a run beside the black box, found one beside bm25"))
        #expect(try message(blackBox).contains("a run beside the black box again, found one beside bm25"))
    }
}
