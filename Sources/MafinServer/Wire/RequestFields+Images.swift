import Foundation
import HTTPTypes
import MafinImages
import MafinNumerics

extension RequestFields {
    /// An image as a data URL; `nil` without the field.
    /// - Throws: ``ServiceError`` for anything else, or for a file that is no PNG or JPEG.
    func image(_ name: String) throws -> ItemImage? { try text(name).map { try Self.image($0, name) } }

    /// An array of at least one and at most `maximum` images as data URLs; `nil` without the field.
    /// - Throws: ``ServiceError``, as ``image(_:)``.
    func images(_ name: String, maximum: Int) throws -> [ItemImage]? {
        guard let urls = try texts(name, maximum: maximum) else { return nil }
        guard !urls.isEmpty else { throw ServiceError.invalid("\(name) is an empty array", parameter: name) }
        return try urls.enumerated().map { try Self.image($1, "\(name)[\($0)]") }
    }

    /// Items in parts, as Cohere and Voyage write them:
    /// `[{"content": [{"type": "text", "text": …}, {"type": "image_url", "image_url": …}]}]`.
    /// The texts of an item are joined by line breaks; it has one image at most. `nil` without the field.
    /// - Throws: ``ServiceError``, with the place of what is wrong.
    func items(_ name: String, maximum: Int) throws -> [Item]? {
        try read(name) { scanner, first in
            guard first == UInt8(ascii: "[") else {
                throw wrong(name, "an array of objects with content", try Self.kind(&scanner))
            }
            var items: [Item] = []
            var count = 0
            try scanner.elements { scanner in
                try Task.checkCancellation()
                if count < maximum {
                    items.append(try item(&scanner, "\(name)[\(count)]"))
                } else {
                    try scanner.skipValue()
                }
                count += 1
            }
            guard count > 0 else { throw ServiceError.invalid("\(name) is an empty array", parameter: name) }
            guard count <= maximum else {
                throw ServiceError.invalid(
                    "\(name) holds \(count) items, one request may have \(maximum)", parameter: name)
            }
            return items
        }
    }

    private func item(_ scanner: inout JSONScanner, _ place: String) throws -> Item {
        guard scanner.peek() == UInt8(ascii: "{") else {
            throw wrong(place, "an object with content", try Self.kind(&scanner))
        }
        var item = Item()
        var parts = 0
        try scanner.members { scanner, key in
            guard key == "content" else { return try scanner.skipValue() }
            guard scanner.peek() == UInt8(ascii: "[") else {
                throw wrong("\(place).content", "an array of parts", try Self.kind(&scanner))
            }
            try scanner.elements { scanner in
                try addPart(&scanner, "\(place).content[\(parts)]", to: &item)
                parts += 1
            }
        }
        guard parts > 0 else { throw wrong("\(place).content", "an array of parts", "none") }
        return item
    }

    private func addPart(_ scanner: inout JSONScanner, _ place: String, to item: inout Item) throws {
        guard scanner.peek() == UInt8(ascii: "{") else {
            throw wrong(place, "an object with type", try Self.kind(&scanner))
        }
        func text(_ scanner: inout JSONScanner, _ key: String) throws -> String {
            guard scanner.peek() == UInt8(ascii: "\"") else {
                throw wrong("\(place).\(key)", "a string", try Self.kind(&scanner))
            }
            return try scanner.string()
        }
        var (type, words, url): (String?, String?, String?)
        try scanner.members { scanner, key in
            switch key {
            case "type": type = try text(&scanner, key)
            case "text": words = try text(&scanner, key)
            case "image_url" where scanner.peek() == UInt8(ascii: "{"):
                try scanner.members { scanner, inner in
                    if inner == "url" { url = try text(&scanner, "image_url.url") } else { try scanner.skipValue() }
                }
            case "image_url", "image_base64": url = try text(&scanner, key)
            default: try scanner.skipValue()
            }
        }
        switch type {
        case "text":
            guard let words, !words.allSatisfy(\.isWhitespace) else { throw wrong(place, "a text", "none") }
            item.text += (item.text.isEmpty ? "" : "\n") + words
        case "image_url", "image_base64":
            guard let url else { throw wrong(place, "an image as a data URL", "none") }
            guard item.image == nil else { throw wrong(place, "one image in an item", "a second one") }
            item.image = try Self.image(url, place)
        default: throw wrong("\(place).type", "text, image_url or image_base64", type?.clipped ?? "none")
        }
    }

    private static func image(_ url: String, _ name: String) throws -> ItemImage {
        let parameter = name.split(separator: "[").first.map(String.init) ?? name
        guard let comma = url.firstIndex(of: ","), url.hasPrefix("data:image/"), url[..<comma].hasSuffix(";base64"),
            let bytes = Data(base64Encoded: String(url[url.index(after: comma)...]))
        else {
            throw ServiceError.invalid(
                "\(name) must be a data URL such as data:image/png;base64,…", parameter: parameter)
        }
        do {
            return try ItemImage(bytes: bytes, name: name)
        } catch let error as ImageError {
            throw ServiceError(.unprocessableContent, .invalidRequest, "\(error)", parameter: parameter)
        }
    }
}
