import CMafinImages
import Foundation

extension PixelImage {
    /// The image as a PNG file.
    /// - Throws: ``ImageError/unwritable(name:)`` if there is no memory for it.
    public func png(name: String) throws -> Data {
        var bytes = [UInt8](repeating: 0, count: 2 * pixels.count + 4096)
        let count = mafin_image_write_png(pixels, UInt32(width), UInt32(height), &bytes, bytes.count)
        guard count > 0 else { throw ImageError.unwritable(name: name) }
        return Data(bytes.prefix(count))
    }
}

extension ItemImage {
    /// A file of at most this many bytes, and of at most ``smallSide`` pixels a side, is its own thumbnail.
    public static let smallFile = 20_000
    /// Pixels of a side. A small file may hold very many, which a page would have to decode.
    public static let smallSide = 512

    /// The image as a data URL for pages: the file itself if it is small, otherwise a PNG whose longer side has at most `side` pixels.
    /// - Throws: ``ImageError``.
    public func thumbnail(side: Int = 64) throws -> String {
        if byteCount <= Self.smallFile {
            let size = try ImageReader.size(of: bytes(), name: name)
            if max(size.width, size.height) <= Self.smallSide { return try dataURL() }
        }
        let image = try pixels()
        let longer = max(image.width, image.height)
        guard longer > side else { return Self.dataURL(try image.png(name: name)) }
        func scaled(_ length: Int) -> Int { max(1, (length * side + longer / 2) / longer) }
        let small = image.resized(width: scaled(image.width), height: scaled(image.height), filter: .bicubic)
        return Self.dataURL(try small.png(name: name))
    }

    private static func dataURL(_ png: Data) -> String { "data:image/png;base64,\(png.base64EncodedString())" }
}
