import MafinPipeline
import MafinRetrieval

/// The answer of a comparison, by two tests that are fixed before the measured split is looked at.
///
/// The candidate is the trained method that is best on dev, or that method fused with BM25 where the fusion is better on dev (the service offers
/// both). The primary hypothesis is that it differs from the black box; the second, that it differs from the best system on dev that trains
/// no encoder. To ship takes both, each at its own p: a decision that needs every one of its tests to reject holds its level without any
/// correction (intersection-union test, Berger 1982, "Multiparameter Hypothesis Testing and Acceptance Sampling", Technometrics 24(4)).
/// However many other systems the table holds, and however Holm's correction treats them there, changes nothing here.
public struct ComparisonVerdict: Sendable, Equatable, Codable {
    /// What to do: ship what is better than the black box and than the best without a trained encoder, not what is not above the black box or
    /// worse than the best without a trained encoder. Anything else cannot be told from these queries.
    public typealias Decision = Verdict.Decision

    /// The candidate, or something close to it, tested against another system.
    public struct Test: Sendable, Equatable, Codable {
        /// ``ComparisonRow/name`` of the system that is tested.
        public var system: String
        /// ``ComparisonRow/name`` of the other.
        public var other: String
        /// The system minus the other, at its own p.
        public var difference: PairedDifference
    }

    /// What to do.
    public var decision: Decision
    /// The row of the trained method that is best on dev.
    public var artefact: String
    /// The first hypothesis: the candidate against the black box.
    public var primary: Test
    /// The second: against the best on dev that trains no encoder; `nil` where that is the black box itself.
    public var secondary: Test?
    /// The best on dev of what is built on the artefact, against the candidate; `nil` where that is the candidate. No command may serve it.
    public var builtOnArtefact: Test?
    /// The artefact against the same encoder tuned alone and mixed afterwards: what joint training adds. `nil` without such a row.
    public var jointTraining: Test?
    /// Measured queries that would about show the difference that was left open; `nil` where none was, or where it is not above 0.
    public var queriesNeeded: Int?

    /// The candidate: ``artefact``, or its fusion with BM25.
    public var candidate: String { primary.system }
    /// Whether the candidate is served with BM25 beside it.
    public var usesBM25: Bool { candidate != artefact }

    /// Tests are significant below this p.
    public static let level = 0.05
}

extension ComparisonVerdict {
    /// Decides.
    /// - Parameter metric: the one that decides.
    /// - Returns: `nil` where no encoder was trained, or where its row or the black box's is missing.
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
