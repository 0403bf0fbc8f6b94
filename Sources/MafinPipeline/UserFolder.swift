import Foundation

/// Folders that environment variables name.
package enum UserFolder {
    /// The folder in a variable; `nil` if the variable is not set, or empty.
    package static func named(_ variable: String, in environment: [String: String]) -> URL? {
        environment[variable].flatMap { $0.isEmpty ? nil : URL(fileURLWithPath: $0) }
    }

    package static func home(_ environment: [String: String]) -> URL {
        environment["HOME"].map { URL(fileURLWithPath: $0) } ?? FileManager.default.homeDirectoryForCurrentUser
    }

    /// The folder of mafin's caches: `MAFIN_CACHE`, otherwise `XDG_CACHE_HOME/mafin`, otherwise `~/.cache/mafin`
    /// (`~/Library/Caches/mafin` on a Mac).
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
