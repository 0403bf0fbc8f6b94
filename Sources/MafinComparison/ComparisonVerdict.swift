import MafinPipeline
import MafinRetrieval

/// The decision of a comparison: whether the best system that can be shipped is better than the black box alone. It
/// rests on one test that is fixed before the measured split is looked at.
///
/// The candidate is chosen on dev, among the sums of sources and the joined vectors of all trained methods. If the best
/// of them has a trained encoder, and the best without one is not significantly worse on dev, the one without is the
/// candidate, because it costs less and can do less harm. The other systems of the table, and Holm's correction there,
/// do not affect the decision.
public struct ComparisonVerdict: Sendable, Equatable, Codable {
    /// What to do. Ship: the candidate is significantly better than the black box, on queries that can speak of others. Do not ship: its
    /// mean is not above the black box. Cannot tell: anything else.
    public typealias Decision = Verdict.Decision

    /// A paired test of one system against another.
    public struct Test: Sendable, Equatable, Codable {
        /// ``ComparisonRow/name`` of the system that is tested.
        public var system: String
        /// ``ComparisonRow/name`` of the other system.
        public var other: String
        /// The system minus the other, with its uncorrected p.
        public var difference: PairedDifference
    }

    /// The gain over the black box on some of the measured queries.
    public struct Gain: Sendable, Equatable, Codable {
        /// Number of the queries.
        public var queries: Int
        /// The candidate minus the black box.
        public var difference: PairedDifference
    }

    /// What has to be computed for a query.
    public struct QueryCost: Sendable, Equatable, Codable {
        /// A request to the black box.
        public var asksBlackBox: Bool
        /// A pass through the local encoder.
        public var encodesLocally: Bool
        /// A search for its words in an inverted index (BM25).
        public var searchesWords: Bool
        /// A comparison with all remembered queries.
        public var searchesMemory: Bool

        /// The cost of a sum of sources of these kinds. With a stand-in among them nothing is asked.
        public init(_ sources: [SourceRecord.Kind]) {
            asksBlackBox = !sources.contains(.standIn) && sources.contains { $0 != .local && $0 != .bm25 }
            encodesLocally = sources.contains(.local) || sources.contains(.standIn)
            searchesWords = sources.contains(.bm25)
            searchesMemory = sources.contains(.queryMemory)
        }
    }

    /// What is lost if the black box is asked for nothing.
    public struct Offline: Sendable, Equatable, Codable {
        /// The best system on dev that asks for nothing.
        public var system: String { againstBlackBox.system }
        /// The system against the black box.
        public var againstBlackBox: Test
        /// The system against the candidate; `nil` if there is none.
        public var againstCandidate: Test?
        /// Its gain over the black box on queries whose relevant documents train and dev named; `nil` if there are too few.
        public var known: Gain?
        /// The same on the other queries; `nil` if there are too few.
        public var new: Gain?
        /// What a query costs.
        public var cost: QueryCost
    }

    /// What to do.
    public var decision: Decision
    /// The candidate against the black box. It decides.
    public var primary: Test
    /// What the trained encoder adds: the candidate against the best system on dev without one, or, if the candidate
    /// has none, the best system on dev with one against the candidate. Only systems that can be shipped count. It does
    /// not decide. `nil` if there is no such system, or if the black box alone is better on dev.
    public var secondary: Test?
    /// The gain on queries whose relevant documents train and dev named; `nil` if there are too few.
    public var known: Gain?
    /// The gain on the other queries; `nil` if there are too few.
    public var new: Gain?
    /// What a query costs.
    public var cost: QueryCost
    /// The best trained method on dev, beside the black box, against the same encoder tuned alone and mixed in
    /// afterwards, which shows what joint training adds. `nil` if one of them is missing.
    public var jointTraining: Test?
    /// What is lost if the black box is asked for nothing. It does not decide. `nil` if no such system was measured.
    public var offline: Offline?
    /// About how many measured queries would show the difference that is not significant yet; `nil` if the decision is
    /// not ``Verdict/Decision/cannotTell``, or if the difference is not above 0.
    public var queriesNeeded: Int?
    /// ``QueryPartition/tooFewNewSets`` of the measured queries. If there is one, the decision is never ``Verdict/Decision/ship``.
    public var tooFewNewSets: Int?

    /// The system that was chosen on dev.
    public var candidate: String { primary.system }

    /// Tests are significant below this p.
    public static let level = 0.05
}

extension ComparisonVerdict {
    /// The system to ship, chosen on dev; `nil` if no system can be shipped. The black box alone needs no shipping.
    public static func candidate(of outcome: ComparisonOutcome) -> String? {
        guard let best = best(of: outcome) else { return nil }
        guard hasEncoder(best, outcome), let simple = Self.best(of: outcome, withEncoder: false) else { return best }
        guard let mine = outcome.development(of: best), let other = outcome.development(of: simple) else { return best }
        return mine.minus(other).isBetter ? best : simple
    }

    /// The best system on dev that can be shipped, of all kinds or with or without a trained encoder. Of equally good
    /// systems it is the first in the order of tables.
    private static func best(of outcome: ComparisonOutcome, withEncoder: Bool? = nil) -> String? {
        outcome.systems.filter { system in
            system.name != StandardRivals.blackBoxName && !ComparedSystem.isOffline(system.name)
                && outcome.rows.contains { $0.name == system.name && $0.sources != nil }
                && (withEncoder == nil || withEncoder == hasEncoder(system.name, outcome))
        }.max { $0.development < $1.development }?.name
    }

    /// The best system on dev that asks the black box for nothing and can be shipped; `nil` if there is none.
    public static func offlineSystem(of outcome: ComparisonOutcome) -> String? {
        ComparisonStore.offlineSums(outcome.rows).first?.name
    }

    private static func hasEncoder(_ name: String, _ outcome: ComparisonOutcome) -> Bool {
        outcome.rows.contains { $0.name == name && $0.sources?.contains(.local) == true }
    }

    /// Decides.
    /// - Parameter metric: the metric that decides.
    /// - Returns: `nil` if no system can be shipped, or if the black box's row is missing.
    public init?(
        _ outcome: ComparisonOutcome, metric: Metric, bootstrap: PairedBootstrap = PairedBootstrap(),
        randomization: PairedRandomizationTest = PairedRandomizationTest()
    ) {
        func difference(
            _ name: String, minus other: String, in systems: [ComparisonOutcome.System]
        ) -> (queries: Int, difference: PairedDifference)? {
            guard name != other, let mine = systems.first(where: { $0.name == name })?.evaluation,
                let theirs = systems.first(where: { $0.name == other })?.evaluation, mine.mean.queryIds.count > 1
            else { return nil }
            return (
                mine.mean.queryIds.count,
                PairedDifference(mine, minus: theirs, in: metric, bootstrap: bootstrap, test: randomization)
            )
        }
        let systems = outcome.systems
        func test(_ name: String?, against other: String?) -> Test? {
            guard let name, let other, let found = difference(name, minus: other, in: systems) else { return nil }
            return Test(system: name, other: other, difference: found.difference)
        }
        let blackBox = StandardRivals.blackBoxName
        guard let candidate = Self.candidate(of: outcome), let primary = test(candidate, against: blackBox) else {
            return nil
        }
        let alone = outcome.development(of: blackBox)?.mean ?? 0
        let simple = Self.best(of: outcome, withEncoder: false).flatMap {
            outcome.development(of: $0)?.mean ?? 0 > alone ? $0 : nil
        }
        func gain(_ part: QueryPartition.Part, of name: String) -> Gain? {
            difference(name, minus: blackBox, in: outcome.systems(on: part)).map {
                Gain(queries: $0.queries, difference: $0.difference)
            }
        }
        func kinds(_ name: String) -> [SourceRecord.Kind] { outcome.rows.first { $0.name == name }?.sources ?? [] }
        let offline = Self.offlineSystem(of: outcome).flatMap { name in
            test(name, against: blackBox).map {
                Offline(
                    againstBlackBox: $0, againstCandidate: test(name, against: candidate),
                    known: gain(.seenDocuments, of: name), new: gain(.newDocuments, of: name),
                    cost: QueryCost(kinds(name)))
            }
        }
        let tooFewNewSets = outcome.partition?.tooFewNewSets
        let decision: Decision =
            primary.difference.isBetter(at: Self.level) && tooFewNewSets == nil
            ? .ship : primary.difference.mean > 0 ? .cannotTell : .doNotShip
        let sources = kinds(candidate)
        var needed: Int?
        if decision == .cannotTell, tooFewNewSets == nil,
            let mine = systems.first(where: { $0.name == candidate })?.evaluation.mean,
            let other = systems.first(where: { $0.name == blackBox })?.evaluation.mean
        {
            needed = MinimumDetectableDifference(differences: mine.differences(from: other, in: metric))
                .queriesNeeded(for: primary.difference.mean)
        }
        self.init(
            decision: decision, primary: primary,
            secondary: sources.contains(.local)
                ? test(candidate, against: simple)
                : test(Self.best(of: outcome, withEncoder: true), against: candidate),
            known: gain(.seenDocuments, of: candidate), new: gain(.newDocuments, of: candidate),
            cost: QueryCost(sources),
            jointTraining: test(outcome.chosen?.name, against: Contender.tunedAlone.joinedName),
            offline: offline, queriesNeeded: needed, tooFewNewSets: tooFewNewSets)
    }
}
