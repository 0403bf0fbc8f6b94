import Foundation

/// All profiles that can be named: those that come with the library, changed and extended by the user's files.
///
/// Each `*.toml` in the folder is one profile. A profile with the name of a built-in one replaces the keys that it states and keeps
/// the rest. A profile with another name is complete by itself, or extends another one with `extends = "openai"`.
public struct ProfileCatalog: Sendable {
    private struct Entry: Sendable {
        let definition: [String: ProfileValue]
        let source: String
        let text: String
        let isBuiltIn: Bool
    }

    private var entries: [String: [Entry]] = [:]
    private(set) var order: [String] = []

    /// The profiles that come with the library.
    public static let builtIn: ProfileCatalog = {
        var catalog = ProfileCatalog()
        for (name, toml) in BuiltInProfiles.texts {
            do {
                try catalog.add(toml: toml, source: "built-in profile \(name)", isBuiltIn: true)
            } catch {
                preconditionFailure("\(error)")  // a literal of this module
            }
        }
        return catalog
    }()

    private init() {}

    /// The built-in profiles, changed and extended by all `*.toml` of a folder. The folder need not exist.
    ///
    /// - Throws: ``ProviderError/badProfile(source:place:reason:)`` naming file and key.
    public init(folder: URL = ProfileCatalog.standardFolder()) throws {
        self = .builtIn
        let files = (try? FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)) ?? []
        for file in files.filter({ $0.pathExtension == "toml" }).sorted(by: { $0.path < $1.path }) {
            try add(file: file)
        }
        try check()
    }

    /// `MAFIN_PROVIDERS`, else `mafin/providers` in `XDG_CONFIG_HOME` or `~/.config`.
    public static func standardFolder(environment: [String: String] = ProcessInfo.processInfo.environment) -> URL {
        if let named = environment["MAFIN_PROVIDERS"], !named.isEmpty { return URL(fileURLWithPath: named) }
        if let base = environment["XDG_CONFIG_HOME"], !base.isEmpty {
            return URL(fileURLWithPath: base).appendingPathComponent("mafin/providers")
        }
        let home =
            environment["HOME"].map { URL(fileURLWithPath: $0) } ?? FileManager.default.homeDirectoryForCurrentUser
        return home.appendingPathComponent(".config/mafin/providers")
    }

    /// Adds one file; what it changes is checked when a profile is asked for.
    ///
    /// - Throws: ``ProviderError/badProfile(source:place:reason:)``
    public mutating func add(file: URL) throws {
        guard let toml = try? String(contentsOf: file, encoding: .utf8) else {
            throw ProviderError.badProfile(source: file.path, place: "file", reason: "it cannot be read as UTF-8 text")
        }
        try add(toml: toml, source: file.path)
    }

    /// Adds one profile's text.
    ///
    /// - Throws: ``ProviderError/badProfile(source:place:reason:)``
    public mutating func add(toml: String, source: String) throws {
        try add(toml: toml, source: source, isBuiltIn: false)
    }

    private mutating func add(toml: String, source: String, isBuiltIn: Bool) throws {
        let definition = try ProfileValue.table(toml: toml, source: source)
        guard case .text(let name)? = definition["name"], ProviderProfile.isName(name) else {
            throw ProviderError.badProfile(
                source: source, place: "name", reason: "a name of lower-case letters, digits and hyphens expected")
        }
        guard !["vectors", "local"].contains(name) else {
            throw ProviderError.badProfile(
                source: source, place: "name", reason: "'\(name)' means something else already")
        }
        if entries[name] == nil { order.append(name) }
        entries[name, default: []].append(
            Entry(definition: definition, source: source, text: toml, isBuiltIn: isBuiltIn))
    }

    /// The profile in a text. It may extend one of these.
    ///
    /// - Throws: ``ProviderError/badProfile(source:place:reason:)``
    public func reading(_ toml: String, source: String = "profile") throws -> ProviderProfile {
        var catalog = self
        try catalog.add(toml: toml, source: source)
        guard case .text(let name)? = try ProfileValue.table(toml: toml, source: source)["name"] else {
            throw ProviderError.badProfile(source: source, place: "name", reason: "it is missing")
        }
        return try catalog.profile(name)
    }

    /// Reads every profile.
    ///
    /// - Throws: ``ProviderError/badProfile(source:place:reason:)`` of the first faulty one.
    public func check() throws {
        for name in order { _ = try profile(name) }
    }

    /// Names of all profiles, the built-in ones first.
    public var names: [String] { order }

    /// Whether the user has changed or added a profile.
    public func isCustom(_ name: String) -> Bool { entries[name]?.contains { !$0.isBuiltIn } ?? false }

    /// Where a profile was read, lowest layer first.
    public func sources(of name: String) -> [String] { entries[name]?.map(\.source) ?? [] }

    /// The texts of a profile as written, comments and all, lowest layer first.
    public func texts(of name: String) -> [String] { entries[name]?.map(\.text) ?? [] }

    /// A profile by its name.
    ///
    /// - Throws: ``ProviderError/unknownProvider(_:known:)``; ``ProviderError/badProfile(source:place:reason:)``
    public func profile(_ name: String) throws -> ProviderProfile {
        guard let source = entries[name]?.last?.source else {
            throw ProviderError.unknownProvider(name, known: order)
        }
        var definition = try definition(of: name, above: [])
        definition["extends"] = nil
        return try ProviderProfile(definition: definition, source: source)
    }

    private func definition(of name: String, above: [String]) throws -> [String: ProfileValue] {
        var merged: [String: ProfileValue] = [:]
        for entry in entries[name] ?? [] {
            var layer = entry.definition
            if let base = layer.removeValue(forKey: "extends") {
                guard case .text(let base) = base, entries[base] != nil, base != name, !above.contains(base) else {
                    throw ProviderError.badProfile(
                        source: entry.source, place: "extends",
                        reason:
                            "the name of another profile expected: \(order.filter { $0 != name }.joined(separator: ", "))"
                    )
                }
                merged = ProviderProfile.merging(merged, with: try definition(of: base, above: above + [name]))
            }
            merged = ProviderProfile.merging(merged, with: layer)
        }
        return merged
    }
}
