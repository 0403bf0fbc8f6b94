import Foundation
import MafinBlackBox
import MafinPipeline
import MafinRetrieval
import MafinTestSupport
import Testing

@testable import MafinComparison

@Suite struct ComparisonPlanTests {
    private let blackBox = BlackBoxIdentity(provider: "vectors", model: "stored")

    private func plan(_ change: (inout ComparisonPlan.Request) -> Void = { _ in }) -> ComparisonPlan {
        var request = ComparisonPlan.Request()
        change(&request)
        return ComparisonPlan(request, data: ["corpus.jsonl": "00"], blackBox: blackBox)
    }

    @Test func halfAnHourIsEnoughForAll() {
        let plan = plan()
        #expect(plan.contenders == ComparisonPlan.contenders && plan.seeds == [1, 2, 3] && plan.leftOut.isEmpty)
        #expect(plan.secondsEach == 1_800 * 0.85 / 18)
        #expect(ComparedSystem.all.allSatisfy { plan.wants($0.name) } && plan.wants("lambda-mafin+bm25"))
    }

    /// Seeds are dropped before methods, and the first method is never dropped.
    @Test func littleTimeLeavesSeedsOutThenMethods() {
        let less = plan { $0.seconds = 240 }
        #expect(less.seeds == [1] && less.contenders.count == 6 && less.leftOut.map(\.name) == ["seeds"])
        let least = plan { $0.seconds = 60 }
        #expect(least.contenders == [.mafin, .tunedAlone] && least.leftOut.count == 5 && least.secondsEach == 25.5)
        let one = plan {
            $0.seconds = 1
            $0.seeds = 1
        }
        #expect(one.contenders == [.mafin] && one.secondsEach > 0)
    }

    @Test func onlyWhatIsAskedForIsTrained() {
        let two = plan { $0.systems = ["bm25", "tuned-alone", "mafin"] }
        #expect(two.contenders == [.mafin, .tunedAlone] && two.secondsEach == 1_800 / 6)
        #expect(two.wants("tuned-alone") && !two.wants("tuned-alone-mixed") && !two.wants("mafin+bm25"))
        let built = plan { $0.systems = ["mafin+bm25"] }
        #expect(built.contenders == [.mafin] && built.wants("lambda-mafin+bm25") && !built.wants("black-box+bm25"))
        #expect(plan { $0.systems = ["nudge-n"] }.contenders.isEmpty)
    }

    @Test func roundsShareTheRemainingTime() {
        let plan = plan()
        // 18 trainings, and two shares for the learning curve. The overhead of a training is not known yet.
        #expect(plan.secondsOfTraining(round: 0, left: 2_000, overhead: nil) == 90)
        #expect(plan.secondsOfTraining(round: 1, left: 1_400, overhead: 20) == 80)
        #expect(plan.secondsOfTraining(round: 2, left: 240, overhead: 10) == 20)
        // The first seed is always trained, a further one only if its time is useful.
        #expect(plan.secondsOfTraining(round: 0, left: -5, overhead: nil) == ComparisonPlan.leastSeconds)
        #expect(plan.secondsOfTraining(round: 2, left: 70, overhead: 5) == nil)
        let alone = self.plan { $0.systems = ["mafin"] }
        #expect(alone.secondsOfTraining(round: 2, left: 100, overhead: 10) == 90)
    }

    @Test func anotherPlanIsToldFromTheFirstByName() {
        let first = plan()
        #expect(first.difference(from: first) == nil)
        #expect(first.difference(from: plan { $0.seeds = 2 })?.name == "--seeds")
        #expect(first.difference(from: plan { $0.metrics = [.recall(cutoff: 5)] })?.name == "--metrics")
        #expect(first.difference(from: plan { $0.facts = ["--loss": "infonce"] })?.name == "--loss")
        let other = ComparisonPlan(first.request, data: ["corpus.jsonl": "01"], blackBox: blackBox)
        #expect(first.difference(from: other)?.name == "SHA-256 of corpus.jsonl")
    }

    @Test func aFolderOfSomethingElseIsRefused() throws {
        let folder = try TemporaryFolder()
        defer { try? FileManager.default.removeItem(at: folder.url) }
        let store = ComparisonStore(folder: folder.url)
        #expect(try store.storedPlan() == nil)
        try store.write(plan())
        #expect(try store.storedPlan() == plan())
        try folder.write("{", to: "state/plan.json")
        #expect(throws: ComparisonError.self) { try store.storedPlan() }
        try folder.write("x", to: "other/notes.txt")
        #expect(throws: ComparisonError.self) {
            try ComparisonStore(folder: folder.url.appendingPathComponent("other")).storedPlan()
        }
    }
}
