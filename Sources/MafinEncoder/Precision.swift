import MafinNumerics

/// The numbers in which an encoder multiplies.
///
/// Sums, norms, softmax and the embeddings' tables are in single precision whatever it is.
public enum Precision: String, Sendable, Codable, CaseIterable {
    /// Single precision.
    case float32
    /// bfloat16: the upper half of a float's bits. Products of AMX and AVX512-BF16 are several times as fast; elsewhere they are computed in
    /// single precision from rounded numbers, which is slower than ``float32``.
    case bfloat16 = "bf16"
    /// Bytes: a weight has one scale for each output, an activation one for each token. Only embedding can use it.
    case int8

    /// The fastest precision that this processor has instructions of its own for, and that ranks like ``float32``: ``bfloat16`` where there is
    /// AMX or AVX512-BF16, else ``float32``.
    public static var hardwareDefault: Precision { Processor.multipliesBFloat16 ? .bfloat16 : .float32 }
}
