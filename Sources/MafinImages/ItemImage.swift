import Foundation
import MafinNumerics

/// The image of a document, of a query, or of an item that a black box embeds: where its file is, and the hash of its bytes.
///
/// Two images are equal if their names and their hashes are.
public struct ItemImage: Sendable {
    /// The path as the collection writes it, `images/7.jpg`; for an image from memory what errors call it.
    public let path: String
    /// SHA-256 of the bytes of the file, in lower-case hexadecimal. It identifies the image in caches and leak guards.
    public let contentHash: String
    /// Size of the file in bytes.
    public let byteCount: Int
    private let place: Place

    private enum Place: Sendable, Hashable, Codable {
        case file(URL)
        case memory(Data)
    }

    /// The image in a file. The file is read once, to hash it, and is not decoded.
    /// - Parameter path: the path as the collection writes it.
    /// - Throws: ``ImageError`` if there is no such file, if it is too large, or if it is neither PNG nor JPEG.
    public init(file: URL, path: String, limits: ImageLimits = .default) throws {
        let bytes = try ImageReader.contents(of: file, limits: limits)
        guard ImageFormat(bytes.prefix(16)) != nil else {
            throw ImageError.unknownFormat(name: file.path, found: ImageFormat.otherName(bytes.prefix(16)))
        }
        self.path = path
        contentHash = ContentHash.hexadecimal(ContentHash.sha256(bytes))
        byteCount = bytes.count
        place = .file(file)
    }

    /// An image in memory, such as one from a request.
    /// - Parameter name: what errors call it.
    /// - Throws: ``ImageError`` if it is too large, or neither PNG nor JPEG.
    public init(bytes: Data, name: String, limits: ImageLimits = .default) throws {
        guard bytes.count <= limits.bytes else {
            throw ImageError.tooManyBytes(name: name, bytes: bytes.count, limit: limits.bytes)
        }
        guard ImageFormat(bytes.prefix(16)) != nil else {
            throw ImageError.unknownFormat(name: name, found: ImageFormat.otherName(bytes.prefix(16)))
        }
        path = name
        contentHash = ContentHash.hexadecimal(ContentHash.sha256(bytes))
        byteCount = bytes.count
        place = .memory(bytes)
    }

    /// The file; `nil` for an image in memory.
    public var file: URL? { if case .file(let file) = place { file } else { nil } }

    /// What errors call the image: the path of its file, or its name.
    public var name: String { file?.path ?? path }

    /// The bytes of the file, which is read again at each call.
    /// - Throws: ``ImageError``, also if the file is no longer the one that was hashed: what was paid and trained for is another picture.
    public func bytes(limits: ImageLimits = .default) throws -> Data {
        switch place {
        case .memory(let bytes): return bytes
        case .file(let file):
            let bytes = try ImageReader.contents(of: file, limits: limits)
            let found = ContentHash.hexadecimal(ContentHash.sha256(bytes))
            guard found == contentHash else {
                throw ImageError.changed(name: file.path, expected: contentHash, found: found)
            }
            return bytes
        }
    }

    /// The decoded image.
    /// - Throws: ``ImageError``.
    public func pixels(limits: ImageLimits = .default) throws -> PixelImage {
        try ImageReader.decode(bytes(limits: limits), name: name, limits: limits)
    }

    /// The perceptual hash of the decoded image.
    /// - Throws: ``ImageError``.
    public func perceptualHash(limits: ImageLimits = .default) throws -> PerceptualHash {
        PerceptualHash(try pixels(limits: limits))
    }

    /// `data:image/jpeg;base64,…`, in which APIs take an image.
    /// - Throws: ``ImageError``.
    public func dataURL(limits: ImageLimits = .default) throws -> String {
        let bytes = try bytes(limits: limits)
        let type = (ImageFormat(bytes.prefix(16)) ?? .png).mediaType
        return "data:\(type);base64,\(bytes.base64EncodedString())"
    }
}

extension ItemImage: Hashable {
    /// Whether hashes and names are equal.
    public static func == (a: ItemImage, b: ItemImage) -> Bool { a.contentHash == b.contentHash && a.path == b.path }

    /// Hashes what `==` compares.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(contentHash)
        hasher.combine(path)
    }
}

extension ItemImage: Codable {}
