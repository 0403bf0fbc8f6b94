import Foundation

/// A secret that is sent to a server and shown nowhere: every way of printing it gives `APIKey(redacted)`.
public struct APIKey: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The secret itself, for the header of a request only.
    let secret: String

    /// A key that is at hand already.
    /// - Parameter source: where it comes from, for the error message.
    /// - Throws: ``ProviderError/badKey(source:reason:)`` where it is empty or holds anything but visible ASCII characters.
    public init(_ secret: String, source: String = "API key") throws {
        let trimmed = secret.trimmingCharacters(in: .whitespacesAndNewlines)
        guard !trimmed.isEmpty else { throw ProviderError.badKey(source: source, reason: "is empty") }
        // It becomes a header: anything else would break the request, or smuggle in another header.
        guard trimmed.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw ProviderError.badKey(source: source, reason: "holds characters that cannot stand in a header")
        }
        self.secret = trimmed
    }

    /// The key in an environment variable, or nil where the variable is not set.
    public init?(
        environmentVariable name: String, environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws {
        guard let value = environment[name] else { return nil }
        try self.init(value, source: "environment variable \(name)")
    }

    /// The key in a file: all of it, white space around it left out.
    public init(file: URL) throws {
        guard let text = try? String(contentsOf: file, encoding: .utf8) else {
            throw ProviderError.badKey(source: file.path, reason: "cannot be read")
        }
        try self.init(text, source: file.path)
    }

    /// Never the secret.
    public var description: String { "APIKey(redacted)" }
    /// Never the secret.
    public var debugDescription: String { description }
    /// Nothing to look into.
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// Where a provider's key is: in a file or a variable that the user names, else in the first of the provider's usual variables that is set.
public struct APIKeySource: Sendable, Hashable {
    /// A file that holds nothing else.
    public var file: URL?
    /// A variable that must be set.
    public var variable: String?

    /// - Parameter variable: not looked at where there is a file.
    public init(file: URL? = nil, variable: String? = nil) {
        (self.file, self.variable) = (file, variable)
    }

    /// The key for a provider, or nil where nothing is named and none of its variables is set.
    /// - Throws: ``ProviderError/badKey(source:reason:)``, which never holds the key.
    public func key(
        of profile: ProviderProfile, environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws -> APIKey? {
        if let file { return try APIKey(file: file) }
        if let variable {
            guard let key = try APIKey(environmentVariable: variable, environment: environment) else {
                throw ProviderError.badKey(
                    source: "environment variable \(variable)", reason: "is missing: the variable is not set")
            }
            return key
        }
        for variable in profile.endpoint.keyVariables {
            if let key = try APIKey(environmentVariable: variable, environment: environment) { return key }
        }
        return nil
    }
}
