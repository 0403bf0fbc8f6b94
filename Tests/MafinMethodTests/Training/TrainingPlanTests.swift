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

    @Test func timeIsSplitBetweenStepsAndEvaluations() {
        let options = TrainingOptions()
        // 12 evaluations of .5 s take 6 of 100 s, which leaves 94 s for steps of .1 s.
        let plan = RunPlan.byTime(
            options: options, stepsPerEpoch: 41, done: 5, remaining: 100, stepSeconds: 0.1, evaluationSeconds: 0.5)
        #expect(plan.totalSteps == 5 + 940)
        #expect(plan.evaluateEvery == 79)
        // Two evaluations of 10 s fit into a fifth of the time.
        let dear = RunPlan.byTime(
            options: options, stepsPerEpoch: 41, done: 5, remaining: 100, stepSeconds: 0.1, evaluationSeconds: 10)
        #expect(dear.totalSteps == 5 + 800 && dear.evaluateEvery == 403)
        // The warm-up continues from the level of the measured steps, without a jump.
        #expect(plan.warmupSteps == 47)
        #expect(abs(RunPlan.unplannedLevel(step: 4, options: options) - 0.5) < 1e-12)
        #expect(plan.level(step: 5) > 0.5 && plan.level(step: 5) < 0.52)
        #expect(plan.level(step: 46) == 1 && plan.level(step: 47) == 1 && plan.level(step: 48) < 1)
        // If no time is left, one more step is made, to end cleanly.
        let none = RunPlan.byTime(
            options: options, stepsPerEpoch: 41, done: 5, remaining: -3, stepSeconds: 0.1, evaluationSeconds: 10)
        #expect(none.totalSteps == 6)
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
