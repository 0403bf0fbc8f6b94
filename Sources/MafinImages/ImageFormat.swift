import CMafinImages

/// A format of image files that is read.
public enum ImageFormat: String, Sendable, Codable, CaseIterable {
    /// Portable Network Graphics.
    case png
    /// JPEG, baseline or progressive.
    case jpeg

    /// The type in HTTP and in data URLs: `image/png`, `image/jpeg`.
    public var mediaType: String { "image/\(rawValue)" }

    /// The endings of files of this format, in lower case.
    public var fileEndings: [String] { self == .png ? ["png"] : ["jpg", "jpeg"] }

    /// The format of a file by its first bytes; `nil` for all other files, whatever their names are.
    public init?(_ bytes: some Collection<UInt8>) {
        let start = Array(bytes.prefix(16))
        switch mafin_image_format(start, start.count) {
        case Int32(MAFIN_IMAGE_PNG): self = .png
        case Int32(MAFIN_IMAGE_JPEG): self = .jpeg
        default: return nil
        }
    }

    /// What bytes that are neither PNG nor JPEG are, in words for an error.
    static func otherName(_ bytes: some Collection<UInt8>) -> String {
        let start = Array(bytes.prefix(16))
        guard !start.isEmpty else { return "an empty file" }
        func has(_ text: String, at offset: Int = 0) -> Bool {
            start.dropFirst(offset).starts(with: Array(text.utf8))
        }
        if has("RIFF"), has("WEBP", at: 8) { return "a WebP image, which is not read; convert it to PNG or JPEG" }
        let names: [(Bool, String)] = [
            (has("GIF87a") || has("GIF89a"), "a GIF"),
            (has("BM"), "a BMP"),
            (has("II*\0") || has("MM\0*"), "a TIFF"),
            (has("ftypavif", at: 4), "an AVIF"),
            (has("ftyphei", at: 4) || has("ftypmif1", at: 4), "a HEIF"),
            (start.starts(with: [0xFF, 0x0A]) || has("JXL ", at: 4), "a JPEG XL"),
            (has("jP  ", at: 4), "a JPEG 2000"),
            (start.starts(with: [0, 0, 1, 0]), "an icon (ICO)"),
        ]
        if let name = names.first(where: \.0)?.1 {
            return "\(name) image, which is not read; convert it to PNG or JPEG"
        }
        if has("%PDF") { return "a PDF, not an image" }
        if has("<svg") || has("<?xml") { return "an SVG or XML text, not an image of pixels" }
        if has("version https:/") { return "a pointer of Git LFS, not the image itself" }
        let shown = start.prefix(8).map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined(
            separator: " ")
        return "a file that is not an image (it begins with \(shown))"
    }
}
