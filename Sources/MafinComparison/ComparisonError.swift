/// Why a comparison cannot begin, resume or be shipped.
public enum ComparisonError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The folder holds files that do not belong to a comparison.
    case occupied(path: String)
    /// A file of an earlier run cannot be read.
    case damaged(path: String, reason: String)
    /// The folder holds a comparison with other settings.
    case differs(path: String, what: String, then: String, now: String)
    /// The comparison has no such system, or it cannot be shipped.
    case notShippable(path: String, name: String, names: [String])

    /// One sentence that names the folder or file.
    public var description: String {
        switch self {
        case .occupied(let path):
            "\(path) holds files that do not belong to a comparison; name another folder, or empty it"
        case .damaged(let path, let reason):
            "\(path) cannot be read (\(reason)); remove the report's folder to start over"
        case .differs(let path, let what, let then, let now):
            "\(path) holds a comparison with other settings: \(what) was \(then), now it is \(now); name another folder, or remove it to start over"
        case .notShippable(let path, let name, let names):
            names.isEmpty
                ? "\(path) has no system that can be shipped"
                : "\(path) has no system '\(name)' that can be shipped; it has \(names.joined(separator: ", "))"
        }
    }
}
