import Foundation
import MafinImages
import MafinNumerics
import MafinText

extension TransformerEncoder {
    /// Loads a checkpoint folder: `config.json`, `model.safetensors`, and the pooling of `modules.json`.
    ///
    /// An image's vector is always that of its class token.
    /// - Parameters:
    ///   - trained: which weights are trained.
    ///   - imageSide: pixels of a side of the images; `nil`: as `config.json` says. Ignored by networks that read texts.
    /// - Throws: ``EncoderError`` or `NumericsError` with the file, if it is missing or has another architecture or
    ///   another shape.
    public convenience init(modelFolder: URL, trained: TrainedPart = TrainedPart(), imageSide: Int? = nil) throws {
        let architecture = try Architecture.read(modelFolder: modelFolder, imageSide: imageSide)
        let pooling = architecture.images == nil ? try Pooling.read(modelFolder: modelFolder) : .firstToken
        guard 0...architecture.configuration.layerCount ~= trained.frozenLayers else {
            throw EncoderError.configuration(
                path: modelFolder.path, key: "frozen layers",
                expected: "at most \(architecture.configuration.layerCount)",
                found: "\(trained.frozenLayers)")
        }
        let url = modelFolder.appendingPathComponent("model.safetensors")
        if !FileManager.default.fileExists(atPath: url.path) {
            throw EncoderError.file(path: url.path, reason: "no such file; only safetensors weights are read")
        }
        let file = try SafeTensorsFile(url)
        self.init(architecture, pooling, trained)
        // Checkpoints with a head have a prefix.
        let prefix = architecture.prefixes.first { prefix in file.names.contains { $0.hasPrefix(prefix) } } ?? ""
        for tensor in layout.tensors where !tensor.isLowRank {
            try file.read(
                prefix + tensor.name, shape: tensor.shape,
                into: UnsafeMutableBufferPointer(start: parameters.pointer + tensor.offset, count: tensor.count))
        }
        for name in file.names where architecture.unusedTensors.contains(where: { name.hasPrefix(prefix + $0) }) {
            guard let shape = file.shape(of: name) else { continue }
            passedThrough.append((String(name.dropFirst(prefix.count)), shape, try file.floats(of: name)))
        }
        setLowRankTerms()
    }

    /// Files of a checkpoint for tokenizer and prompts. They are exported unchanged.
    private static let copiedFiles =
        TokenizerFiles.names + [
            "special_tokens_map.json", "added_tokens.json", "sentence_bert_config.json",
            "config_sentence_transformers.json", ImageProcessor.fileName,
        ]

    /// Writes the encoder in the sentence-transformers layout into an existing folder; a network that reads images in that of transformers.
    ///
    /// Weights are written as F32, and `config.json` says so whatever type they were loaded from.
    /// - Parameters:
    ///   - source: the checkpoint folder it was loaded from, whose configuration and tokenizer files are copied.
    ///   - normalizes: whether the layout ends with a module that scales vectors to unit length.
    /// - Throws: ``EncoderError/file(path:reason:)`` or `NumericsError`.
    public func save(to folder: URL, tokenizerFrom source: URL, normalizes: Bool = true) throws {
        let files = FileManager.default
        var configuration = try JSONFile(source.appendingPathComponent("config.json")).object
        for key in ["torch_dtype", "dtype"] where configuration[key] != nil { configuration[key] = "float32" }
        try writeJSON(configuration, to: folder.appendingPathComponent("config.json"))
        for name in Self.copiedFiles {
            guard let data = files.contents(atPath: source.appendingPathComponent(name).path) else { continue }
            try AtomicFile.write(data, to: folder.appendingPathComponent(name))
        }
        if architecture.images != nil {
            return try saveWeights(to: folder.appendingPathComponent("model.safetensors"))
        }
        var modules = [("", "Transformer"), ("1_Pooling", "Pooling")]
        if normalizes { modules.append(("2_Normalize", "Normalize")) }
        for (path, _) in modules where !path.isEmpty {
            try files.createDirectory(at: folder.appendingPathComponent(path), withIntermediateDirectories: true)
        }
        try writeJSON(
            pooling.configuration(dimension: dimension), to: folder.appendingPathComponent("1_Pooling/config.json"))
        try writeJSON(
            modules.enumerated().map { index, module in
                [
                    "idx": index, "name": "\(index)", "path": module.0,
                    "type": "sentence_transformers.models.\(module.1)",
                ] as [String: Any]
            }, to: folder.appendingPathComponent("modules.json"))
        try saveWeights(to: folder.appendingPathComponent("model.safetensors"))
    }

    /// Weights of linear layers are written with their low-rank terms added.
    private func saveWeights(to url: URL) throws {
        if hasOptimizer { optimizer.bringAllUpToDate() }
        var all = Array(parameters.buffer)
        all.withUnsafeMutableBufferPointer { all in
            guard let base = all.baseAddress else { return }
            for weight in network.weights {
                weight.lowRank?.add(to: base + weight.source, inputs: weight.inputs, parameters.pointer)
            }
        }
        try SafeTensorsFile.withTensors(of: [("all weights", [layout.count], all)] + passedThrough) { arrays in
            let tensors = layout.tensors.filter { !$0.isLowRank }.map { tensor in
                SafeTensorsFile.Tensor(
                    name: tensor.name, shape: tensor.shape,
                    values: UnsafeBufferPointer(rebasing: arrays[0].values[tensor.range]))
            }
            try SafeTensorsFile.write(tensors + arrays.dropFirst(), to: url)
        }
    }

    private func writeJSON(_ object: Any, to url: URL) throws {
        let data = try JSONSerialization.data(
            withJSONObject: object, options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
        try AtomicFile.write(data, to: url)
    }
}
