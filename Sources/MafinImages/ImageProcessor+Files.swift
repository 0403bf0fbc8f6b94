import Foundation
import MafinNumerics

extension ImageProcessor {
    /// Name of the file in a checkpoint's folder.
    public static let fileName = "preprocessor_config.json"

    /// Reads `preprocessor_config.json` of a checkpoint's folder.
    /// - Throws: ``ImageError``, which names the file and the field.
    public init(folder: URL) throws {
        let file = folder.appendingPathComponent(Self.fileName)
        guard FileManager.default.fileExists(atPath: file.path) else {
            throw ImageError.processor(path: file.path, reason: "no such file; expected how the encoder reads images")
        }
        let json: Data
        do {
            json = try Data(contentsOf: file)
        } catch {
            throw ImageError.unreadable(path: file.path, reason: error.localizedDescription)
        }
        try self.init(json: json, path: file.path)
    }

    /// Reads the text of a `preprocessor_config.json`.
    /// - Parameter path: of the file, for errors.
    /// - Throws: ``ImageError/processor(path:reason:)``.
    public init(json: Data, path: String) throws {
        func fault(_ reason: String) -> ImageError { .processor(path: path, reason: reason) }
        let config: Config
        do {
            config = try JSONDecoder().decode(Config.self, from: json)
        } catch let error as DecodingError {
            throw fault("\"\(error.fault.field)\": \(error.fault.reason)")
        }
        let kind = config.image_processor_type ?? config.feature_extractor_type ?? "an unnamed processor"
        guard let family = Self.families.first(where: { kind.hasPrefix($0.key) })?.value else {
            throw fault("the image processor \"\(kind)\" is unknown; expected one of \(Self.known)")
        }
        var resize: Resize?
        if config.do_resize ?? true {
            switch config.size {
            case .number(let length): resize = family.numberIsShortestEdge ? .shortestEdge(length) : .square(length)
            case .edges(let shortest?, nil, nil): resize = .shortestEdge(shortest)
            case .edges(nil, let height?, let width?):
                guard height == width else {
                    throw fault(
                        "\"size\" is \(width) × \(height); expected a square, because the encoder's input is one")
                }
                resize = .square(height)
            case .edges: throw fault("\"size\" should have \"shortest_edge\", or \"height\" and \"width\"")
            case nil: resize = family.size
            }
        }
        var crop: Int?
        if config.do_center_crop ?? family.crops {
            switch config.crop_size {
            case .number(let length): crop = length
            case .edges(nil, let height?, let width?) where height == width: crop = height
            case .edges: throw fault("\"crop_size\" should have one \"height\" and \"width\"")
            case nil: crop = 224
            }
        }
        guard let filter = ResamplingFilter(rawValue: config.resample ?? family.filter.rawValue) else {
            throw fault(
                "\"resample\" is \(config.resample ?? -1); expected 0 (nearest), 1 (Lanczos), 2 (bilinear) or 3 (bicubic)"
            )
        }
        let normalises = config.do_normalize ?? true
        let mean = normalises ? config.image_mean ?? family.mean : [0, 0, 0]
        let deviation = normalises ? config.image_std ?? family.deviation : [1, 1, 1]
        guard mean.count == 3, deviation.count == 3, deviation.allSatisfy({ $0 > 0 }) else {
            throw fault(
                "\"image_mean\" and \"image_std\" should have three numbers each, those of \"image_std\" above 0")
        }
        if let reason = Self.fault(resize: resize, crop: crop) { throw fault(reason) }
        self.init(
            resize: resize, filter: filter, crop: crop,
            scale: config.do_rescale ?? true ? config.rescale_factor ?? 1 / 255 : 1, mean: mean, deviation: deviation)
    }

    /// Writes `preprocessor_config.json`, which transformers reads too.
    /// - Throws: `NumericsError` if the file cannot be written.
    public func write(to folder: URL) throws {
        var config = Config()
        // Squares are what ViTImageProcessor makes, everything else BitImageProcessor.
        config.image_processor_type = crop == nil ? "ViTImageProcessor" : "BitImageProcessor"
        config.do_resize = resize != nil
        switch resize {
        case .square(let side): config.size = .edges(shortest_edge: nil, height: side, width: side)
        case .shortestEdge(let edge): config.size = .edges(shortest_edge: edge, height: nil, width: nil)
        case nil: break
        }
        config.resample = filter.rawValue
        if let crop {
            config.do_center_crop = true
            config.crop_size = .edges(shortest_edge: nil, height: crop, width: crop)
        }
        config.do_convert_rgb = crop == nil ? nil : true
        config.do_rescale = true
        config.rescale_factor = scale
        config.do_normalize = true
        (config.image_mean, config.image_std) = (mean, deviation)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        try AtomicFile.write(encoder.encode(config), to: folder.appendingPathComponent(Self.fileName))
    }

    /// What a processor of transformers does if its file does not say.
    private struct Family {
        var size: Resize
        var numberIsShortestEdge: Bool
        var crops: Bool
        var filter: ResamplingFilter
        var mean: [Double]
        var deviation: [Double]
    }

    private static let clip = Family(
        size: .shortestEdge(224), numberIsShortestEdge: true, crops: true, filter: .bicubic,
        mean: [0.48145466, 0.4578275, 0.40821073], deviation: [0.26862954, 0.26130258, 0.27577711])

    private static let vit = Family(
        size: .square(224), numberIsShortestEdge: false, crops: false, filter: .bilinear, mean: [0.5, 0.5, 0.5],
        deviation: [0.5, 0.5, 0.5])

    private static let families: [String: Family] = [
        "ViTImageProcessor": vit, "ViTFeatureExtractor": vit, "BitImageProcessor": clip, "CLIPImageProcessor": clip,
        "CLIPFeatureExtractor": clip,
    ]

    private static let known = "ViTImageProcessor, BitImageProcessor and CLIPImageProcessor"

    /// The members of the file that are followed.
    private struct Config: Codable {
        var image_processor_type: String?
        var feature_extractor_type: String?
        var do_resize: Bool?
        var size: Size?
        var resample: Int?
        var do_center_crop: Bool?
        var crop_size: Size?
        var do_convert_rgb: Bool?
        var do_rescale: Bool?
        var rescale_factor: Double?
        var do_normalize: Bool?
        var image_mean: [Double]?
        var image_std: [Double]?
    }

    /// A number, or an object with lengths of edges.
    private enum Size: Codable {
        case number(Int)
        case edges(shortest_edge: Int?, height: Int?, width: Int?)

        private enum CodingKeys: String, CodingKey { case shortest_edge, height, width }

        init(from decoder: any Decoder) throws {
            if let number = try? decoder.singleValueContainer().decode(Int.self) {
                self = .number(number)
                return
            }
            let edges = try decoder.container(keyedBy: CodingKeys.self)
            self = .edges(
                shortest_edge: try edges.decodeIfPresent(Int.self, forKey: .shortest_edge),
                height: try edges.decodeIfPresent(Int.self, forKey: .height),
                width: try edges.decodeIfPresent(Int.self, forKey: .width))
        }

        func encode(to encoder: any Encoder) throws {
            switch self {
            case .number(let number):
                var container = encoder.singleValueContainer()
                try container.encode(number)
            case .edges(let shortest, let height, let width):
                var container = encoder.container(keyedBy: CodingKeys.self)
                try container.encodeIfPresent(shortest, forKey: .shortest_edge)
                try container.encodeIfPresent(height, forKey: .height)
                try container.encodeIfPresent(width, forKey: .width)
            }
        }
    }
}
