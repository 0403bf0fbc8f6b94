import MafinBlackBox
import MafinPipeline
import MafinRetrieval
import Testing

@testable import MafinComparison

/// What is made in which order, from made-up times.
@Suite struct ComparisonScheduleTests {
    typealias Step = ComparisonSchedule.Step

    /// Made-up times. A training ends after ten passes, as the query tower's does.
    struct World {
        var secondsPerPass = 90.0
        var estimate: Double? = 60
        /// Seconds after a training's last step.
        var overhead = 20.0
        var rival = 3.0
        var composition = 25.0
        var adapter = 60.0
        var failing: Set<Contender> = []
        /// The difference of each variant to Mafin on dev. The standard error of a difference is .005.
        var gains: [Contender: Double] = [:]

        func measure(_ step: Step, seconds: Double) -> ComparisonSchedule.Measured {
            switch step {
            case .rival(let name):
                return .init(seconds: name == "composition-without-encoder" ? composition : rival)
            case .derived(let name, _, _):
                return .init(seconds: 1.3 * (name == ComparedSystem.composition ? composition : rival))
            case .standIn:
                return .init(seconds: seconds + 1.3 * composition)
            case .adapter:
                return .init(
                    seconds: min(seconds, adapter),
                    failure: seconds < adapter ? "It could not be fitted in the time that was left." : nil)
            case .training(let contender, _):
                if failing.contains(contender) { return .init(seconds: 5, failure: "The loss was not finite.") }
                return .init(
                    seconds: min(seconds, 10 * secondsPerPass) + overhead, secondsPerPass: secondsPerPass,
                    development: .init(mean: 0.6 + (gains[contender] ?? 0), values: values(of: contender)))
            }
        }

        /// 400 values. Those of variants differ from Mafin's by ±.1.
        private func values(of contender: Contender) -> [Double] {
            (0..<400).map { contender == .mafin ? 0.6 : 0.6 + ($0.isMultiple(of: 2) ? 0.1 : -0.1) }
        }
    }

    struct Result: Equatable {
        var made: [Step] = []
        var seconds: [Step: Double] = [:]
        var leftOut: [Step: String] = [:]
        var spent = 0.0
    }

    private func plan(
        _ seconds: Double, _ systems: [String]? = nil, seeds: Int = 3, standIn: Bool = true
    ) -> ComparisonPlan {
        var request = ComparisonPlan.Request()
        request.leavesOutStandIn = standIn ? nil : true
        (request.seconds, request.systems, request.seeds) = (seconds, systems, seeds)
        return ComparisonPlan(
            request, data: [:], blackBox: BlackBoxIdentity(provider: "vectors", model: "stored"))
    }

    /// - Parameter trainingSeconds: the recorded time of a training, in a resumed comparison.
    private func run(_ plan: ComparisonPlan, _ world: World = World(), trainingSeconds: Double? = nil) -> Result {
        var schedule = ComparisonSchedule(plan, spent: 12)
        schedule.estimatedSecondsPerPass = world.estimate
        schedule.trainingSeconds = trainingSeconds
        var result = Result()
        while let decision = schedule.next() {
            switch decision {
            case .leaveOut(let step, let reason):
                schedule.leaveOut(step, reason: reason)
                result.leftOut[step] = reason
            case .make(let step, let seconds):
                if case .training = step { schedule.trainingSeconds = schedule.trainingSeconds ?? seconds }
                schedule.record(world.measure(step, seconds: seconds), of: step)
                result.made.append(step)
                result.seconds[step] = seconds
            }
        }
        result.spent = schedule.spent
        return result
    }

    private func names(_ kind: ComparedSystem.Kind) -> [String] {
        ComparedSystem.all.filter { $0.kind == kind }.map(\.name)
    }

    /// Eight minutes, two cores, 4,400 training queries: everything cheap, one full training, what is built on it.
    @Test func eightMinutesOfAHelpDesk() throws {
        let result = run(plan(480))
        let derived = names(.derived).map { Step.derived($0, .mafin, 1) }
        let first = names(.rival).map(Step.rival) + [.training(.mafin, 1)] + derived + [.standIn(1)]
        #expect(Array(result.made.prefix(first.count)) == first)
        #expect(try #require(result.seconds[.standIn(1)]) >= 20)
        // The larger part of the time: three passes of 90 seconds, although a pass was estimated too fast.
        #expect(try #require(result.seconds[.training(.mafin, 1)]) >= 270)
        #expect(result.spent <= 480)
        #expect(result.leftOut[.training(.mafin, 2)] != nil)
        for step in derived { #expect(result.leftOut[step] == nil) }
        let variants = ComparisonPlan.contenders.dropFirst().map { Step.training($0, 1) }
        #expect(variants.allSatisfy { result.leftOut[$0] != nil })
    }

    /// If the first training takes longer than it should, what is built on it is tried all the same.
    @Test func whatIsBuiltOnTheFirstTrainingIsAlwaysTried() {
        var world = World()
        world.overhead = 150
        let result = run(plan(480), world)
        #expect(names(.derived).allSatisfy { result.made.contains(.derived($0, .mafin, 1)) })
    }

    /// Half an hour, and passes of ten seconds: seeds, then variants. A variant that repeats Mafin's result, or is
    /// worse, gets one seed; one that is better gets all, and systems are built on it too.
    @Test func halfAnHour() throws {
        var world = World()
        (world.secondsPerPass, world.estimate) = (10, 8)
        world.gains = [.lambdaMafin: 0.03, .paperMafin: -0.03, .hybridMafin: 0.001, .tunedAlone: -0.004]
        let result = run(plan(3_600), world)
        let trainings = result.made.filter { if case .training = $0 { true } else { false } }
        #expect(
            trainings == [
                .training(.mafin, 1), .training(.mafin, 2), .training(.mafin, 3), .training(.tunedAlone, 1),
                .training(.lambdaMafin, 1), .training(.paperMafin, 1), .training(.hybridMafin, 1),
                .training(.normMafin, 1), .training(.lambdaMafin, 2), .training(.lambdaMafin, 3),
            ])
        // All trainings have the same time.
        #expect(Set(trainings.map { result.seconds[$0] }).count == 1)
        #expect(result.made.contains(.derived("lambda-mafin+bm25", .lambdaMafin, 3)))
        #expect(result.made.contains(.derived("composition", .mafin, 3)))
        #expect(!result.made.contains(.derived("composition", .lambdaMafin, 1)))
        let reason = try #require(result.leftOut[.training(.hybridMafin, 2)])
        #expect(reason.hasPrefix("On dev it does not differ from mafin (+0.0010, p "))
        #expect(result.leftOut[.training(.paperMafin, 3)]?.hasPrefix("On dev it is worse than mafin") == true)
        // Adapters: the first seed before further trainings, the others last.
        let adapters = names(.adapter)
        let place = { (step: Step) in result.made.firstIndex(of: step) ?? .max }
        #expect(place(.adapter(adapters[2], 1)) < place(.training(.mafin, 2)))
        #expect(result.made.suffix(adapters.count) == adapters.map { .adapter($0, 3) })
    }

    /// Each seed has its stand-in, after what is built on its encoder. None learns longer than an encoder did.
    @Test func standInsFollowTheirSeeds() throws {
        var world = World()
        (world.secondsPerPass, world.estimate) = (10, 8)
        let result = run(plan(3_600), world)
        let place = { (step: Step) in result.made.firstIndex(of: step) ?? .max }
        for seed: UInt64 in [1, 2, 3] {
            #expect(place(.standIn(seed)) == place(.derived("composition", .mafin, seed)) + 1)
            #expect(try #require(result.seconds[.standIn(seed)]) <= 10 * world.secondsPerPass + world.overhead)
        }
        #expect(place(.standIn(1)) < place(.adapter("linear-adapter", 1)))
        // Half of an encoder's time where time ends both.
        (world.secondsPerPass, world.estimate) = (100, 100)
        let long = run(plan(7_200), world)
        let training = try #require(long.seconds[.training(.mafin, 1)])
        #expect(abs(try #require(long.seconds[.standIn(1)]) - training / 2) < 1e-9)
        let without = run(plan(7_200, standIn: false), world)
        #expect(!without.made.contains { if case .standIn = $0 { true } else { false } })
        #expect(try #require(without.seconds[.training(.mafin, 1)]) > training)
        // It needs no encoder of its own.
        #expect(run(plan(480, ["stand-in"], seeds: 2)).made == [.standIn(1), .standIn(2)])
        #expect(run(plan(10)).leftOut[.standIn(1)] == "There was no time left.")
    }

    @Test func systemsThatAreNamedAreMadeWithWhatTheyNeed() {
        let built = run(plan(480, ["mafin+bm25"], seeds: 1))
        #expect(built.made == [.training(.mafin, 1), .derived("mafin+bm25", .mafin, 1)] && built.leftOut.isEmpty)
        #expect(run(plan(480, ["nudge-n"])).made == [.rival("nudge-n")])
        // Seeds that were requested are made, even of a method that repeats another's result.
        var world = World()
        world.secondsPerPass = 1
        let two = run(plan(480, ["mafin", "tuned-alone"], seeds: 2), world)
        #expect(
            two.made == [
                .training(.mafin, 1), .training(.mafin, 2), .training(.tunedAlone, 1), .training(.tunedAlone, 2),
            ])
    }

    @Test func noTrainingBeginsThatCannotMakeAPass() throws {
        var world = World()
        world.estimate = 1_000
        let result = run(plan(480), world)
        #expect(!result.made.contains { if case .training = $0 { true } else { false } })
        let reason = try #require(result.leftOut[.training(.mafin, 1)])
        #expect(
            reason.hasPrefix("A pass over the training queries takes about 1000 seconds, and a training would have"))
        #expect(result.leftOut[.derived("composition", .mafin, 1)] == reason)
        // The first training showed that a pass takes longer than was estimated.
        (world.estimate, world.secondsPerPass) = (50, 300)
        let slow = run(plan(1_200), world)
        #expect(slow.made.contains(.training(.mafin, 1)) && !slow.made.contains(.training(.mafin, 2)))
        #expect(slow.leftOut[.training(.tunedAlone, 1)]?.contains("takes about 300 seconds") == true)
    }

    /// Other systems are built on the next method if the best fails.
    @Test func afterAFailureTheNextMethodIsTheBase() {
        var world = World()
        world.failing = [.mafin]
        let result = run(plan(480), world)
        #expect(result.made.contains(.derived("composition", .lambdaMafin, 1)))
        #expect(result.made.contains(.derived("lambda-mafin+bm25", .lambdaMafin, 1)))
        #expect(result.leftOut[.training(.mafin, 2)] == "The loss was not finite.")
    }

    @Test func withoutTimeEverythingIsNamed() {
        let result = run(plan(10))
        #expect(result.made.isEmpty)
        let rivals = names(.rival).map(Step.rival)
        #expect(rivals.allSatisfy { result.leftOut[$0] == "Cheaper systems used up the time." })
        #expect(result.leftOut[.training(.mafin, 1)] != nil && result.leftOut[.adapter("linear-adapter", 1)] != nil)
    }

    /// A resumed comparison knows the time of a training from its record, and decides the same.
    @Test func aResumedComparisonDecidesTheSame() {
        for seconds in [240.0, 480, 1_800, 7_200] {
            let plan = plan(seconds)
            let first = run(plan)
            #expect(run(plan, trainingSeconds: first.seconds[.training(.mafin, 1)]) == first)
        }
    }
}
