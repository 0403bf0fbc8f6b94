/// HTML or SVG that is well-formed by construction, as HTML and as XML alike.
///
/// It is made of ``element(_:_:_:)`` and of texts. Texts are escaped when they are added, so that no text, however hostile, becomes a tag.
struct Markup: Sendable, Equatable {
    private(set) var source: String

    static let empty = Markup(source: "")

    static func text(_ text: String) -> Markup { Markup(source: text.escapedForMarkup) }

    /// For this module's own style sheets and scripts, which must not hold `<` or `&`.
    static func trusted(_ source: String) -> Markup {
        precondition(!source.utf8.contains { $0 == UInt8(ascii: "<") || $0 == UInt8(ascii: "&") })
        return Markup(source: source)
    }

    static func + (first: Markup, second: Markup?) -> Markup {
        second.map { Markup(source: first.source + $0.source) } ?? first
    }

    static func += (first: inout Markup, second: Markup) { first.source += second.source }

    static func joined(_ parts: [Markup]) -> Markup {
        parts.count == 1 ? parts[0] : Markup(source: parts.reduce(into: "") { $0 += $1.source })
    }

    var document: String { "<!DOCTYPE html>\n\(source)\n" }
}

/// An element. Attributes are written in the given order, and their values are escaped. An attribute without a value (`nil`) is left out. A
/// `String` among the children is a text.
func element(
    _ name: StaticString, _ attributes: KeyValuePairs<StaticString, String?> = [:],
    @MarkupBuilder _ content: () -> Markup = { .empty }
) -> Markup {
    let name = name.description
    var source = "<" + name
    for (key, value) in attributes {
        guard let value else { continue }
        source += " \(key)=\"\(value.escapedForMarkup)\""
    }
    let content = content().source
    if content.isEmpty, emptyElements.contains(name) { return Markup(source: source + "/>") }
    return Markup(source: source + ">" + content + "</" + name + ">")
}

/// Elements that are written like `<br/>`: HTML's void elements, and SVG's shapes. In HTML every other element needs its end tag.
private let emptyElements: Set<String> = [
    "br", "col", "hr", "img", "link", "meta", "circle", "line", "path", "polygon", "rect",
]

@resultBuilder enum MarkupBuilder {
    static func buildExpression(_ text: String) -> Markup { .text(text) }
    static func buildExpression(_ markup: Markup) -> Markup { markup }
    static func buildExpression(_ markup: Markup?) -> Markup { markup ?? .empty }
    static func buildBlock(_ parts: Markup...) -> Markup { .joined(parts) }
    static func buildOptional(_ part: Markup?) -> Markup { part ?? .empty }
    static func buildEither(first part: Markup) -> Markup { part }
    static func buildEither(second part: Markup) -> Markup { part }
    static func buildArray(_ parts: [Markup]) -> Markup { .joined(parts) }
}

extension String {
    /// The text, escaped for use between tags and in quoted attributes. Control characters, which neither HTML nor XML allows, become U+FFFD.
    var escapedForMarkup: String {
        // Most texts need no change. Non-ASCII characters are checked in full, because U+0080…U+009F and U+FFFE are among them.
        guard utf8.contains(where: { $0 < 0x20 || $0 >= 0x7F || [0x22, 0x26, 0x27, 0x3C, 0x3E].contains($0) }) else {
            return self
        }
        var escaped = ""
        escaped.reserveCapacity(utf8.count + utf8.count / 8)
        for scalar in unicodeScalars {
            switch scalar.value {
            case 0x26: escaped += "&amp;"
            case 0x3C: escaped += "&lt;"
            case 0x3E: escaped += "&gt;"
            case 0x22: escaped += "&quot;"
            case 0x27: escaped += "&#39;"
            case 0x09, 0x0A, 0x0D: escaped.unicodeScalars.append(scalar)
            case 0x00..<0x20, 0x7F...0x9F, 0xFDD0...0xFDEF: escaped += "\u{FFFD}"
            case let value where value & 0xFFFE == 0xFFFE: escaped += "\u{FFFD}"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}
