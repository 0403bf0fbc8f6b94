import MafinEncoder
import MafinMethod
import MafinRetrieval

/// What a manifest says about the precision in which an artefact's encoders embed: what was asked for, what is used, and what a
/// ``PrecisionGate`` measured.
public struct PrecisionRecord: Sendable, Codable, Equatable {
    /// The precision that was asked for.
    public var asked: Precision
    /// The precision in which the encoders embed, unless the user names another.
    public var used: Precision
    /// Why, in words.
    public var reason: String
    /// What was measured, in the order in which it was tried; empty if nothing had to be measured.
    public var trials: [Trial]

    /// What one precision does to the rankings.
    public struct Trial: Sendable, Codable, Equatable {
        /// The precision.
        public var precision: Precision
        /// Whether every ranking with it on both sides stays as it is, as ``PrecisionGate`` defines that.
        public var passed: Bool
        /// Each ranking with this precision on both sides, for documents alone, and for queries alone.
        public var figures: [Figure]
    }

    /// A ranking that is measured.
    public enum Ranking: String, Sendable, Codable, CaseIterable {
        /// By all sources.
        case all
        /// By all sources but memories. These know the answers of the queries of dev, which hides what an encoder changes.
        case withoutMemories = "without-memories"
        /// As if the black box is not asked.
        case offline
        /// The same without memories.
        case offlineWithoutMemories = "offline-without-memories"
    }

    /// A ranking on dev, compared with the same ranking in float32.
    public struct Figure: Sendable, Codable, Equatable {
        /// What is ranked by.
        public var ranking: Ranking
        /// The precision in which documents were embedded.
        public var documents: Precision
        /// The precision in which queries were embedded.
        public var queries: Precision
        /// The metric.
        public var metric: Metric
        /// Number of queries in the means.
        public var queryCount: Int
        /// The mean in float32.
        public var float32: Double
        /// The mean in these precisions.
        public var value: Double
        /// The mean difference to float32, with the interval of ``MafinRetrieval/PairedBootstrap``.
        public var change: PairedBootstrap.Interval
        /// Whether the change is small enough.
        public var passed: Bool

        /// All of it.
        public init(
            ranking: Ranking, documents: Precision, queries: Precision, metric: Metric, queryCount: Int,
            float32: Double,
            value: Double, change: PairedBootstrap.Interval, passed: Bool
        ) {
            (self.ranking, self.documents, self.queries, self.metric) = (ranking, documents, queries, metric)
            (self.queryCount, self.float32, self.value) = (queryCount, float32, value)
            (self.change, self.passed) = (change, passed)
        }
    }

    /// Nothing was measured: float32 is the precision that every other one is compared with.
    public init(float32 reason: String, asked: Precision = .float32) {
        (self.asked, used, self.reason, trials) = (asked, .float32, reason, [])
    }

    init(asked: Precision, used: Precision, reason: String, trials: [Trial]) {
        (self.asked, self.used, self.reason, self.trials) = (asked, used, reason, trials)
    }

    /// Whether queries in one precision may search documents in another. That is so if every ranking of this kind was measured and passed.
    public func allows(documents: Precision, queries: Precision) -> Bool {
        if documents == queries { return true }
        let figures = trials.flatMap(\.figures).filter { $0.documents == documents && $0.queries == queries }
        return !figures.isEmpty && figures.allSatisfy(\.passed)
    }

    /// What the gate measured of a precision; `nil` if it did not try it.
    public func trial(of precision: Precision) -> Trial? { trials.first { $0.precision == precision } }
}

extension ArtefactManifest {
    /// The precision in which this machine embeds with the artefact, unless the user names one: what the artefact says, and float32 if it says
    /// nothing, because then no gate has compared anything else with it.
    ///
    /// bfloat16 is only used where the processor has instructions for it. Elsewhere it is slower than float32.
    /// - Parameter fastest: the fastest precision of the processor that ranks like float32.
    package func precision(fastest: Precision = .hardwareDefault) -> Precision {
        let recorded = precision?.used ?? .float32
        return recorded == .bfloat16 && fastest != .bfloat16 ? .float32 : recorded
    }

    /// Whether queries in one precision may search documents in another.
    package func allows(documents: Precision, queries: Precision) -> Bool {
        documents == queries || precision?.allows(documents: documents, queries: queries) == true
    }
}
