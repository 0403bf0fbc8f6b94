/// The ways in which people search.
public enum QueryStyle: String, Sendable, Codable, Hashable, CaseIterable {
    /// A whole question.
    case question
    /// A few words without grammar.
    case keywords
    /// A situation in which the passage would help, without a question.
    case situation
}

/// How often each style is asked for, as weights: `question=2,keywords=1,situation=1`.
public struct StyleMix: Sendable, Hashable, CustomStringConvertible {
    /// Weights by style: none is negative, and at least one is above 0.
    public let weights: [QueryStyle: Double]
    /// The order in which styles are used; it repeats. Its length is divisible by many numbers.
    private let deal: [QueryStyle]
    private static let period = 240

    /// Two questions to one search by keywords and one situation.
    public static let standard = StyleMix(weights: [.question: 2, .keywords: 1, .situation: 1])

    private init(weights: [QueryStyle: Double]) {
        self.weights = weights
        deal = Self.deal(weights)
    }

    /// Reads `question=2,keywords=1`. A name without a weight has weight 1.
    /// - Throws: ``GenerationError/badMix(_:)``
    public init(parsing text: String) throws {
        var weights: [QueryStyle: Double] = [:]
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let sides = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(\.trimmed)
            guard let style = QueryStyle(rawValue: sides[0]), weights[style] == nil,
                let weight = sides.count > 1 ? Double(sides[1]) : 1, weight >= 0, weight.isFinite
            else { throw GenerationError.badMix(text) }
            weights[style] = weight
        }
        guard weights.values.contains(where: { $0 > 0 }) else { throw GenerationError.badMix(text) }
        self.init(weights: weights)
    }

    /// The text that ``init(parsing:)`` reads.
    public var description: String {
        QueryStyle.allCases.compactMap { style in
            weights[style].map { "\(style.rawValue)=\($0 == $0.rounded() ? "\(Int($0))" : "\($0)")" }
        }.joined(separator: ",")
    }

    /// The styles of the `count` queries for passage `index`. Over all passages, each style has its share.
    public func styles(forPassage index: Int, count: Int) -> [QueryStyle] {
        (0..<count).map { deal[(index * count + $0) % deal.count] }
    }

    /// Assigns styles in turn, always the one that is furthest below its share (Sainte-Laguë method; not random).
    private static func deal(_ weights: [QueryStyle: Double]) -> [QueryStyle] {
        let known = QueryStyle.allCases.filter { (weights[$0] ?? 0) > 0 }
        var dealt: [QueryStyle: Int] = [:]
        func claim(_ style: QueryStyle) -> Double { (weights[style] ?? 0) / (2 * Double(dealt[style] ?? 0) + 1) }
        return (0..<period).map { _ in
            let style = known.max { claim($0) < claim($1) } ?? .question
            dealt[style, default: 0] += 1
            return style
        }
    }
}

extension StringProtocol where SubSequence == Substring {
    /// The text without white space at either end.
    var trimmed: String {
        var scalars = self[...].unicodeScalars
        while let first = scalars.first, first.properties.isWhitespace { scalars.removeFirst() }
        while let last = scalars.last, last.properties.isWhitespace { scalars.removeLast() }
        return String(scalars)
    }

    /// The text with each run of white space replaced by one space, and none at either end.
    var oneLine: String {
        self[...].unicodeScalars.split { $0.properties.isWhitespace }.map { String($0) }.joined(separator: " ")
    }
}
