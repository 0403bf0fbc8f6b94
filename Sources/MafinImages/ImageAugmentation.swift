import MafinNumerics

/// Light random changes of a training image that leave what it shows as it is: a crop, a reflection, a little colour.
///
/// The same image, settings and seed give the same result on every machine.
public struct ImageAugmentation: Sendable, Codable, Equatable {
    /// The least share of the area that a crop keeps; 1: no crop. The share is uniform between this and 1, the crop has the shape of the
    /// image, and its place is uniform.
    public var crop: Float
    /// Whether half of the images are mirrored left to right. Not for pictures of writing.
    public var flip: Bool
    /// Brightness, contrast and saturation are each multiplied by a factor that is uniform in 1 ± this; 0: colours stay. At most 1.
    public var colour: Float

    /// Settings.
    /// - Precondition: `crop` is above 0 and at most 1, `colour` is in 0 ... 1.
    public init(crop: Float = 0.8, flip: Bool = true, colour: Float = 0.1) {
        precondition(crop > 0 && crop <= 1, "a crop that keeps \(crop) of the area")
        precondition(colour >= 0 && colour <= 1, "colours that change by \(colour)")
        (self.crop, self.flip, self.colour) = (crop, flip, colour)
    }

    /// No change.
    public static let off = ImageAugmentation(crop: 1, flip: false, colour: 0)

    /// Whether nothing is changed.
    public var isOff: Bool { self == .off }

    /// The image, changed.
    /// - Parameter seed: for instance of the run, the step and the row of the image.
    public func augmented(_ image: PixelImage, seed: UInt64) -> PixelImage {
        guard !isOff else { return image }
        var generator = RandomGenerator(seed: seed)
        // Every number is drawn whatever the settings are, so that one setting does not change the others' numbers.
        let share = (crop + (1 - crop) * generator.uniform()).squareRoot()
        let (x, y) = (generator.uniform(), generator.uniform())
        let mirrors = generator.uniform() < 0.5
        func factor() -> Float { 1 + colour * (2 * generator.uniform() - 1) }
        let factors = (factor(), factor(), factor())
        let width = max(1, Int((share * Float(image.width)).rounded()))
        let height = max(1, Int((share * Float(image.height)).rounded()))
        let left = min(image.width - width, Int(x * Float(image.width - width + 1)))
        let top = min(image.height - height, Int(y * Float(image.height - height + 1)))
        let cut = image.cropped(left: left, top: top, width: width, height: height, mirrored: flip && mirrors)
        guard colour > 0 else { return cut }
        return cut.adjusted(brightness: factors.0, contrast: factors.1, saturation: factors.2)
    }
}

extension PixelImage {
    /// A rectangle of the image, mirrored left to right if so asked.
    func cropped(left: Int, top: Int, width cropWidth: Int, height cropHeight: Int, mirrored: Bool) -> PixelImage {
        precondition(left >= 0 && top >= 0 && left + cropWidth <= width && top + cropHeight <= height)
        if cropWidth == width, cropHeight == height, !mirrored { return self }
        let count = 3 * cropWidth * cropHeight
        let cut = [UInt8](unsafeUninitializedCapacity: count) { output, written in
            pixels.withUnsafeBufferPointer { input in
                for y in 0..<cropHeight {
                    let row = 3 * ((top + y) * width + left)
                    for x in 0..<cropWidth {
                        let from = row + 3 * (mirrored ? cropWidth - 1 - x : x)
                        let to = 3 * (y * cropWidth + x)
                        for colour in 0..<3 { output[to + colour] = input[from + colour] }
                    }
                }
            }
            written = count
        }
        return PixelImage(width: cropWidth, height: cropHeight, pixels: cut)
    }

    /// Brightness, contrast and saturation multiplied by factors, one after the other, rounded down to bytes after each. A factor of 1 changes
    /// nothing. They are `Brightness`, `Contrast` and `Color` of Pillow's `ImageEnhance`: a blend with black, with the mean brightness, and
    /// with the greyscale image.
    func adjusted(brightness: Float, contrast: Float, saturation: Float) -> PixelImage {
        func blend(_ base: Float, _ value: UInt8, _ factor: Float) -> UInt8 {
            UInt8(max(0, min(255, base + factor * (Float(value) - base))))
        }
        let count = pixels.count
        let adjusted = [UInt8](unsafeUninitializedCapacity: count) { output, written in
            var sum = 0
            for index in stride(from: 0, to: count, by: 3) {
                for colour in 0..<3 { output[index + colour] = blend(0, pixels[index + colour], brightness) }
                sum += Int(Self.brightness(output[index], output[index + 1], output[index + 2]))
            }
            let mean = (Float(sum) / Float(count / 3) + 0.5).rounded(.down)
            for index in stride(from: 0, to: count, by: 3) {
                for colour in 0..<3 { output[index + colour] = blend(mean, output[index + colour], contrast) }
                let grey = Float(Self.brightness(output[index], output[index + 1], output[index + 2]))
                for colour in 0..<3 { output[index + colour] = blend(grey, output[index + colour], saturation) }
            }
            written = count
        }
        return PixelImage(width: width, height: height, pixels: adjusted)
    }
}
