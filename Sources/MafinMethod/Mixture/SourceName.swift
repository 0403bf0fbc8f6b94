/// The name of what vectors or scores come from.
public struct SourceName: RawRepresentable, Sendable, Codable, Hashable, CustomStringConvertible {
    /// The name, as errors and files have it.
    public let rawValue: String

    /// A source of the given name.
    public init(rawValue: String) { self.rawValue = rawValue }

    /// The black box, which is frozen.
    public static let blackBox = SourceName(rawValue: "black-box")
    /// The local encoder.
    public static let local = SourceName(rawValue: "local")
    /// A local encoder of queries that stands in for the black box.
    public static let standIn = SourceName(rawValue: "stand-in")
    /// BM25.
    public static let bm25 = SourceName(rawValue: "bm25")

    /// The name.
    public var description: String { rawValue }
}
