/// The weights of the sources of a score, `s(q, d) = Σ_k w_k s_k(q, d)`, in the order of the sources.
///
/// Each is at least 0, at least one is above 0, and their sum is finite. A ranking does not change if all are multiplied by the
/// same factor.
public struct SourceWeights: Sendable, Hashable {
    /// The names of the sources. No name occurs twice.
    public let sources: [SourceName]
    /// One weight per source.
    public let values: [Float]

    /// - Precondition: see ``SourceWeights``.
    public init(_ weights: [(source: SourceName, weight: Float)]) {
        let fault = Self.fault(in: weights)
        precondition(fault == nil, fault ?? "")
        (sources, values) = (weights.map(\.source), weights.map(\.weight))
    }

    /// The weights of a black box and a local encoder.
    public init(_ pair: MixtureWeights) {
        self.init([(.blackBox, pair.blackBox), (.local, pair.local)])
    }

    /// The weight of a source; 0 for a source that takes no part.
    public subscript(source: SourceName) -> Float {
        sources.firstIndex(of: source).map { values[$0] } ?? 0
    }

    /// The weights of the black box and the local encoder; `nil` unless both are among the sources and one of them has
    /// a weight above 0.
    public var pair: MixtureWeights? {
        guard sources.contains(.blackBox), sources.contains(.local) else { return nil }
        let (blackBox, local) = (self[.blackBox], self[.local])
        return blackBox + local > 0 ? MixtureWeights(blackBox: blackBox, local: local) : nil
    }

    /// λ: the share of the local encoder in the weights of the black box and the local encoder; `nil` if there is no
    /// ``pair``.
    public var lambda: Float? { pair?.lambda }

    /// The same weights, some of them replaced.
    /// - Returns: `nil` if the result is no valid list of weights, or a name is unknown.
    public func replacing(_ others: [SourceName: Float]) -> SourceWeights? {
        guard others.keys.allSatisfy(sources.contains) else { return nil }
        let weights = zip(sources, values).map { (source: $0, weight: others[$0] ?? $1) }
        return Self.fault(in: weights) == nil ? SourceWeights(weights) : nil
    }

    /// The same weights with another λ: the sum of both weights of the ``pair`` stays the same.
    /// - Precondition: there is a ``pair``, and λ lies in 0…1.
    public func with(lambda: Float) -> SourceWeights {
        guard let pair else { preconditionFailure("λ weighs a black box and a local encoder") }
        let changed = MixtureWeights(lambda: lambda, temperature: pair.temperature)
        return SourceWeights(
            zip(sources, values).map { source, weight in
                (source, source == .blackBox ? changed.blackBox : source == .local ? changed.local : weight)
            })
    }

    /// The weights divided by the sum of those of `unit`, or by the sum of all if that is 0. For a black box and a local
    /// encoder alone these are 1−λ and λ.
    package func scaled(toUnitSumOf unit: Set<SourceName>) -> SourceWeights {
        if sources.count == 2, let pair, unit.isSuperset(of: sources) {
            let shares = MixtureWeights(lambda: pair.lambda)
            return SourceWeights(sources.map { ($0, $0 == .blackBox ? shares.blackBox : shares.local) })
        }
        let chosen = zip(sources, values).reduce(0) { $0 + (unit.contains($1.0) ? $1.1 : 0) }
        let sum = chosen > 0 ? chosen : values.reduce(0, +)
        return SourceWeights(zip(sources, values).map { ($0, $1 / sum) })
    }

    private static func fault(in weights: [(source: SourceName, weight: Float)]) -> String? {
        if let bad = weights.first(where: { !($0.weight >= 0 && $0.weight.isFinite) }) {
            return "expected a finite weight of at least 0 for \(bad.source), found \(bad.weight)"
        }
        if !weights.reduce(0, { $0 + $1.weight }).isFinite { return "expected weights with a finite sum" }
        if Set(weights.map(\.source)).count < weights.count { return "expected each source once" }
        return weights.contains { $0.weight > 0 } ? nil : "expected a weight above 0, found none"
    }
}

/// Stored as `[{"source": "black-box", "weight": 10}, …]`. The form of earlier versions, `{"blackBox": 10, "local": 10}`, is read too.
extension SourceWeights: Codable {
    private struct Entry: Codable {
        var source: SourceName
        var weight: Float
    }

    /// Reads and checks weights.
    public init(from decoder: any Decoder) throws {
        guard let entries = try? decoder.singleValueContainer().decode([Entry].self) else {
            self.init(try MixtureWeights(from: decoder))
            return
        }
        let weights = entries.map { (source: $0.source, weight: $0.weight) }
        if let fault = Self.fault(in: weights) {
            throw DecodingError.dataCorrupted(
                DecodingError.Context(codingPath: decoder.codingPath, debugDescription: fault))
        }
        self.init(weights)
    }

    /// Writes the list.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(zip(sources, values).map { Entry(source: $0, weight: $1) })
    }
}
