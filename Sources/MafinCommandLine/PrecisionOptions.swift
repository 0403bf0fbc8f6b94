import ArgumentParser
import MafinEncoder

/// In which precision the encoders of an artefact embed.
package struct PrecisionOptions: ParsableArguments {
    package init() {}

    @Option(
        help: ArgumentHelp(
            "Numbers in which the local encoder computes. bf16 is faster on processors with AMX or AVX512-BF16, int8 on most. Vectors differ a little; whether rankings do, 'mafin train --precision' has measured and 'mafin inspect' shows. Documents and queries need the same, unless the artefact says that a mix is harmless. (default: what the artefact says, otherwise float32)",
            valueName: "float32|bf16|int8"), transform: Precision.init(parsing:))
    package var precision: Precision?
}

/// In which precision the encoder of an artefact will embed that is made now.
package struct TargetPrecisionOptions: ParsableArguments {
    package init() {}

    @Option(
        help: ArgumentHelp(
            "Numbers in which the artefact's encoder will compute. bf16 and int8 embed faster. If they change nDCG@10 on dev by .002 or more, or by more than chance, the next better precision is used; the artefact says which and why. (default: bf16 on processors with AMX or AVX512-BF16, otherwise float32)",
            valueName: "float32|bf16|int8"), transform: Precision.init(parsing:))
    package var precision: Precision?
}

extension Precision {
    /// - Throws: `ValidationError` with the names that there are.
    package init(parsing text: String) throws {
        guard let precision = Precision(rawValue: text) else {
            throw ValidationError("expected float32|bf16|int8, found '\(text)'.")
        }
        self = precision
    }
}
