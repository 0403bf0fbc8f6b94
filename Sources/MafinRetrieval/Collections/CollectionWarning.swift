/// Something in a collection that is not an error, but that its owner should know.
public struct CollectionWarning: Sendable, Equatable, CustomStringConvertible {
    /// What was noticed.
    public enum Kind: String, Sendable {
        /// A document without title and text.
        case emptyDocument = "the document has no text"
        /// A query without text.
        case emptyQuery = "the query has no text"
        /// A query whose image is also that of a document.
        case ownDocument = "the image of the query is also a document, which the query will find first"
        /// A pair that was labelled more than once, with the same grade.
        case repeatedPair = "the pair was labelled before"
    }

    /// The file.
    public var path: String
    /// The line, from 1.
    public var line: Int
    /// What was noticed.
    public var kind: Kind
    /// The id of the document or query.
    public var identifier: String

    /// File, line, what was noticed, and the id.
    public var description: String { "\(path):\(line): \(kind.rawValue) (id \"\(identifier)\")" }
}
