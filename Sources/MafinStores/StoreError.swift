/// What can be wrong with a store, its address, or what it is to hold.
public enum StoreError: Error, Sendable, Equatable, CustomStringConvertible {
    /// `--to` or `vectors:` names no store.
    case badAddress(String, reason: String)
    /// A password stands in an address, where other users of the machine can read it.
    case passwordInAddress(store: String, instead: String)
    /// PostgreSQL's client library is missing.
    case missingLibrary(reason: String)
    /// The server cannot be reached, or keeps failing.
    case unreachable(store: String, reason: String)
    /// The server refuses a request or a statement.
    case refused(store: String, what: String, reason: String)
    /// What is in the store is not what is to be written or read.
    case mismatch(store: String, expected: String, found: String)
    /// The store cannot hold vectors of this size, or not in its index.
    case doesNotFit(store: String, reason: String)
    /// The store cannot hold an id or a value.
    case unwritable(store: String, id: String, reason: String)
    /// A folder holds something else.
    case occupied(path: String)

    /// One sentence: what failed, where, and what to do about it if that is known.
    public var description: String {
        switch self {
        case .badAddress(let text, let reason): "'\(Self.withoutSecrets(text))': \(reason)"
        case .passwordInAddress(let store, let instead):
            "the address of \(store) holds a password, which other users of this machine can read: leave it out and \(instead)"
        case .missingLibrary(let reason): "PostgreSQL cannot be used: \(reason)"
        case .unreachable(let store, let reason): "\(store): \(reason)"
        case .refused(let store, let what, let reason): "\(store) refused \(what): \(reason)"
        case .mismatch(let store, let expected, let found): "\(store): expected \(expected), found \(found)"
        case .doesNotFit(let store, let reason): "\(store): \(reason)"
        case .unwritable(let store, let id, let reason): "\(store): the vectors of '\(id)' cannot be written: \(reason)"
        case .occupied(let path):
            "\(path) holds files that this command did not write; nothing was written: choose another folder or empty it"
        }
    }

    /// An address without what may be a password: all before the last '@', and the values of parameters.
    private static func withoutSecrets(_ address: String) -> String {
        address.replacing(/:\/\/.*@/, with: "://…@").replacing(/([?&][^=&]*=)[^&]*/) { "\($0.output.1)…" }
    }

    /// What kind of error it is, for the exit status.
    public var isNetwork: Bool {
        switch self {
        case .unreachable, .refused: true
        default: false
        }
    }

    /// Whether the options are wrong, and not the data.
    public var isWrongUse: Bool {
        switch self {
        case .badAddress, .passwordInAddress, .doesNotFit, .occupied, .missingLibrary: true
        default: false
        }
    }
}
