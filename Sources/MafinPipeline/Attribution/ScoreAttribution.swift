import MafinBlackBox

/// The contribution of each word of a text to the local part of a score.
public struct ScoreAttribution: Sendable, Equatable, Codable {
    /// How contributions are computed.
    public enum Method: String, Sendable, Codable {
        /// The score with the whole text, minus the score of the text without the word. Each contribution is exact, but
        /// their sum need not be the score.
        case leaveOneOut = "leave-one-out"
    }

    /// A part of the text. All pieces in order are the whole text.
    public struct Piece: Sendable, Equatable, Codable {
        /// The text.
        public var text: String
        /// Its contribution to the score; `nil` for white space and for text that the encoder did not read.
        public var contribution: Double?
    }

    /// How the contributions were computed.
    public var method: Method
    /// Whether the text is the query or the document.
    public var side: TextRole
    /// The local part of the score with the whole text.
    public var score: Double
    /// The text in pieces.
    public var pieces: [Piece]
}
