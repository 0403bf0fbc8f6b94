import MafinRetrieval

/// The values of every query, for scatter plots, wins and losses, and paired tests by other programs.
public struct PerQueryFacts: Sendable, Equatable, Codable {
    /// One system's values.
    public struct System: Sendable, Equatable, Codable {
        /// ``SystemFacts/name``.
        public var name: String
        /// For each metric one value for each query, in the order of ``PerQueryFacts/queryIds``.
        public var values: [Metric: [Double]]
    }

    /// The queries.
    public var queryIds: [String]
    /// Their texts, in the same order; `nil` if they are not kept.
    public var texts: [String]?
    /// The systems.
    public var systems: [System]

    /// The values of one system in one metric; `nil` if they are missing, or if there are not as many as queries.
    public func values(of system: String, in metric: Metric) -> [Double]? {
        let values = systems.first { $0.name == system }?.values[metric]
        return values?.count == queryIds.count ? values : nil
    }

    /// How many queries one system answers worse, equally well and better than another; `nil` if values are missing.
    public func balance(of system: String, against baseline: String, in metric: Metric) -> Balance? {
        guard let mine = values(of: system, in: metric), let theirs = values(of: baseline, in: metric) else {
            return nil
        }
        return Balance(differences: zip(mine, theirs).map { $0 - $1 })
    }
}

/// How many queries got worse, stayed equal and got better.
public struct Balance: Sendable, Equatable, Codable {
    /// Worse.
    public var losses = 0
    /// Equal.
    public var ties = 0
    /// Better.
    public var wins = 0

    /// Differences up to this are rounding errors and count as 0.
    public static let tolerance = 1e-9

    /// Counts differences by their sign.
    public init(differences: some Sequence<Double>) {
        let differences = Array(differences)
        wins = differences.count { $0 > Self.tolerance }
        losses = differences.count { $0 < -Self.tolerance }
        ties = differences.count - wins - losses
    }
}

extension PerQueryFacts {
    /// The values of systems that were measured on the same labels.
    /// - Parameters:
    ///   - evaluations: by name, at least one.
    ///   - texts: gives the text of a query; `nil` if texts are not kept.
    public init(
        _ evaluations: [(name: String, evaluation: RunEvaluation)], metrics: [Metric],
        texts: ((_ queryId: String) -> String)? = nil
    ) {
        guard let queryIds = evaluations.first?.evaluation.queryIds else { preconditionFailure("values of no system") }
        precondition(
            evaluations.allSatisfy { $0.evaluation.queryIds == queryIds }, "systems were measured on different queries")
        self.init(
            queryIds: queryIds, texts: texts.map { queryIds.map($0) },
            systems: evaluations.map { system in
                System(name: system.name, values: system.evaluation.values.filter { metrics.contains($0.key) })
            })
    }
}
