/// A decoded image: RGB, one byte a colour.
public struct PixelImage: Sendable, Equatable {
    /// Pixels in a row; at least 1.
    public let width: Int
    /// Number of rows; at least 1.
    public let height: Int
    /// Red, green and blue of each pixel, row by row from the top: `3 · width · height` bytes.
    public let pixels: [UInt8]

    /// An image of these pixels.
    /// - Precondition: there are `3 · width · height` bytes, and the image is not empty.
    public init(width: Int, height: Int, pixels: [UInt8]) {
        precondition(width > 0 && height > 0, "an image of \(width) × \(height) pixels")
        precondition(pixels.count == 3 * width * height, "\(pixels.count) bytes for \(width) × \(height) pixels")
        self.width = width
        self.height = height
        self.pixels = pixels
    }
}
