/// What can be wrong with an image or with the description of how an encoder reads images.
///
/// `name` is the path of a file; for an image from memory, what the caller calls it.
public enum ImageError: Error, Equatable, Sendable, CustomStringConvertible {
    /// An image cannot be written as a file.
    case unwritable(name: String)
    /// There is no file at the path.
    case missingFile(path: String)
    /// The file exists, but it cannot be read.
    case unreadable(path: String, reason: String)
    /// The bytes are neither PNG nor JPEG. `found` says what they are, if that is known.
    case unknownFormat(name: String, found: String)
    /// The image is truncated or damaged.
    case damaged(name: String, reason: String)
    /// The image has more pixels than the caller allows. It was not decoded.
    case tooManyPixels(name: String, width: Int, height: Int, limit: Int)
    /// The image is longer or higher than the caller allows. It was not decoded.
    case sideTooLong(name: String, width: Int, height: Int, limit: Int)
    /// The file has more bytes than the caller allows. It was not read.
    case tooManyBytes(name: String, bytes: Int, limit: Int)
    /// The bytes are not those of which the collection knows the hash.
    case changed(name: String, expected: String, found: String)
    /// A `preprocessor_config.json` that cannot be followed.
    case processor(path: String, reason: String)

    /// One sentence: which image, what was expected, what was found.
    public var description: String {
        switch self {
        case .unwritable(let name): "\(name): there is no memory to write it as a PNG"
        case .missingFile(let path): "\(path): no such file; expected an image"
        case .unreadable(let path, let reason): "\(path): cannot be read: \(reason)"
        case .unknownFormat(let name, let found): "\(name): expected a PNG or a JPEG, found \(found)"
        case .damaged(let name, let reason): "\(name): cannot be decoded: \(reason)"
        case .tooManyPixels(let name, let width, let height, let limit):
            "\(name): \(width) × \(height) pixels; at most \(limit) pixels are decoded"
        case .sideTooLong(let name, let width, let height, let limit):
            "\(name): \(width) × \(height) pixels; a side may have at most \(limit)"
        case .tooManyBytes(let name, let bytes, let limit):
            "\(name): \(bytes) bytes; an image may have at most \(limit)"
        case .changed(let name, let expected, let found):
            "\(name): the file has changed since it was read first: SHA-256 \(found.prefix(12))… instead of \(expected.prefix(12))…"
        case .processor(let path, let reason): "\(path): \(reason)"
        }
    }
}

/// How much an image may take. Both limits are checked before anything is allocated for the image.
public struct ImageLimits: Sendable, Equatable {
    /// The most pixels, `width · height`. While a progressive JPEG is decoded, a pixel takes up to 11 bytes, otherwise up to 6.
    public var pixels: Int
    /// The longest side. Resizing takes memory in proportion to it.
    public var side: Int
    /// The most bytes of the file.
    public var bytes: Int

    /// Limits.
    public init(pixels: Int = 64_000_000, side: Int = 65_535, bytes: Int = 64 << 20) {
        self.pixels = pixels
        self.side = side
        self.bytes = bytes
    }

    /// 64 million pixels, 65,535 pixels a side and 64 MiB.
    public static let `default` = ImageLimits()
}
