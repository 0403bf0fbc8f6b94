import MafinRetrieval

extension PerQueryFacts {
    /// The values of systems that were measured on the same labels.
    /// - Parameters:
    ///   - evaluations: by name, at least one.
    ///   - metrics: those to keep.
    ///   - texts: what a query asks; `nil`: texts are not kept.
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
