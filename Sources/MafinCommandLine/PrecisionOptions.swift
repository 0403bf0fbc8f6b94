import ArgumentParser
import MafinEncoder

/// In which precision the encoders of an artefact embed.
package struct PrecisionOptions: ParsableArguments {
    package init() {}

    @Option(
        help: ArgumentHelp(
            "Numbers in which the local encoder computes. bf16 is faster than float32 on processors with AMX or AVX512-BF16, int8 on most processors. Vectors differ a little; whether rankings do, 'mafin train --precision' has measured on dev and 'mafin inspect' shows. Documents and queries need the same precision, unless the artefact says that a mix is harmless. (default: what the artefact says, otherwise float32)",
            valueName: "float32|bf16|int8", visibility: .hidden), transform: Precision.init(parsing:))
    package var precision: Precision?
}

/// In which precision the encoder of an artefact will embed that is made now.
package struct TargetPrecisionOptions: ParsableArguments {
    package init() {}

    @Option(
        help: ArgumentHelp(
            "Numbers in which the artefact's encoder will compute. When the artefact is made, nDCG@10 of its rankings of dev is compared with that in float32. If it changes by .002 or more, or by more than chance, the next better precision is used. The artefact says which and why. Training itself computes in float32. (default: bf16 on processors with AMX or AVX512-BF16, otherwise float32)",
            valueName: "float32|bf16|int8", visibility: .hidden), transform: Precision.init(parsing:))
    package var precision: Precision?
}

extension Precision {
    /// - Throws: `ValidationError` with the names that there are.
    init(parsing text: String) throws {
        guard let precision = Precision(rawValue: text) else {
            throw ValidationError("expected float32|bf16|int8, found '\(text)'.")
        }
        self = precision
    }
}
