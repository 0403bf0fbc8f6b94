import Foundation
import MafinProviders
import MafinStores

/// How the server of a store is reached according to the user.
package struct StoreConnectionChoice: Sendable {
    /// The environment variable that holds the key; nil: the store's usual one.
    package var keyVariable: String?

    package init(keyVariable: String? = nil) { self.keyVariable = keyVariable }

    /// The connection to a store. A variable that is named must be set; the usual one may be missing.
    /// - Parameters:
    ///   - kind: nil for files.
    ///   - address: of the server, which decides about a proxy.
    /// - Throws: `ProviderError.badKey`, which never contains the key.
    package func connection(
        to kind: StoreKind?, at address: String, _ choice: ConnectionChoice, environment: [String: String]
    ) throws -> StoreConnection {
        let settings = choice.settings(for: address, environment: environment)
        guard let variable = keyVariable ?? kind?.keyVariable else { return StoreConnection(settings: settings) }
        guard let value = environment[variable]?.trimmingCharacters(in: .whitespacesAndNewlines), !value.isEmpty else {
            guard keyVariable == nil else {
                throw ProviderError.badKey(
                    source: "environment variable \(variable)", reason: "is missing: the variable is not set")
            }
            return StoreConnection(settings: settings)
        }
        // It becomes a part of a header. Other characters would break the request or add another header.
        guard value.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw ProviderError.badKey(
                source: "environment variable \(variable)", reason: "contains characters that a header cannot hold")
        }
        return StoreConnection(key: value, settings: settings)
    }
}
