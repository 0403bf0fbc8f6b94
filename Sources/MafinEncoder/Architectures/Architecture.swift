import Foundation

/// A network as a value: its sizes, the list of its operations, and the names of its tensors in a checkpoint.
///
/// A new architecture is one more file with such a value, and one more entry in `families`.
public struct Architecture: Sendable, CustomStringConvertible {
    /// The value of `model_type` in `config.json`.
    public let name: String
    /// The sizes of the network.
    public let configuration: EncoderConfiguration
    /// The images that the network reads; `nil`: it reads texts.
    public let images: ImageShape?
    /// Prefixes that checkpoints with a head put before the names of tensors.
    let prefixes: [String]
    /// Tensors that are not used and are exported unchanged begin with one of these names.
    let unusedTensors: [String]
    /// Writes the list of operations.
    private let operations: @Sendable (inout NetworkBuilder) -> Network
    /// What distinguishes the network beyond its sizes.
    private let details: String

    init(
        name: String, _ configuration: EncoderConfiguration, images: ImageShape? = nil, prefixes: [String],
        unusedTensors: [String] = ["pooler."], details: String = "",
        operations: @escaping @Sendable (inout NetworkBuilder) -> Network
    ) {
        self.name = name
        self.configuration = configuration
        self.images = images
        self.prefixes = prefixes
        self.unusedTensors = unusedTensors
        self.details = details
        self.operations = operations
    }

    /// Every family that can be read, by the value of `model_type`.
    static let families: [String: @Sendable (JSONFile) throws -> Architecture] = [
        "bert": { .bert(try BERTSizes($0)) },
        "mpnet": Architecture.mpnet,
        "xlm-roberta": { try .roberta($0, name: "xlm-roberta") },
        "roberta": { try .roberta($0, name: "roberta") },
        "camembert": { try .roberta($0, name: "camembert") },
        "modernbert": Architecture.modernBERT,
        "nomic_bert": Architecture.nomicBERT,
        "new": Architecture.gte,
        "gte": Architecture.gte,
    ]

    /// Those of them that read images, of the given side; `nil`: that of the configuration.
    static let imageFamilies: [String: @Sendable (JSONFile, _ side: Int?) throws -> Architecture] = [
        "vit": Architecture.vit,
        "dinov2": Architecture.dinov2,
        "clip_vision_model": Architecture.clipVision,
        "clip": Architecture.clip,
    ]

    /// The values of `model_type` that can be read.
    public static var known: [String] { (Array(families.keys) + Array(imageFamilies.keys)).sorted() }

    /// Reads `config.json` of a checkpoint folder.
    /// - Parameter imageSide: pixels of a side of the images; `nil`: as the configuration says. Networks that read texts ignore it.
    /// - Throws: ``EncoderError`` for a missing file, an impossible size, or an architecture, activation or kind of position that is not known,
    ///   with the list of those that are.
    public static func read(modelFolder: URL, imageSide: Int? = nil) throws -> Architecture {
        let json = try JSONFile(modelFolder.appendingPathComponent("config.json"))
        let name = json.string("model_type") ?? "none"
        if let family = imageFamilies[name] { return try family(json, imageSide) }
        guard let family = families[name] else {
            throw EncoderError.unsupported(
                path: json.path, what: "architecture (model_type)", found: name,
                supported: known.joined(separator: ", "))
        }
        return try family(json)
    }

    /// The network with places and offsets for all that it needs.
    func network(_ trained: TrainedPart = TrainedPart()) -> Network {
        var builder = NetworkBuilder(configuration, trained)
        return operations(&builder)
    }

    /// Says everything that vectors depend on besides the weights.
    public var description: String { "\(name), \(configuration)" + (details.isEmpty ? "" : ", \(details)") }
}
