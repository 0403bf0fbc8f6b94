import Foundation
import MafinBlackBox
import MafinPipeline

/// All available profiles: those that come with the library, changed and extended by the user's files.
///
/// Each `*.toml` in the folder is one profile. A profile with the name of a built-in one overrides the keys that it contains; the others
/// stay. A profile with another name is complete by itself, or extends another one with `extends = "openai"`.
public struct ProfileCatalog: Sendable {
    private struct Entry: Sendable {
        let definition: [String: ProfileValue]
        let source: String
        let text: String
        let isBuiltIn: Bool
    }

    private var entries: [String: [Entry]] = [:]
    /// Names of all profiles, the built-in ones first.
    public private(set) var names: [String] = []

    /// The profiles that come with the library.
    public static let builtIn: ProfileCatalog = {
        var catalog = ProfileCatalog()
        for toml in BuiltInProfiles.texts {
            do {
                try catalog.insert(toml, source: nil)
            } catch {
                preconditionFailure("\(error)")  // a literal of this module
            }
        }
        return catalog
    }()

    private init() {}

    /// The built-in profiles, changed and extended by all `*.toml` of a folder. The folder need not exist.
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
        let settings =
            UserFolder.named("XDG_CONFIG_HOME", in: environment)
            ?? UserFolder.home(environment).appendingPathComponent(".config")
        return UserFolder.named("MAFIN_PROVIDERS", in: environment)
            ?? settings.appendingPathComponent("mafin/providers")
    }

    /// Adds one file. Its contents are checked when a profile is requested.
    /// - Throws: ``ProviderError/badProfile(source:place:reason:)``
    public mutating func add(file: URL) throws {
        guard let toml = try? String(contentsOf: file, encoding: .utf8) else {
            throw ProviderError.badProfile(source: file.path, place: "file", reason: "it cannot be read as UTF-8 text")
        }
        try add(toml: toml, source: file.path)
    }

    /// Adds a profile from its text.
    /// - Throws: ``ProviderError/badProfile(source:place:reason:)``
    public mutating func add(toml: String, source: String) throws { try insert(toml, source: source) }

    /// - Parameter source: nil: it comes with the library.
    /// - Returns: its name.
    @discardableResult
    private mutating func insert(_ toml: String, source given: String?) throws -> String {
        let definition = try ProfileValue.table(toml: toml, source: given ?? "built-in profile")
        let name = definition["name"]?.text ?? ""
        let source = given ?? "built-in profile \(name)"
        func fault(_ reason: String) -> ProviderError { .badProfile(source: source, place: "name", reason: reason) }
        guard BlackBoxSpecification.isProviderName(name) else {
            throw fault("expected a name of lower-case letters, digits and hyphens")
        }
        guard !["vectors", "local"].contains(name) else { throw fault("'\(name)' is reserved") }
        if entries[name] == nil { names.append(name) }
        entries[name, default: []].append(
            Entry(definition: definition, source: source, text: toml, isBuiltIn: given == nil))
        return name
    }

    /// Reads a profile from a text. It may extend a profile of this catalog.
    /// - Throws: ``ProviderError/badProfile(source:place:reason:)``
    public func reading(_ toml: String, source: String = "profile") throws -> ProviderProfile {
        var catalog = self
        let name = try catalog.insert(toml, source: source)
        return try catalog.profile(name)
    }

    /// Reads every profile.
    /// - Throws: ``ProviderError/badProfile(source:place:reason:)`` for the first that is faulty.
    public func check() throws {
        for name in names { _ = try profile(name) }
    }

    /// Whether the user has changed or added a profile.
    public func isCustom(_ name: String) -> Bool { entries[name]?.contains { !$0.isBuiltIn } ?? false }

    /// The files that a profile was read from, lowest layer first.
    public func sources(of name: String) -> [String] { entries[name]?.map(\.source) ?? [] }

    /// The texts of a profile as written, with comments, lowest layer first.
    public func texts(of name: String) -> [String] { entries[name]?.map(\.text) ?? [] }

    /// A profile by its name.
    /// - Throws: ``ProviderError/unknownProvider(_:known:)``; ``ProviderError/badProfile(source:place:reason:)``
    public func profile(_ name: String) throws -> ProviderProfile {
        guard let source = entries[name]?.last?.source else {
            throw ProviderError.unknownProvider(name, known: names)
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
                guard let base = base.text, entries[base] != nil, base != name, !above.contains(base) else {
                    let others = names.filter { $0 != name }.joined(separator: ", ")
                    throw ProviderError.badProfile(
                        source: entry.source, place: "extends",
                        reason: "expected the name of another profile: \(others)")
                }
                merged = ProviderProfile.merging(merged, with: try definition(of: base, above: above + [name]))
            }
            merged = ProviderProfile.merging(merged, with: layer)
        }
        return merged
    }
}
