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

    @Test func everythingMayBeMadeUnlessSystemsAreNamed() {
        let plan = plan()
        #expect(plan.contenders == ComparisonPlan.contenders && plan.seeds == [1, 2, 3])
        #expect(ComparedSystem.all.allSatisfy { plan.wants($0.name) } && plan.wants("lambda-mafin+bm25"))
    }

    @Test func onlyWhatIsAskedForIsTrained() {
        let two = plan { $0.systems = ["bm25", "tuned-alone", "mafin"] }
        #expect(two.contenders == [.mafin, .tunedAlone])
        #expect(two.wants("tuned-alone") && !two.wants("tuned-alone-mixed") && !two.wants("mafin+bm25"))
        let built = plan { $0.systems = ["mafin+bm25"] }
        #expect(built.contenders == [.mafin] && built.wants("lambda-mafin+bm25") && !built.wants("black-box+bm25"))
        #expect(plan { $0.systems = ["nudge-n"] }.contenders.isEmpty)
    }

    /// The rule with its numbers where no stand-in is trained: 60 % shared by the seeds, or as many seeds as can make four passes in 85 % of the time
    /// without that of adapters, or one training.
    @Test func secondsOfATraining() {
        let all = plan { $0.leavesOutStandIn = true }
        func seconds(_ plan: ComparisonPlan, _ left: Double, _ reserve: Double, _ pass: Double?) -> Double {
            plan.secondsOfTraining(left: left, reserve: reserve, secondsPerPass: pass)
        }
        #expect(abs(seconds(all, 1_650, 50, 10) - 0.6 * 1_500 / 3) < 1e-9)
        #expect(abs(seconds(all, 1_650, 50, 90) - (0.85 * 1_600 - 270) / 3) < 1e-9)
        #expect(abs(seconds(all, 1_650, 50, 110) - (0.85 * 1_600 - 270) / 2) < 1e-9)
        #expect(abs(seconds(all, 1_650, 50, 150) - 0.85 * 1_600) < 1e-9)
        #expect(abs(seconds(all, 400, 40, nil) - 0.7 * 0.85 * 360) < 1e-9)
        #expect(seconds(all, 20, 40, 1) == 0)
        // Systems that are named are all trained, and nothing else is.
        let two = plan { $0.systems = ["mafin", "tuned-alone"] }
        #expect(abs(seconds(two, 1_800, 0, 1) - 0.9 * 1_800 / 6) < 1e-9)
        #expect(all.secondsEach == 360 && abs(two.secondsEach - 270) < 1e-9)
    }

    /// With a stand-in for each seed, half as long as an encoder's training: 75 % shared, and 20 seconds set aside.
    @Test func secondsOfATrainingBesideAStandIn() {
        let all = plan()
        func seconds(_ left: Double, _ reserve: Double, _ pass: Double?) -> Double {
            all.secondsOfTraining(left: left, reserve: reserve, secondsPerPass: pass)
        }
        #expect(abs(seconds(1_650, 50, 10) - 0.75 * 1_500 / 4.5) < 1e-9)
        #expect(abs(seconds(1_650, 50, 89) - (0.85 * 1_580 - 270) / 3) < 1e-9)
        #expect(abs(seconds(1_650, 50, 150) - 0.85 * 1_580) < 1e-9)
        #expect(all.secondsOfStandIn(beside: 250) == 125 && all.secondsEach == 300)
        let alone = plan { $0.systems = ["mafin-offline"] }
        #expect(alone.contenders.isEmpty && alone.wantsStandIn)
        #expect(alone.secondsOfStandIn(beside: nil) == 0.8 * 1_800 / 3)
    }

    @Test func anotherPlanIsToldFromTheFirstByName() {
        let first = plan()
        #expect(first.difference(from: first) == nil)
        #expect(first.difference(from: plan { $0.seeds = 2 })?.name == "--seeds")
        #expect(first.difference(from: plan { $0.metrics = [.recall(cutoff: 5)] })?.name == "--metrics")
        #expect(first.difference(from: plan { $0.leavesOutStandIn = true })?.name == "--no-stand-in")
        #expect(first.difference(from: plan { $0.newDocuments = 0.5 })?.name == "--new-documents")
        #expect(first.difference(from: plan { $0.facts = ["--loss": "infonce"] })?.name == "--loss")
        #expect(first.difference(from: plan { $0.language = .german })?.name == "--language")
        // Plans of earlier versions name no language.
        #expect(first.difference(from: plan { $0.language = .english }) == nil)
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
