import CMafinImages
import Foundation

/// Reads PNG and JPEG.
///
/// The orientation of EXIF is applied. Then the pixels are those of Pillow's `convert("RGB")`: greyscale is repeated, palettes are looked up,
/// 16-bit colours keep their high byte, CMYK and YCCK are taken as Adobe stores them (inverted), colour profiles and gamma are ignored, and
/// alpha is dropped, not blended: a transparent pixel has the colour that the file says.
/// Any bytes give an image or an ``ImageError``.
public enum ImageReader {
    /// Reads a file.
    /// - Throws: ``ImageError``, which names the file and the reason.
    public static func read(contentsOf file: URL, limits: ImageLimits = .default) throws -> PixelImage {
        try decode(try contents(of: file, limits: limits), name: file.path, limits: limits)
    }

    /// Decodes the bytes of a file.
    /// - Parameter name: what errors call the image.
    /// - Throws: ``ImageError``.
    public static func decode(_ bytes: Data, name: String, limits: ImageLimits = .default) throws -> PixelImage {
        try bytes.withUnsafeBytes { try decode($0, name: name, limits: limits) }
    }

    /// Decodes the bytes of a file.
    /// - Parameter name: what errors call the image.
    /// - Throws: ``ImageError``.
    public static func decode(_ bytes: [UInt8], name: String, limits: ImageLimits = .default) throws -> PixelImage {
        try bytes.withUnsafeBytes { try decode($0, name: name, limits: limits) }
    }

    /// Width and height of an image after its orientation was applied, from its header alone. Nothing is decoded.
    /// - Throws: ``ImageError``.
    public static func size(of bytes: Data, name: String) throws -> (width: Int, height: Int) {
        let header = try bytes.withUnsafeBytes { try Self.header(of: $0, name: name) }
        let (width, height) = (Int(header.width), Int(header.height))
        return header.orientation >= 5 ? (height, width) : (width, height)
    }

    /// The bytes of a file that is not larger than the limit.
    static func contents(of file: URL, limits: ImageLimits) throws -> Data {
        let path = file.path
        let attributes = try? FileManager.default.attributesOfItem(atPath: file.resolvingSymlinksInPath().path)
        guard let attributes else { throw ImageError.missingFile(path: path) }
        guard attributes[.type] as? FileAttributeType == .typeRegular else {
            throw ImageError.unreadable(path: path, reason: "it is not a file")
        }
        let size = (attributes[.size] as? NSNumber)?.intValue ?? 0
        guard size <= limits.bytes else { throw ImageError.tooManyBytes(name: path, bytes: size, limit: limits.bytes) }
        do {
            return try Data(contentsOf: file)
        } catch {
            throw ImageError.unreadable(path: path, reason: error.localizedDescription)
        }
    }

    private static func header(of bytes: UnsafeRawBufferPointer, name: String) throws -> mafin_image_header {
        guard ImageFormat(bytes.prefix(16)) != nil, let base = bytes.assumingMemoryBound(to: UInt8.self).baseAddress
        else {
            throw ImageError.unknownFormat(name: name, found: ImageFormat.otherName(bytes.prefix(16)))
        }
        var header = mafin_image_header()
        try withReason(name) { mafin_image_read_header(base, bytes.count, &header, $0) }
        return header
    }

    private static func decode(
        _ bytes: UnsafeRawBufferPointer, name: String, limits: ImageLimits
    ) throws -> PixelImage {
        guard bytes.count <= limits.bytes else {
            throw ImageError.tooManyBytes(name: name, bytes: bytes.count, limit: limits.bytes)
        }
        let header = try Self.header(of: bytes, name: name)
        let (width, height) = (Int(header.width), Int(header.height))
        // Both are below 2³¹, so that the product cannot overflow.
        guard width * height <= limits.pixels else {
            throw ImageError.tooManyPixels(name: name, width: width, height: height, limit: limits.pixels)
        }
        guard max(width, height) <= limits.side else {
            throw ImageError.sideTooLong(name: name, width: width, height: height, limit: limits.side)
        }
        let count = 3 * width * height
        let pixels = try [UInt8](unsafeUninitializedCapacity: count) { output, written in
            guard let source = bytes.assumingMemoryBound(to: UInt8.self).baseAddress, let target = output.baseAddress
            else { return }
            // Not every byte is written before an error.
            target.initialize(repeating: 0, count: count)
            try withUnsafePointer(to: header) { header in
                try withReason(name) { mafin_image_decode(source, bytes.count, header, target, $0) }
            }
            written = count
        }
        guard header.orientation > 1 else { return PixelImage(width: width, height: height, pixels: pixels) }
        let turned = [UInt8](unsafeUninitializedCapacity: count) { output, written in
            guard let target = output.baseAddress else { return }
            mafin_image_orient(pixels, width, height, header.orientation, target)
            written = count
        }
        let swaps = header.orientation >= 5
        return PixelImage(width: swaps ? height : width, height: swaps ? width : height, pixels: turned)
    }

    /// Calls a function that returns 0 and a reason when it fails.
    private static func withReason(
        _ name: String, _ body: (UnsafeMutablePointer<CChar>) -> Int32
    ) throws {
        try withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(MAFIN_IMAGE_REASON)) { buffer in
            guard let reason = buffer.baseAddress else { return }
            reason.initialize(repeating: 0, count: buffer.count)
            guard body(reason) == 0 else { return }
            throw ImageError.damaged(name: name, reason: String(cString: reason))
        }
    }
}
