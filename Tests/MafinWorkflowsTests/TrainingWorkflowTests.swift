import MafinEncoder
import MafinMethod
import MafinPipeline
import Testing

@testable import MafinWorkflows

@Suite struct TrainingWorkflowTests {
    private func plan(seconds: Double, standIn: Bool?) -> TrainingWorkflow.Plan {
        TrainingWorkflow.Plan(
            contenders: [.mafin], mode: .query, modeReason: "", secondsEach: seconds, trainsStandIn: standIn,
            encoder: .init(weights: "hash", trained: TrainedPart()), form: .querySided)
    }

    /// A stand-in takes a third of the time. The message names the flag, and not only the seconds that follow from it.
    @Test func aResumedTrainingNeedsItsFlags() throws {
        let interrupted = plan(seconds: 400, standIn: true)
        let found = try #require(interrupted.difference(from: plan(seconds: 600, standIn: false)))
        #expect(found.name == "--stand-in" && found.then == "given" && found.now == "not given")
        #expect(interrupted.difference(from: plan(seconds: 400, standIn: true)) == nil)
        #expect(interrupted.difference(from: plan(seconds: 500, standIn: true))?.name == "seconds a method")
        // Plans of earlier versions do not say it.
        #expect(plan(seconds: 600, standIn: nil).difference(from: plan(seconds: 600, standIn: false)) == nil)
    }
}
