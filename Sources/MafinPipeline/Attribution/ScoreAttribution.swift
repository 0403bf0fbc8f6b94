import MafinBlackBox

/// What each word of a text adds to the local part of a score.
public struct ScoreAttribution: Sendable, Equatable, Codable {
    /// How a word's share was found.
    public enum Method: String, Sendable, Codable {
        /// The score with the whole text minus the score without the word, encoded anew. Exact for each word by itself; shares need not add up
        /// to the score.
        case leaveOneOut = "leave-one-out"
    }

    /// A stretch of the text. All pieces end to end are the whole text.
    public struct Piece: Sendable, Equatable, Codable {
        /// The text.
        public var text: String
        /// What it adds to the score; `nil` for white space, and for what the encoder did not read.
        public var contribution: Double?
    }

    /// How the shares were found.
    public var method: Method
    /// Whether the text is the query or the document.
    public var side: TextRole
    /// The local part of the score with the whole text.
    public var score: Double
    /// The text in pieces.
    public var pieces: [Piece]
}
