/// The contribution of each source to the score of one query and one document.
public struct ScoreParts: Sendable, Equatable {
    /// One source's part.
    public struct Part: Sendable, Equatable, Codable {
        /// The source.
        public var source: SourceName
        /// Its weighted score, `w_k s_k`.
        public var value: Double

        /// A part.
        public init(source: SourceName, value: Double) { (self.source, self.value) = (source, value) }
    }

    /// The parts, in the order of the sources.
    public var parts: [Part]

    /// A score in its parts.
    public init(_ parts: [Part]) { self.parts = parts }

    /// A score of a black box and a local encoder.
    public init(blackBox: Double, local: Double) {
        self.init([Part(source: .blackBox, value: blackBox), Part(source: .local, value: local)])
    }

    /// The part of a source; 0 for a source that takes no part.
    public subscript(source: SourceName) -> Double { parts.first { $0.source == source }?.value ?? 0 }

    /// The score.
    public var total: Double { parts.reduce(0) { $0 + $1.value } }
}

/// Stored as `[{"source": "black-box", "value": 0.3}, …]`. The form of earlier versions, `{"blackBox": 0.3, "local": 0.2}`, is
/// read too.
extension ScoreParts: Codable {
    private struct Pair: Decodable {
        var blackBox: Double
        var local: Double
    }

    /// Reads both forms.
    public init(from decoder: any Decoder) throws {
        if let parts = try? decoder.singleValueContainer().decode([Part].self) {
            self.init(parts)
        } else {
            let pair = try Pair(from: decoder)
            self.init(blackBox: pair.blackBox, local: pair.local)
        }
    }

    /// Writes the list.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(parts)
    }
}
