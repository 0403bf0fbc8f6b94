import MafinImages

/// One document (passage) of a corpus: a text, an image, or an image with a text.
public struct Document: Sendable, Hashable, Codable, Identifiable {
    /// Unique within its corpus.
    public var id: String
    /// The title; empty if the source has none.
    public var title: String
    /// The body; empty for an image alone.
    public var text: String
    /// The image; `nil` for a text.
    public var image: ItemImage?

    /// A document from its parts.
    public init(id: String, title: String = "", text: String, image: ItemImage? = nil) {
        self.id = id
        self.title = title
        self.text = text
        self.image = image
    }

    /// The text that is embedded and indexed: `title + " " + text`, or the body alone if there is no title. White space
    /// at both ends is removed, as in BEIR's `(title + sep + text).strip()`.
    public var textForEncoding: String {
        (title.isEmpty ? text : title + " " + text).trimmedWhitespace
    }
}

/// One query: a text, an image, or an image with a text.
public struct Query: Sendable, Hashable, Codable, Identifiable {
    /// Unique within its collection.
    public var id: String
    /// The text of the query; empty for an image alone.
    public var text: String
    /// The image; `nil` for a text.
    public var image: ItemImage?
    /// When it was asked, in ISO 8601 such as `2026-11-29` or `2026-11-29T08:00:00Z`; `nil` if that is not known. Dates are compared
    /// as texts.
    public var date: String?

    /// A query from its parts.
    public init(id: String, text: String, date: String? = nil, image: ItemImage? = nil) {
        self.id = id
        self.text = text
        self.date = date
        self.image = image
    }
}

extension String {
    /// The string without Unicode white space at both ends. If there is none, it is the string itself without a copy.
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
