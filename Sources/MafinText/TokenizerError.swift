/// The reason why a tokenizer could not be read from a model folder.
public enum TokenizerError: Error, Equatable, CustomStringConvertible {
    /// The folder has none of the files that a tokenizer can be read from.
    case noTokenizer(folder: String)
    /// A file could not be read.
    case unreadable(path: String, reason: String)
    /// The content of a file is wrong. `location` is a byte, a line or a field.
    case malformed(path: String, location: String, reason: String)
    /// The checkpoint needs something that is not known. `expected` lists what is known.
    case unsupported(path: String, component: String, found: String, expected: String)
    /// A token that the settings name has no id.
    case missingToken(path: String, token: String, role: String)

    /// One sentence for the user.
    public var description: String {
        switch self {
        case .noTokenizer(let folder):
            "\(folder): no tokenizer found: expected tokenizer.json, vocab.txt with tokenizer_config.json, "
                + "vocab.json with merges.txt, or one of \(TokenizerFiles.sentencePieceModels.joined(separator: ", "))"
        case .unreadable(let path, let reason):
            "\(path): cannot be read: \(reason)"
        case .malformed(let path, let location, let reason):
            "\(path), \(location): \(reason)"
        case .unsupported(let path, let component, let found, let expected):
            "\(path): this tokenizer is not supported: \(component) is \(found), expected \(expected)"
        case .missingToken(let path, let token, let role):
            "\(path): the \(role) '\(token)' is not in the vocabulary"
        }
    }
}
