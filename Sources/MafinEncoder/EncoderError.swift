/// The reason why a checkpoint, a training state or an input cannot be used.
public enum EncoderError: Error, CustomStringConvertible, Equatable {
    /// A file that the checkpoint needs cannot be read.
    case file(path: String, reason: String)
    /// This encoder does not support the checkpoint's architecture.
    case unsupported(path: String, what: String, found: String, supported: String)
    /// A value of the configuration is missing or impossible.
    case configuration(path: String, key: String, expected: String, found: String)
    /// A row of a batch that the encoder cannot read.
    case input(row: Int, expected: String, found: String)
    /// The training state belongs to an encoder of other sizes.
    case trainingState(path: String, expected: String, found: String)
    /// The memory limit is below the least memory that training takes. Both are in bytes.
    case memory(needed: Int, given: Int)

    /// One sentence that names the file.
    public var description: String {
        switch self {
        case .file(let path, let reason):
            "\(path): \(reason)"
        case .unsupported(let path, let what, let found, let supported):
            "\(path): \(what) '\(found)' is not supported (supported: \(supported))"
        case .configuration(let path, let key, let expected, let found):
            "\(path): '\(key)' should be \(expected), found \(found)"
        case .input(let row, let expected, let found):
            "input \(row): expected \(expected), found \(found)"
        case .trainingState(let path, let expected, let found):
            "\(path): training state of another encoder: expected \(expected), found \(found)"
        case .memory(let needed, let given):
            "training this encoder takes at least \((needed + (1 << 20) - 1) >> 20) MiB, a limit of \(given >> 20) MiB was given"
        }
    }
}
