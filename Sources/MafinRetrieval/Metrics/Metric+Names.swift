extension Metric: LosslessStringConvertible, CustomStringConvertible {
    /// The metric with a name of trec_eval, ir-measures or ranx. Upper and lower case are the same.
    ///
    /// `nDCG@10`, `Recall@100` or `R@100`, `P@5`, `MRR@10` or `RR@10`, `MAP` or `AP` (with or without a cutoff),
    /// `Success@1` or `Hit@1`, `Rprec`; of trec_eval also `ndcg_cut_10`, `recall_100`, `P_5`, `map_cut_10`, `success_1`
    /// and `recip_rank`. `nil` for any other name, and if a required cutoff is missing or below 1.
    public init?(_ name: String) {
        let name = Self.underscored(name) ?? name
        let parts = name.split(separator: "@", omittingEmptySubsequences: false)
        var cutoff: Int?
        switch parts.count {
        case 1: cutoff = nil
        case 2:
            guard parts[1].utf8.allSatisfy({ (48...57).contains($0) }), let k = Int(parts[1]), k > 0 else { return nil }
            cutoff = k
        default: return nil
        }
        switch (parts[0].lowercased(), cutoff) {
        case ("ndcg", let k): self = .nDCG(cutoff: k)
        case ("recall", let k?), ("r", let k?): self = .recall(cutoff: k)
        case ("p", let k?), ("precision", let k?): self = .precision(cutoff: k)
        case ("mrr", let k), ("rr", let k): self = .reciprocalRank(cutoff: k)
        case ("map", let k), ("ap", let k): self = .averagePrecision(cutoff: k)
        case ("success", let k?), ("hit", let k?), ("hitrate", let k?): self = .success(cutoff: k)
        case ("rprec", nil), ("r-precision", nil): self = .rPrecision
        default: return nil
        }
    }

    /// Converts a name of trec_eval with underscores to one with `@`; `nil` for any other name.
    private static func underscored(_ name: String) -> String? {
        let name = name.lowercased()
        if name == "recip_rank" { return "mrr" }
        guard let last = name.lastIndex(of: "_") else { return nil }
        let families = ["ndcg_cut": "ndcg", "recall": "recall", "p": "p", "map_cut": "map", "success": "success"]
        return families[String(name[..<last])].map { "\($0)@\(name[name.index(after: last)...])" }
    }

    /// The metric with a name; see ``init(_:)``.
    /// - Throws: ``RetrievalError/unknownMetric(name:)``.
    public init(parsing name: String) throws {
        guard let metric = Metric(name) else { throw RetrievalError.unknownMetric(name: name) }
        self = metric
    }

    /// The name under which the metric is printed and stored: `nDCG@10`, `Recall@100`, `MRR@10`, `MAP`, …
    public var description: String {
        func named(_ name: String, _ cutoff: Int?) -> String { cutoff.map { "\(name)@\($0)" } ?? name }
        return switch self {
        case .nDCG(let cutoff): named("nDCG", cutoff)
        case .recall(let cutoff): named("Recall", cutoff)
        case .precision(let cutoff): named("P", cutoff)
        case .reciprocalRank(let cutoff): named("MRR", cutoff)
        case .averagePrecision(let cutoff): named("MAP", cutoff)
        case .success(let cutoff): named("Success", cutoff)
        case .rPrecision: "Rprec"
        }
    }
}

/// Stored as its name, also as the key of a dictionary: `{"nDCG@10": 0.329}`.
extension Metric: Codable, CodingKeyRepresentable {
    /// A key that is any string.
    private struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    /// The name as a key.
    public var codingKey: any CodingKey { Key(stringValue: description) }

    /// The metric whose name is a key.
    public init?(codingKey: some CodingKey) { self.init(codingKey.stringValue) }

    /// Reads the name.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let name = try container.decode(String.self)
        guard let metric = Metric(name) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: RetrievalError.unknownMetric(name: name).description)
        }
        self = metric
    }

    /// Writes the name.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
