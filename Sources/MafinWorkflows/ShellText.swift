import Foundation

/// Command lines for people to type into a shell.
package enum ShellText {
    /// A command line. Arguments are quoted if they must be.
    package static func line(_ arguments: String...) -> String { line(arguments) }

    package static func line(_ arguments: [String]) -> String { arguments.map(quoted).joined(separator: " ") }

    /// The running command, without passwords in addresses. Keys are never flags.
    package static var current: String {
        line(["mafin"] + CommandLine.arguments.dropFirst().map(withoutPassword))
    }

    /// An argument, quoted so that a shell reads it unchanged.
    package static func quoted(_ argument: String) -> String {
        let isPlain =
            !argument.isEmpty
            && argument.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-_./:,@%+=".contains($0)) }
        return isPlain ? argument : "'" + argument.replacingOccurrences(of: "'", with: "'\\''") + "'"
    }

    /// A path as an argument. `./` is put before a path that begins with a dash, which would be read as a flag.
    package static func path(_ path: String) -> String { path.hasPrefix("-") ? "./" + path : path }

    /// `https://user:password@host` without the user and the password.
    package static func withoutPassword(_ argument: String) -> String {
        argument.replacingOccurrences(of: "://[^/@]*@", with: "://…@", options: .regularExpression)
    }
}
