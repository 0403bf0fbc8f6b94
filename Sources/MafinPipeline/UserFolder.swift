import Foundation

/// Folders that the environment names.
package enum UserFolder {
    /// nil where the variable is not set, or empty.
    package static func named(_ variable: String, in environment: [String: String]) -> URL? {
        environment[variable].flatMap { $0.isEmpty ? nil : URL(fileURLWithPath: $0) }
    }

    package static func home(_ environment: [String: String]) -> URL {
        environment["HOME"].map { URL(fileURLWithPath: $0) } ?? FileManager.default.homeDirectoryForCurrentUser
    }

    /// What mafin keeps for later runs: `MAFIN_CACHE`, else `XDG_CACHE_HOME/mafin`, else `~/.cache/mafin` (`~/Library/Caches/mafin` on a Mac).
    package static func caches(_ environment: [String: String] = ProcessInfo.processInfo.environment) -> URL {
        named("MAFIN_CACHE", in: environment)
            ?? named("XDG_CACHE_HOME", in: environment)?.appendingPathComponent("mafin")
            ?? home(environment).appendingPathComponent(ofCaches)
    }

    #if os(macOS)
        private static let ofCaches = "Library/Caches/mafin"
    #else
        private static let ofCaches = ".cache/mafin"
    #endif
}
