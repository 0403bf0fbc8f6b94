/// One document (passage) of a corpus.
public struct Document: Sendable, Hashable, Codable, Identifiable {
    /// Unique within its corpus.
    public var id: String
    /// Empty where the source gives none.
    public var title: String
    /// The body.
    public var text: String

    /// A document from its parts.
    public init(id: String, title: String = "", text: String) {
        self.id = id
        self.title = title
        self.text = text
    }

    /// The text that is embedded and indexed: `title + " " + text`, the body alone where there is no title, without
    /// white space at either end. (BEIR: `(title + sep + text).strip()`.)
    public var textForEncoding: String {
        (title.isEmpty ? text : title + " " + text).trimmedWhitespace
    }
}

/// One query.
public struct Query: Sendable, Hashable, Codable, Identifiable {
    /// Unique within its collection.
    public var id: String
    /// What is asked.
    public var text: String

    /// A query from its parts.
    public init(id: String, text: String) {
        self.id = id
        self.text = text
    }
}

extension String {
    /// Without Unicode white space at either end; the string itself (no copy) where there is none.
    var trimmedWhitespace: String {
        let scalars = unicodeScalars
        var start = scalars.startIndex
        var end = scalars.endIndex
        while start < end, scalars[start].properties.isWhitespace { start = scalars.index(after: start) }
        while end > start {
            let last = scalars.index(before: end)
            guard scalars[last].properties.isWhitespace else { break }
            end = last
        }
        if start == scalars.startIndex, end == scalars.endIndex { return self }
        return String(scalars[start..<end])
    }
}
