/// The name and version of the library that wrote a file.
public struct LibraryVersion: Sendable, Codable, Hashable, CustomStringConvertible {
    /// `mafin`.
    public var name: String
    /// Semantic version, `major.minor.patch`.
    public var version: String

    /// This library.
    public static let current = LibraryVersion(name: "mafin", version: "0.1.0-dev")

    /// `mafin 0.1.0`.
    public var description: String { "\(name) \(version)" }
}
