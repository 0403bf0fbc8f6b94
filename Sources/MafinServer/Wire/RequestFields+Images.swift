import Foundation
import HTTPTypes
import MafinImages

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

    private static func image(_ url: String, _ name: String) throws -> ItemImage {
        let parameter = name.split(separator: "[").first.map(String.init) ?? name
        guard let comma = url.firstIndex(of: ","), url.hasPrefix("data:image/"), url[..<comma].hasSuffix(";base64"),
            let bytes = Data(base64Encoded: String(url[url.index(after: comma)...]))
        else {
            throw ServiceError.invalid(
                "\(name) must be a data URL such as data:image/png;base64,…", parameter: parameter)
        }
        do {
            let image = try ItemImage(bytes: bytes, name: name)
            guard ImageFormat(bytes.prefix(16)) != nil else {
                throw ServiceError.invalid("\(name) holds neither a PNG nor a JPEG", parameter: parameter)
            }
            return image
        } catch let error as ImageError {
            throw ServiceError(.unprocessableContent, .invalidRequest, "\(error)", parameter: parameter)
        }
    }
}
