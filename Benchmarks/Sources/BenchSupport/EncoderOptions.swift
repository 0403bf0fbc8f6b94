import ArgumentParser
import Foundation
import MafinEncoder
import MafinNumerics
import MafinText

/// The encoder that a benchmark runs, and the number of threads.
public struct EncoderOptions: ParsableArguments {
    /// Checkpoint folder.
    @Option(help: "Checkpoint folder; its tokenizer is used whatever the shape.") public var model: String
    /// The encoder to run.
    @Option(help: "minilm: the checkpoint's weights; bge-small or bge-base: random weights of that shape.")
    public var shape = Shape.minilm
    /// Tokens at which texts are cut.
    @Option(help: "Tokens of a text at most.") public var maxLength = 256
    /// In which it computes.
    @Option(help: "Numbers of the products: float32, bf16 or int8.") public var precision: Precision = .float32
    /// Threads of all parallel loops.
    @Option(help: "Threads; 0: one a core.") public var threads = 0

    /// An encoder's sizes.
    public enum Shape: String, ExpressibleByArgument, CaseIterable, Sendable {
        case minilm
        case bgeSmall = "bge-small"
        case bgeBase = "bge-base"
    }

    /// The options of the command line.
    public init() {}

    /// Sets the number of threads, and loads the tokenizer and the encoder, which embeds in ``precision``.
    public func load() throws -> (tokenizer: any Tokenizer, encoder: TransformerEncoder) {
        if threads > 0 { Parallelism.threads = threads }
        let folder = URL(fileURLWithPath: model)
        let tokenizer = try readTokenizer(modelFolder: folder)
        let encoder =
            switch shape {
            case .minilm: try TransformerEncoder(modelFolder: folder)
            case .bgeSmall: TransformerEncoder(architecture: .bge(width: 384), pooling: .firstToken, seed: 1)
            case .bgeBase: TransformerEncoder(architecture: .bge(width: 768), pooling: .firstToken, seed: 1)
            }
        encoder.precision = precision
        return (tokenizer, encoder)
    }
}

extension Precision: @retroactive ExpressibleByArgument {}

extension Architecture {
    fileprivate static func bge(width: Int) -> Architecture {
        .bert(
            EncoderConfiguration(
                hiddenSize: width, layerCount: 12, headCount: 12, intermediateSize: 4 * width, vocabularySize: 30522))
    }
}

/// A JSON file's contents.
public func readJSON<Value: Decodable>(_ path: String, as type: Value.Type) throws -> Value {
    try JSONDecoder().decode(type, from: Data(contentsOf: URL(fileURLWithPath: path)))
}

/// Prints a value as one line of JSON.
public func printJSON(_ value: some Encodable) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    print(String(decoding: try encoder.encode(value), as: UTF8.self))
}
