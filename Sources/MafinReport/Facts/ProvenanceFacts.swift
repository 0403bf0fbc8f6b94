import MafinPipeline

/// How the figures were made: everything that is needed to reproduce them.
public struct ProvenanceFacts: Sendable, Equatable, Codable {
    /// A group of settings.
    public struct Group: Sendable, Equatable, Codable {
        /// Name of the group: the comparison, the black box, training.
        public var title: String
        /// The settings, in order.
        public var settings: [Setting]

        /// A group of settings.
        public init(title: String, settings: [Setting]) {
            self.title = title
            self.settings = settings
        }
    }

    /// A name and its value.
    public struct Setting: Sendable, Equatable, Codable {
        /// The name.
        public var name: String
        /// The value, as text.
        public var value: String

        /// A setting.
        public init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    /// The exact command line.
    public var command: String?
    /// Every option by group.
    public var configuration: [Group]?
    /// Every seed, by its purpose.
    public var seeds: [String: UInt64]?
    /// Programs and libraries with their versions.
    public var versions: [Setting]?
    /// The input files, with their hashes.
    public var inputs: [ArtefactManifest.DataRecord]?
    /// The machine that it ran on.
    public var machine: String?
    /// Seconds of the whole comparison.
    public var seconds: Double?

    /// Empty facts.
    public init() {}
}

extension ProvenanceFacts {
    /// All facts except the command and the inputs, in groups that are not empty.
    var groups: [(title: String, rows: [(name: String, value: String, isCode: Bool)])] {
        var rows = (seeds ?? [:]).sorted { $0.key < $1.key }.map { ("Seed of \($0.key)", "\($0.value)", true) }
        rows += (versions ?? []).map { ($0.name, $0.value, true) }
        if let machine { rows.append(("Machine", machine, false)) }
        if let seconds { rows.append(("Time of the comparison", Number.duration(seconds: seconds), false)) }
        let groups = (configuration ?? []).map { ($0.title, $0.settings.map { ($0.name, $0.value, true) }) }
        return (groups + [("Seeds, versions and machine", rows)]).filter { !$0.1.isEmpty }
    }
}
