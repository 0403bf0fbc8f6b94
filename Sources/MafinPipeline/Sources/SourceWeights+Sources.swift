import MafinMethod

extension SourceWeights {
    /// Whether a source with a weight reads the black box's vector of the query.
    package func needBlackBox(_ sources: [any ScoreSource]) -> Bool {
        sources.contains { self[$0.name] > 0 && $0.queryInputs.contains(.blackBox) }
    }

    /// Whether a source that is named here, with or without a weight, reads this of queries. A request may give each of these
    /// sources a weight.
    package func name(_ sources: [any ScoreSource], reading input: SourceInputs) -> Bool {
        sources.contains { self.sources.contains($0.name) && $0.queryInputs.contains(input) }
    }

    /// The weights of the sources that do not need the black box. The local encoder alone has the weight 1, so that it
    /// ranks as it does alone, and it gets that weight if no other source is left.
    /// - Returns: `nil` if nothing is left to rank by.
    package func withoutBlackBox(_ sources: [any ScoreSource]) -> SourceWeights? {
        let free = Set(sources.filter { !$0.queryInputs.contains(.blackBox) }.map(\.name)).intersection(self.sources)
        let left = Set(free.filter { self[$0] > 0 })
        if left == [.local] || left.isEmpty && free.contains(.local) {
            return SourceWeights(self.sources.map { ($0, $0 == .local ? 1 : 0) })
        }
        return left.isEmpty ? nil : SourceWeights(self.sources.map { ($0, left.contains($0) ? self[$0] : 0) })
    }
}
