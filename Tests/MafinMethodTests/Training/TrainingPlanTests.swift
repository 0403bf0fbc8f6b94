import Foundation
import Testing

@testable import MafinMethod

@Suite struct TrainingPlanTests {
    @Test func linearScheduleWarmsUpAndFallsOverTheWholeRun() {
        var options = TrainingOptions()
        options.steps = 200
        options.warmupFraction = 0.1
        let plan = RunPlan.bySteps(options: options, stepsPerEpoch: 7)
        #expect(plan.totalSteps == 200 && plan.warmupSteps == 20 && plan.evaluateEvery == 17)
        let levels = (0..<200).map { plan.level(step: $0) }
        #expect(levels[0] == 0.05 && levels[19] == 1 && levels[20] == 1)
        #expect(abs(levels[110] - 0.5) < 1e-9)
        #expect(abs(levels[199] - 1.0 / 180) < 1e-9)
        // No restart at an epoch's end.
        for step in 21..<200 { #expect(levels[step] < levels[step - 1]) }
        #expect(plan.evaluates(after: 200) && plan.evaluates(after: 17) && !plan.evaluates(after: 18))
    }

    @Test func otherShapes() {
        var options = TrainingOptions()
        options.epochs = 4
        options.warmupFraction = 0
        options.minimumWarmupSteps = 0
        options.decay = .cosine
        let plan = RunPlan.bySteps(options: options, stepsPerEpoch: 25)
        #expect(plan.totalSteps == 100 && plan.level(step: 0) == 1)
        #expect(abs(plan.level(step: 50) - 0.5) < 1e-9)
        #expect(abs(plan.level(step: 25) - (1 + cos(Double.pi / 4)) / 2) < 1e-9)
        options.decay = .constant
        #expect(RunPlan.bySteps(options: options, stepsPerEpoch: 25).level(step: 99) == 1)
        options.steps = 30
        #expect(RunPlan.bySteps(options: options, stepsPerEpoch: 25).totalSteps == 30)
        #expect(RunPlan.bySteps(options: TrainingOptions(), stepsPerEpoch: 25).totalSteps == 500)
    }

    static func plan(
        _ costs: RunPlan.Costs, time: Double = 100, elapsed: Double = 0,
        _ change: (inout TrainingOptions) -> Void = { _ in }
    ) -> RunPlan {
        var options = TrainingOptions()
        options.time = time
        change(&options)
        return RunPlan.byTime(options: options, stepsPerEpoch: 41, done: 5, elapsed: elapsed, costs: costs)
    }

    @Test func timeIsSplitBetweenStepsAndEvaluations() {
        let options = TrainingOptions()
        // 12 evaluations and 3 means of .5 s take 7.5 of 100 s, which leaves 92.5 s for steps of .1 s.
        let plan = Self.plan(.init(stepSeconds: 0.1, evaluationSeconds: 0.5, means: 3))
        #expect(plan.totalSteps == 5 + 925 && plan.evaluateEvery == 78)
        #expect(plan.outside == .init(sample: nil, means: 3, mineEvery: 1))
        // Five pieces of work of 2 s fit into a tenth of the time: four evaluations and one mean.
        let dear = Self.plan(.init(stepSeconds: 0.1, evaluationSeconds: 2, means: 3))
        #expect(dear.totalSteps == 5 + 900 && dear.evaluateEvery == 227 && dear.outside.means == 1)
        // What the start took, what the caller does at the end, and the last checkpoint come off the tenth.
        let late = Self.plan(
            .init(
                stepSeconds: 0.1, evaluationSeconds: 2, spentSeconds: 1, checkpointSeconds: 0.5, endSeconds: 2, means: 3
            ))
        // 100 s hold one last checkpoint and three others, at 30 s each: 10 − 1 − 2 − 2 = 5 s for evaluations.
        #expect(late.outside.means == 0 && late.evaluateEvery == (5 + 920 + 1) / 2)
        #expect(late.totalSteps == 5 + 920)
        // The last state is evaluated even where that takes longer than allowed.
        let scarce = Self.plan(.init(stepSeconds: 0.1, evaluationSeconds: 30, means: 3))
        #expect(scarce.totalSteps == 5 + 700 && scarce.evaluateEvery == 705 && scarce.outside.means == 0)
        // The warm-up continues from the level of the measured steps, without a jump.
        #expect(plan.warmupSteps == 47)
        #expect(abs(RunPlan.unplannedLevel(step: 4, options: options) - 0.5) < 1e-12)
        #expect(plan.level(step: 5) > 0.5 && plan.level(step: 5) < 0.52)
        #expect(plan.level(step: 46) == 1 && plan.level(step: 47) == 1 && plan.level(step: 48) < 1)
        // If no time is left, one more step is made, to end cleanly.
        let none = Self.plan(.init(stepSeconds: 0.1, evaluationSeconds: 10), elapsed: 103)
        #expect(none.totalSteps == 6)
    }

    /// 1,100 queries whose evaluation takes 8 s, as on a help desk with long questions.
    @Test func evaluationsMeasureASampleWhereThatAllowsTwiceAsMany() {
        func plan(_ time: Double, sampling: Bool = true) -> RunPlan {
            Self.plan(
                .init(
                    stepSeconds: 1, evaluationSeconds: 8, means: 3, developmentQueries: sampling ? 1_100 : nil),
                time: time)
        }
        // 24 s hold three evaluations of all queries. Less one of them at the end, they hold 15 of (24 − 8) / 15 s: 146
        // queries.
        #expect(plan(240).outside == .init(sample: 146, means: 3))
        // 16 s hold two of all queries, or eight of the least sample (128 queries, .93 s): six evaluations and two means.
        #expect(plan(160).outside == .init(sample: 128, means: 2))
        #expect(plan(160).evaluateEvery == (plan(160).totalSteps + 5) / 6)
        #expect(plan(240, sampling: false).outside == .init(sample: nil, means: 0))
        // 60 s hold seven of all queries, or 15 of (60 − 8) / 15 s: 476 queries.
        #expect(plan(600).outside == .init(sample: 476, means: 3))
        // 96 s hold twelve of all queries. No sample allows twice as many.
        #expect(plan(960).outside == .init(sample: nil, means: 3))
        // 120 s hold all that is wanted.
        #expect(plan(1_200).outside == .init(sample: nil, means: 3))
        // 8 s hold the last evaluation of all queries, and nothing else.
        #expect(plan(80).outside == .init(sample: nil, means: 0) && plan(80).evaluateEvery == plan(80).totalSteps)
    }

    /// Whatever the costs are, what is planned outside the updates is at most a tenth, give or take an update, and the
    /// time is kept.
    @Test(arguments: [30, 100, 600, 3_600.0], [0.02, 0.5, 3]) func aTenthIsSpentOutsideTheUpdates(
        time: Double, evaluation: Double
    ) {
        for (limit, mining) in [(nil, 0), (500, 0), (nil, 1.5)] as [(Int?, Double)] {
            let costs = RunPlan.Costs(
                stepSeconds: 0.2, evaluationSeconds: evaluation, miningSeconds: mining, spentSeconds: 0.5,
                checkpointSeconds: 0.1, endSeconds: 0.2, means: 3, developmentQueries: 1_000)
            // The start and five updates are over.
            let plan = Self.plan(costs, time: time, elapsed: 1.5) { $0.steps = limit }
            let each = evaluation * Double(plan.outside.sample ?? 1_000) / 1_000
            let steps = Double(plan.totalSteps) * 0.2
            let evaluations = (plan.totalSteps + plan.evaluateEvery - 1) / plan.evaluateEvery
            let epochs = (plan.totalSteps + 40) / 41
            let outside =
                Double(evaluations + plan.outside.means) * each + (plan.outside.sample == nil ? 0 : evaluation)
                + Double((epochs - 1) / plan.outside.mineEvery) * mining + 0.5 + 0.2 + 0.1
            #expect(steps + outside <= time + 1e-6, "\(plan)")
            #expect(outside <= 0.1 * (steps + outside) + 0.2 || evaluations == 1, "\(plan)")
        }
    }

    @Test func miningIsRarerWhereItIsDear() {
        // 900 steps of .1 s are 22 epochs. Half of 10 s holds two minings of 2 s beside the first one.
        let plan = Self.plan(.init(stepSeconds: 0.1, evaluationSeconds: 0.1, miningSeconds: 2, means: 3))
        #expect(plan.outside.mineEvery == 8)
        #expect(Self.plan(.init(stepSeconds: 0.1, evaluationSeconds: 0.1, miningSeconds: 0.1)).outside.mineEvery == 1)
        // Without time for another one, the first mining serves all epochs.
        #expect(Self.plan(.init(stepSeconds: 0.1, evaluationSeconds: 0.1, miningSeconds: 50)).outside.mineEvery == 22)
    }

    @Test func optionsSurviveJSON() throws {
        var options = TrainingOptions()
        options.bankRefresh = .whenStale(drift: 0.1)
        options.scale = .given(.paper)
        options.form = .norm
        options.time = 600
        options.learningRate = 3.3e-5
        let copy = try JSONDecoder().decode(TrainingOptions.self, from: try JSONEncoder().encode(options))
        #expect(copy == options)
    }

    @Test func optionsOutOfRangeAreNamed() {
        func message(_ change: (inout TrainingOptions) -> Void) -> String {
            var options = TrainingOptions()
            change(&options)
            do {
                try options.validate()
                return ""
            } catch {
                return "\(error)"
            }
        }
        #expect(message { _ in } == "")
        #expect(message { $0.learningRate = 0 } == "training option learningRate: expected a number above 0, found 0.0")
        #expect(message { $0.learningRate = .nan }.contains("learningRate"))
        #expect(message { $0.dropout = 1 }.contains("dropout"))
        #expect(message { $0.patience = 0 }.contains("patience"))
        #expect(message { $0.bankRefresh = .everySteps(0) }.contains("bankRefresh"))
        #expect(message { $0.time = -1 }.contains("time"))
        #expect(
            message {
                $0.minedPerQuery = 0; $0.randomCandidates = 0
            }.contains("at least 1 candidate"))
    }
}
