import MafinPipeline
import MafinRetrieval

/// The decision of a comparison. It rests on two tests that are fixed before the measured split is looked at.
///
/// The candidate is the trained method that is best on dev, or its fusion with BM25 if that is better on dev (the
/// service offers both). The primary test compares the candidate with the black box, the secondary test with the best
/// system on dev that trains no encoder. The decision to ship requires both tests to reject, each at its own p. Such a
/// decision keeps its level without correction (intersection-union test, Berger 1982, "Multiparameter Hypothesis
/// Testing and Acceptance Sampling", Technometrics 24(4)). The other systems of the table, and Holm's correction there,
/// do not affect the decision.
public struct ComparisonVerdict: Sendable, Equatable, Codable {
    /// What to do. Ship: the candidate is significantly better than the black box and than the best system without a
    /// trained encoder. Do not ship: its mean is not above the black box, or it is significantly worse than the best
    /// system without a trained encoder. Cannot tell: anything else.
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

    /// What to do.
    public var decision: Decision
    /// The row of the trained method that is best on dev.
    public var artefact: String
    /// The primary test: the candidate against the black box.
    public var primary: Test
    /// The secondary test: the candidate against the best system on dev that trains no encoder; `nil` if that is the
    /// black box itself.
    public var secondary: Test?
    /// The best derived system on dev against the candidate; `nil` if it is not better than the candidate on dev. No
    /// command may be able to serve it.
    public var builtOnArtefact: Test?
    /// The artefact against the same encoder tuned alone and mixed afterwards, which shows what joint training adds.
    /// `nil` if that row is missing.
    public var jointTraining: Test?
    /// About how many measured queries would show the difference that is not significant yet; `nil` if the decision is
    /// not ``Verdict/Decision/cannotTell``, or if the difference is not above 0.
    public var queriesNeeded: Int?

    /// The candidate: ``artefact``, or its fusion with BM25.
    public var candidate: String { primary.system }
    /// Whether the candidate is the fusion with BM25.
    public var usesBM25: Bool { candidate != artefact }

    /// Tests are significant below this p.
    public static let level = 0.05
}

extension ComparisonVerdict {
    /// Decides.
    /// - Parameter metric: the metric that decides.
    /// - Returns: `nil` if no encoder was trained, or if its row or the black box's is missing.
    public init?(
        _ outcome: ComparisonOutcome, metric: Metric, bootstrap: PairedBootstrap = PairedBootstrap(),
        randomization: PairedRandomizationTest = PairedRandomizationTest()
    ) {
        let systems = outcome.systems
        func system(_ name: String) -> (name: String, evaluation: SeededEvaluation, development: Double)? {
            systems.first { $0.name == name }
        }
        func best(_ kinds: Set<ComparedSystem.Kind>) -> String? {
            systems.filter { ComparedSystem.named($0.name).map { kinds.contains($0.kind) } ?? false }
                .max { $0.development < $1.development }?.name
        }
        func test(_ name: String, against other: String) -> Test? {
            guard name != other, let mine = system(name), let theirs = system(other) else { return nil }
            return Test(
                system: name, other: other,
                difference: PairedDifference(
                    mine.evaluation, minus: theirs.evaluation, in: metric, bootstrap: bootstrap, test: randomization))
        }
        guard let artefact = outcome.chosen?.name, let alone = system(artefact) else { return nil }
        let fused = system("\(artefact)+bm25").flatMap { $0.development > alone.development ? $0 : nil }
        let candidate = fused ?? alone
        guard let primary = test(candidate.name, against: StandardRivals.blackBoxName),
            let rival = best([.baseline, .lexical, .released, .rival, .adapter])
        else { return nil }
        let secondary = rival == primary.other ? nil : test(candidate.name, against: rival)

        let tests = [primary, secondary].compactMap(\.self)
        let open = tests.first { !$0.difference.isBetter(at: Self.level) }
        let decision: Decision =
            if open == nil {
                .ship
            } else if primary.difference.mean <= 0 || secondary?.difference.isWorse(at: Self.level) == true {
                .doNotShip
            } else {
                .cannotTell
            }
        let built = best([.derived]).flatMap { system($0) }
        var needed: Int?
        if decision == .cannotTell, let open, open.difference.mean > 0, let other = system(open.other) {
            let differences = candidate.evaluation.mean.differences(from: other.evaluation.mean, in: metric)
            if differences.count > 1 {
                needed = MinimumDetectableDifference(differences: differences).queriesNeeded(for: open.difference.mean)
            }
        }
        self.init(
            decision: decision, artefact: artefact, primary: primary, secondary: secondary,
            builtOnArtefact: built.flatMap {
                $0.development > candidate.development ? test($0.name, against: candidate.name) : nil
            }, jointTraining: test(artefact, against: Contender.tunedAlone.joinedName), queriesNeeded: needed)
    }
}
