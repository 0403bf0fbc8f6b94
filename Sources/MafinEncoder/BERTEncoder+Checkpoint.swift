import Foundation
import MafinNumerics
import MafinText

extension BERTEncoder {
    /// Loads a checkpoint folder: `config.json`, `model.safetensors`, and the pooling of `modules.json`.
    ///
    /// - Parameters:
    ///   - frozenLayers: number of layers, counted from the lowest, that are not trained.
    ///   - freezesEmbeddings: whether the embeddings are not trained.
    /// - Throws: ``EncoderError`` or `NumericsError` with the file, if it is missing or has another architecture or
    ///   another shape.
    public convenience init(modelFolder: URL, frozenLayers: Int = 0, freezesEmbeddings: Bool = false) throws {
        let configuration = try EncoderConfiguration(modelFolder: modelFolder)
        let pooling = try Pooling.read(modelFolder: modelFolder)
        guard 0...configuration.layerCount ~= frozenLayers else {
            throw EncoderError.configuration(
                path: modelFolder.path, key: "frozen layers", expected: "at most \(configuration.layerCount)",
                found: "\(frozenLayers)")
        }
        let url = modelFolder.appendingPathComponent("model.safetensors")
        if !FileManager.default.fileExists(atPath: url.path) {
            throw EncoderError.file(path: url.path, reason: "no such file; only safetensors weights are read")
        }
        let file = try SafeTensorsFile(url)
        self.init(
            configuration: configuration, pooling: pooling, frozenLayers: frozenLayers,
            freezesEmbeddings: freezesEmbeddings)
        // Checkpoints of BERT with a head have a prefix.
        let prefix = file.names.contains { $0.hasPrefix("bert.") } ? "bert." : ""
        for tensor in layout.tensors {
            try file.read(
                prefix + tensor.name, shape: tensor.shape,
                into: UnsafeMutableBufferPointer(start: parameters.pointer + tensor.offset, count: tensor.count))
        }
        for name in file.names where name.hasPrefix(prefix + "pooler.") {
            guard let shape = file.shape(of: name) else { continue }
            passedThrough.append((String(name.dropFirst(prefix.count)), shape, try file.floats(of: name)))
        }
    }

    /// Files of a checkpoint for tokenizer and prompts. They are exported unchanged.
    private static let copiedFiles =
        TokenizerFiles.names + [
            "special_tokens_map.json", "added_tokens.json", "sentence_bert_config.json",
            "config_sentence_transformers.json",
        ]

    /// Writes the encoder in the sentence-transformers layout into an existing folder.
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

    private func saveWeights(to url: URL) throws {
        try SafeTensorsFile.withTensors(of: [("all weights", [layout.count], weights())] + passedThrough) { arrays in
            let tensors = layout.tensors.map { tensor in
                SafeTensorsFile.Tensor(
                    name: tensor.name, shape: tensor.shape,
                    values: UnsafeBufferPointer(
                        rebasing: arrays[0].values[tensor.offset..<tensor.offset + tensor.count]))
            }
            try SafeTensorsFile.write(tensors + arrays.dropFirst(), to: url)
        }
    }

    private func writeJSON(_ object: Any, to url: URL) throws {
        let data = try JSONSerialization.data(
            withJSONObject: object, options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
        try AtomicFile.write(data, to: url)
    }

    // MARK: Training state

    /// Writes weights, moments and step count into an existing folder.
    /// - Throws: `NumericsError` when the file cannot be written.
    public func saveTrainingState(to folder: URL) throws {
        let moments = optimizerStep > 0 ? optimizer.moments() : nil
        var arrays = [(name: "weights", shape: [layout.count], values: weights())]
        if let moments {
            arrays.append(("words", [moments.words.count], moments.words.map(Float.init)))
            for (name, values) in zip(["words.first", "words.second"], moments.wordMoments) {
                arrays.append((name, [values.count], values))
            }
        }
        try SafeTensorsFile.withTensors(of: arrays) { arrays in
            // The moments of the dense part are too many to be copied.
            let dense = zip(["dense.first", "dense.second"], moments?.dense ?? []).map {
                SafeTensorsFile.Tensor(name: $0, shape: [$1.count], values: $1)
            }
            try SafeTensorsFile.write(
                arrays[..<1] + dense + arrays[1...], metadata: ["step": "\(optimizerStep)"],
                to: Self.stateFile(in: folder))
        }
    }

    /// Reads what ``saveTrainingState(to:)`` wrote. Training then continues bit for bit as if it had not stopped.
    /// - Throws: ``EncoderError/trainingState(path:expected:found:)`` or `NumericsError`.
    public func restoreTrainingState(from folder: URL) throws {
        let url = Self.stateFile(in: folder)
        let file = try SafeTensorsFile(url)
        let weights = try file.floats(of: "weights")
        guard weights.count == layout.count else {
            throw EncoderError.trainingState(
                path: url.path, expected: "\(layout.count) weights", found: "\(weights.count)")
        }
        let found = file.metadata["step"]
        guard let step = Int(found ?? ""), step >= 0 else {
            throw EncoderError.trainingState(path: url.path, expected: "a step count", found: found ?? "nothing")
        }
        // Everything is read before anything is changed.
        var moments = OptimizerMoments(dense: [[], []], words: [], wordMoments: [[], []])
        if step > 0 {
            moments.dense = try ["dense.first", "dense.second"].map {
                try file.floats(of: $0, shape: [layout.count - layout.denseStart])
            }
            moments.words = try file.floats(of: "words").map { word in
                guard let word = Int(exactly: word), 0..<configuration.vocabularySize ~= word else {
                    throw EncoderError.trainingState(
                        path: url.path, expected: "words below \(configuration.vocabularySize)", found: "\(word)")
                }
                return word
            }
            moments.wordMoments = try ["words.first", "words.second"].map {
                try file.floats(of: $0, shape: [moments.words.count * configuration.hiddenSize])
            }
        }
        restore(weights: weights)
        gradients.clear()
        restoreOptimizer(step: step, moments)
    }

    private static func stateFile(in folder: URL) -> URL {
        folder.appendingPathComponent("encoder-state.safetensors")
    }
}
