/// A generated query, and the passage that it was made from.
public struct GeneratedQuery: Sendable, Hashable, Codable {
    /// How a query was made.
    public enum Origin: String, Sendable, Codable, Hashable, CaseIterable {
        /// Written by a language model, in one of the styles.
        case question, keywords, situation
        /// Taken from the passage itself.
        case title, heading, sentence, crop

        init(_ style: QueryStyle) {
            switch style {
            case .question: self = .question
            case .keywords: self = .keywords
            case .situation: self = .situation
            }
        }

        /// Whether it was taken from the passage, word for word.
        public var isCopy: Bool { [.title, .heading, .sentence, .crop].contains(self) }
    }

    /// Unique within its generation: made from the row of the passage and a number.
    public var id: String
    /// The query's text.
    public var text: String
    /// Row of the passage among the documents of the corpus.
    public var passage: Int
    /// How it was made.
    public var origin: Origin
}

/// Why a query was not kept.
public enum RejectionReason: String, Sendable, Codable, Hashable, CaseIterable {
    /// Too few or too many words.
    case length
    /// It points at the text instead of naming its subject: "in this passage".
    case deictic
    /// A long run of its words is copied from the passage.
    case copied
    /// Another query says the same.
    case duplicate
    /// Its own passage is not among the first results of the black box.
    case roundTrip = "round trip"
    /// The judge's grade is too low: the passage does not answer it, or nobody would ask like this.
    case judged
}

/// A query that was not kept, and why.
public struct RejectedQuery: Sendable, Hashable, Codable {
    /// The query.
    public var query: GeneratedQuery
    /// The filter that rejected it.
    public var reason: RejectionReason
    /// What the filter found.
    public var detail: String
}
