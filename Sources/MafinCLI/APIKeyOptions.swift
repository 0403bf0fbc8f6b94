import ArgumentParser
import Foundation

/// Where a key for an embedding API comes from. Never a flag: flags are seen in the process list and kept in the shell's history.
struct APIKeyOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Environment variable that holds the API key; the key itself is never a flag. (default: the provider's usual one, such as OPENAI_API_KEY)",
            valueName: "name")
    )
    var apiKeyEnv: String?

    @Option(
        help: ArgumentHelp(
            "File whose only line is the API key, instead of a variable.", valueName: "path", visibility: .hidden),
        completion: .file())
    var apiKeyFile: String?

    func validate() throws {
        if apiKeyEnv != nil, apiKeyFile != nil {
            throw ValidationError("--api-key-env and --api-key-file cannot both be given.")
        }
        if let apiKeyEnv, !apiKeyEnv.utf8.allSatisfy(Self.mayStandInAName) || apiKeyEnv.isEmpty {
            // Someone put the key itself here; it must not be printed.
            throw ValidationError("--api-key-env takes the name of an environment variable, not the key.")
        }
    }

    /// The key, or nil if neither flag is given and `defaultVariable` is not set.
    /// - Throws: ``APIKeyError``, which never holds the key.
    func key(
        defaultVariable: String, environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws -> String? {
        try Self.key(
            variable: apiKeyEnv, file: apiKeyFile, defaultVariable: defaultVariable, environment: environment)
    }

    /// The key in a file, else in a variable, else in the usual variable; nil where nothing is named and that is not set.
    /// - Throws: ``APIKeyError``, which never holds the key.
    static func key(
        variable: String?, file: String?, defaultVariable: String, environment: [String: String]
    ) throws -> String? {
        if let file {
            guard let data = FileManager.default.contents(atPath: file) else {
                throw APIKeyError.unreadable(path: file)
            }
            return try checked(String(decoding: data, as: UTF8.self), origin: file)
        }
        if let variable {
            guard let text = environment[variable] else { throw APIKeyError.notSet(variable: variable) }
            return try checked(text, origin: variable)
        }
        return try environment[defaultVariable].map { try checked($0, origin: defaultVariable) }
    }

    private static func checked(_ text: String, origin: String) throws -> String {
        let key = text.trimmingCharacters(in: .whitespacesAndNewlines)
        if key.isEmpty { throw APIKeyError.empty(origin: origin) }
        // It becomes an HTTP header: anything but visible ASCII would break the request, or smuggle in another header.
        guard key.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { throw APIKeyError.malformed(origin: origin) }
        return key
    }

    private static func mayStandInAName(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
            true
        default: false
        }
    }
}

/// Why there is no usable API key. Names where it was looked for, never what was found.
enum APIKeyError: CommandStatusProviding, Equatable, CustomStringConvertible {
    case unreadable(path: String)
    case notSet(variable: String)
    case empty(origin: String)
    case malformed(origin: String)
    case missing(endpoint: String, variable: String)

    var commandStatus: CommandStatus { .usage }

    var description: String {
        switch self {
        case .unreadable(let path): "the API key file \(path) cannot be read"
        case .notSet(let variable): "the environment variable \(variable), named by --api-key-env, is not set"
        case .empty(let origin): "the API key in \(origin) is empty"
        case .malformed(let origin): "the API key in \(origin) is not one word of printable ASCII"
        case .missing(let endpoint, let variable):
            "\(endpoint) wants an API key: set \(variable), or say with --api-key-env or --api-key-file where it is"
        }
    }
}
