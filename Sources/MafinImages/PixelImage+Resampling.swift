import CMafinImages

/// A filter of resampling, by the numbers of Pillow and of `preprocessor_config.json`.
public enum ResamplingFilter: Int, Sendable, Codable, CaseIterable {
    /// The nearest pixel, without any averaging.
    case nearest = 0
    /// A windowed sinc over three pixels.
    case lanczos = 1
    /// A triangle over one pixel.
    case bilinear = 2
    /// Keys' cubic over two pixels.
    case bicubic = 3
}

extension PixelImage {
    /// The image in another size, antialiased: equal to Pillow's `resize`.
    public func resized(width: Int, height: Int, filter: ResamplingFilter) -> PixelImage {
        resized(width: width, height: height, filter: filter, left: 0, top: 0, cropWidth: width, cropHeight: height)
    }

    /// The rectangle of a resized image. Only the pixels of the rectangle are computed.
    /// - Precondition: the rectangle lies within `width` × `height`.
    func resized(
        width toWidth: Int, height toHeight: Int, filter: ResamplingFilter, left: Int, top: Int, cropWidth: Int,
        cropHeight: Int
    ) -> PixelImage {
        precondition(
            left >= 0 && top >= 0 && cropWidth > 0 && cropHeight > 0 && left + cropWidth <= toWidth
                && top + cropHeight <= toHeight, "a rectangle beyond \(toWidth) × \(toHeight) pixels")
        return PixelImage(
            width: cropWidth, height: cropHeight,
            pixels: Self.resampled(
                pixels, width: width, height: height, channels: 3, filter: filter, toWidth: toWidth, toHeight: toHeight,
                window: mafin_image_window(left: left, top: top, width: cropWidth, height: cropHeight)))
    }

    /// The brightness of each pixel in another size: one byte a pixel, with the weights of ITU-R 601 as Pillow's `convert("L")` rounds them.
    func grey(width toWidth: Int, height toHeight: Int, filter: ResamplingFilter) -> [UInt8] {
        let grey = [UInt8](unsafeUninitializedCapacity: width * height) { output, written in
            for index in 0..<(width * height) {
                output[index] = Self.brightness(pixels[3 * index], pixels[3 * index + 1], pixels[3 * index + 2])
            }
            written = width * height
        }
        return Self.resampled(
            grey, width: width, height: height, channels: 1, filter: filter, toWidth: toWidth, toHeight: toHeight,
            window: mafin_image_window(left: 0, top: 0, width: toWidth, height: toHeight))
    }

    /// 0.299 R + 0.587 G + 0.114 B, in fixed point with 16 bits, rounded.
    static func brightness(_ red: UInt8, _ green: UInt8, _ blue: UInt8) -> UInt8 {
        let sum: Int = Int(red) * 19595 + Int(green) * 38470 + Int(blue) * 7471
        return UInt8((sum + 0x8000) >> 16)
    }

    private static func resampled(
        _ pixels: [UInt8], width: Int, height: Int, channels: Int, filter: ResamplingFilter, toWidth: Int,
        toHeight: Int,
        window: mafin_image_window
    ) -> [UInt8] {
        let count = window.width * window.height * channels
        return [UInt8](unsafeUninitializedCapacity: count) { output, written in
            guard let target = output.baseAddress else { return }
            let done = withUnsafePointer(to: window) {
                mafin_image_resample(
                    pixels, width, height, channels, Int32(filter.rawValue), toWidth, toHeight, $0, target)
            }
            // As when a Swift array cannot be allocated.
            guard done == 1 else { fatalError("no memory to resize an image of \(width) × \(height) pixels") }
            written = count
        }
    }
}
