import CMafinImages
import Foundation
import MafinNumerics

/// What an encoder does with an image before its first layer: resize, crop, scale, normalise. It is `preprocessor_config.json` of transformers.
///
/// `ViTImageProcessor`, `BitImageProcessor` (DINOv2), `CLIPImageProcessor` and their `…Fast` forms are followed. The result is that of the
/// processors that use Pillow.
/// ```swift
/// let processor = try ImageProcessor(folder: checkpoint)
/// let pixels = processor.tensor(of: try ImageReader.read(contentsOf: file))    // (3, side, side)
/// ```
public struct ImageProcessor: Sendable, Codable, Equatable {
    /// How an image is resized.
    public enum Resize: Sendable, Codable, Equatable {
        /// To a square of this side, whatever its shape is.
        case square(Int)
        /// So that its shorter edge has this length. The longer edge keeps the shape, rounded down.
        case shortestEdge(Int)
    }

    /// How an image is resized; `nil`: images must have the size already.
    public var resize: Resize?
    /// The filter of resizing.
    public var filter: ResamplingFilter
    /// The side of the square that is cut out of the middle; `nil`: nothing is cut.
    public var crop: Int?
    /// What a byte is multiplied with: 1 / 255; 1 if bytes are not scaled.
    public var scale: Double
    /// Subtracted from each colour, after it was scaled.
    public var mean: [Double]
    /// What each colour is then divided by.
    public var deviation: [Double]

    /// A processor from its parts.
    /// - Precondition: ``side`` is defined: there is a crop, or the resize gives a square.
    public init(
        resize: Resize?, filter: ResamplingFilter, crop: Int?, scale: Double = 1 / 255, mean: [Double],
        deviation: [Double]
    ) {
        precondition(mean.count == 3 && deviation.count == 3, "three colours")
        (self.resize, self.filter, self.crop, self.scale) = (resize, filter, crop, scale)
        (self.mean, self.deviation) = (mean, deviation)
        precondition(Self.fault(resize: resize, crop: crop) == nil, Self.fault(resize: resize, crop: crop) ?? "")
    }

    /// The processor of DINOv2's checkpoints: shorter edge 256 with bicubic filter, the middle 224 × 224, ImageNet's mean and deviation.
    public static let dinov2 = ImageProcessor(
        resize: .shortestEdge(256), filter: .bicubic, crop: 224, mean: [0.485, 0.456, 0.406],
        deviation: [0.229, 0.224, 0.225])

    /// Side of the square that the encoder reads, in pixels.
    public var side: Int {
        if let crop { return crop }
        switch resize {
        case .square(let side), .shortestEdge(let side): return side
        case nil: preconditionFailure("a processor without a size")
        }
    }

    /// The same processor for squares of another side. A crop and a resize before it keep their ratio, rounded.
    public func withSide(_ side: Int) -> ImageProcessor {
        var processor = self
        let old = self.side
        func scaled(_ length: Int) -> Int { max(side, Int((Double(length) * Double(side) / Double(old)).rounded())) }
        switch resize {
        case .square(let length): processor.resize = .square(scaled(length))
        case .shortestEdge(let length): processor.resize = .shortestEdge(scaled(length))
        case nil: break
        }
        if crop != nil { processor.crop = side }
        return processor
    }

    /// Why these two do not give a square; `nil` if they do.
    static func fault(resize: Resize?, crop: Int?) -> String? {
        let most = 8192
        for length in [
            crop,
            resize.map {
                if case .square(let side) = $0 { side } else if case .shortestEdge(let edge) = $0 { edge } else { 0 }
            },
        ] {
            if let length, length < 1 || length > most { return "a size of \(length) pixels; expected 1 to \(most)" }
        }
        switch (resize, crop) {
        case (.square(let side), let crop?) where crop > side:
            return "a crop of \(crop) pixels from a square of \(side)"
        case (.shortestEdge(let edge), let crop?) where crop > edge:
            return "a crop of \(crop) pixels from a shorter edge of \(edge)"
        case (.shortestEdge, nil): return "a shorter edge without a crop, which does not give a square"
        case (nil, _): return "no resize, so that only images of one size could be read"
        default: return nil
        }
    }

    // MARK: Processing

    /// The square that the encoder sees, before bytes are scaled and normalised.
    public func pixels(of image: PixelImage) -> PixelImage {
        let (width, height): (Int, Int)
        switch resize {
        case .square(let side): (width, height) = (side, side)
        case .shortestEdge(let edge):
            let (short, long) = (min(image.width, image.height), max(image.width, image.height))
            // int(edge * long / short) of Python, whose quotient is a double.
            let longer = Int(Double(edge * long) / Double(short))
            (width, height) = image.width <= image.height ? (edge, longer) : (longer, edge)
        case nil: (width, height) = (image.width, image.height)
        }
        let (cropWidth, cropHeight) = crop.map { ($0, $0) } ?? (width, height)
        return image.resized(
            width: width, height: height, filter: filter, left: (width - cropWidth) / 2, top: (height - cropHeight) / 2,
            cropWidth: cropWidth, cropHeight: cropHeight)
    }

    /// The encoder's input: `3 · side · side` numbers, channel first.
    public func tensor(of image: PixelImage) -> [Float] {
        let count = 3 * side * side
        return [Float](unsafeUninitializedCapacity: count) { output, written in
            tensor(of: image, into: UnsafeMutableBufferPointer(rebasing: output[..<count]))
            written = count
        }
    }

    /// Writes the encoder's input: `3 · side · side` numbers, channel first.
    /// - Precondition: `output` has that many.
    public func tensor(of image: PixelImage, into output: UnsafeMutableBufferPointer<Float>) {
        precondition(output.count == 3 * side * side, "\(output.count) numbers for a square of \(side) pixels")
        guard let target = output.baseAddress else { return }
        mafin_image_planes(pixels(of: image).pixels, side * side, table, target)
    }

    /// The number of each byte of each colour, in single precision at each step as in transformers.
    private var table: [Float] {
        (0..<3).flatMap { colour in
            (0..<256).map { byte in
                (Float(Double(byte) * scale) - Float(mean[colour])) / Float(deviation[colour])
            }
        }
    }
}
