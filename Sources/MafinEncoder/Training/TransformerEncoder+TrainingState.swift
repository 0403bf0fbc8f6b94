import Foundation
import MafinNumerics

/// What training needs to go on after an interruption.
extension TransformerEncoder {
    /// Writes weights, moments and step count into an existing folder.
    /// - Throws: `NumericsError` when the file cannot be written.
    public func saveTrainingState(to folder: URL) throws {
        let moments = optimizerStep > 0 ? optimizer.moments(of: gradients.trained) : nil
        let weights = weights()
        var arrays = [(name: "weights", shape: [weights.count], values: weights)]
        if let moments {
            arrays.append(("words", [moments.words.count], moments.words.map(Float.init)))
            for (name, values) in zip(["words.first", "words.second"], moments.wordMoments) {
                arrays.append((name, [values.count], values))
            }
        }
        try SafeTensorsFile.withTensors(of: arrays) { arrays in
            // The moments of the dense part are too many to be copied.
            let dense = zip(["dense.first", "dense.second"], moments?.dense ?? []).flatMap { name, ranges in
                ranges.enumerated().map { index, values in
                    SafeTensorsFile.Tensor(name: "\(name).\(index)", shape: [values.count], values: values)
                }
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
        guard weights.count == trainedParameterCount else {
            throw EncoderError.trainingState(
                path: url.path, expected: "\(trainedParameterCount) weights", found: "\(weights.count)")
        }
        let found = file.metadata["step"]
        guard let step = Int(found ?? ""), step >= 0 else {
            throw EncoderError.trainingState(path: url.path, expected: "a step count", found: found ?? "nothing")
        }
        // Everything is read before anything is changed.
        var moments = OptimizerMoments(dense: [[], []], words: [], wordMoments: [[], []])
        if step > 0 {
            moments.dense = try ["dense.first", "dense.second"].map { name in
                try gradients.trained.enumerated().flatMap { index, range in
                    try file.floats(of: "\(name).\(index)", shape: [range.count])
                }
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
