import Foundation
import MafinNumerics

extension TransformerEncoder {
    /// Writes the low-rank terms alone, in the layout of PEFT's `PeftModel.save_pretrained`, into an existing folder.
    ///
    /// Trained norms are written beside them, as PEFT writes `modules_to_save`.
    /// - Parameter base: the name or path of the checkpoint that the terms belong to, for `adapter_config.json`.
    /// - Throws: ``EncoderError/file(path:reason:)`` if the encoder has no such terms, or `NumericsError`.
    public func saveAdapter(to folder: URL, base: String) throws {
        guard let lowRank = trained.lowRank else {
            throw EncoderError.file(path: folder.path, reason: "this encoder was trained without low-rank terms")
        }
        let adapters = layout.tensors.filter(\.isLowRank)
        let norms = layout.tensors.filter { !$0.isLowRank && network.trained.includes($0) }
        func module(_ tensor: ParameterLayout.Tensor) -> String {
            tensor.name.split(separator: ".").dropLast(tensor.isLowRank ? 2 : 1).joined(separator: ".")
        }
        let configuration: [String: Any] = [
            "peft_type": "LORA", "task_type": "FEATURE_EXTRACTION", "base_model_name_or_path": base, "r": lowRank.rank,
            "lora_alpha": Double(lowRank.alpha), "lora_dropout": 0.0, "bias": "none", "inference_mode": true,
            "fan_in_fan_out": false, "target_modules": Array(Set(adapters.map(module))).sorted(),
            "modules_to_save": norms.isEmpty ? NSNull() : Array(Set(norms.map(module))).sorted() as Any,
        ]
        let data = try JSONSerialization.data(
            withJSONObject: configuration, options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
        try AtomicFile.write(data, to: folder.appendingPathComponent("adapter_config.json"))
        let tensors = (adapters + norms).map { tensor in
            SafeTensorsFile.Tensor(
                name: "base_model.model." + tensor.name, shape: tensor.shape,
                values: UnsafeBufferPointer(rebasing: UnsafeBufferPointer(parameters.buffer)[tensor.range]))
        }
        try SafeTensorsFile.write(
            tensors, metadata: ["format": "pt"], to: folder.appendingPathComponent("adapter_model.safetensors"))
    }
}
