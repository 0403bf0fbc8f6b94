import Foundation
import MafinPipeline

/// Where models come from and where they are stored: the same settings, with the same meaning, as in Python's `huggingface_hub`.
public struct HubLocation: Sendable {
    /// Address of the hub (`HF_ENDPOINT`).
    public var endpoint: String
    /// Folder of the cache (`HF_HUB_CACHE`, else `HUGGINGFACE_HUB_CACHE`, else `HF_HOME/hub`).
    public var cache: URL
    /// The token. It is sent to the hub and to no other host.
    public var token: APIKey?
    /// Whether the network must not be used (`HF_HUB_OFFLINE`, `TRANSFORMERS_OFFLINE`).
    public var isOffline: Bool
    /// Further folders, in which each model is a folder with its plain name (`MAFIN_MODELS`).
    public var modelFolders: [URL]

    /// A location from its parts.
    public init(
        endpoint: String = "https://huggingface.co", cache: URL, token: APIKey? = nil, isOffline: Bool = false,
        modelFolders: [URL] = []
    ) {
        self.endpoint = endpoint
        self.cache = cache
        self.token = token
        self.isOffline = isOffline
        self.modelFolders = modelFolders
    }

    /// Where models are found without the hub.
    var folders: ModelFolders { ModelFolders(cache: cache, plain: modelFolders) }

    /// The location that the environment names: `HF_ENDPOINT`, `HF_HOME`, `HF_HUB_CACHE`, `HF_TOKEN` or the file `HF_TOKEN_PATH` (else `HF_HOME/token`),
    /// `HF_HUB_OFFLINE`, `MAFIN_MODELS`.
    /// - Throws: ``ProviderError/badKey(source:reason:)``, ``ProviderError/badEndpoint(_:reason:)``
    public init(environment: [String: String] = ProcessInfo.processInfo.environment) throws {
        let hub = HubEnvironment(environment)
        func isTrue(_ name: String) -> Bool {
            ["1", "on", "yes", "true"].contains(environment[name]?.lowercased() ?? "")
        }
        let folders = ModelFolders(environment: environment)
        (cache, modelFolders) = (folders.cache, folders.plain)
        var endpoint = hub.value("HF_ENDPOINT") ?? "https://huggingface.co"
        while endpoint.hasSuffix("/") { endpoint.removeLast() }
        guard let parts = URLComponents(string: endpoint), parts.host != nil, ["http", "https"].contains(parts.scheme)
        else {
            throw ProviderError.badEndpoint(
                endpoint, reason: "HF_ENDPOINT must be a complete address, like https://huggingface.co")
        }
        self.endpoint = endpoint
        let tokenFile = hub.value("HF_TOKEN_PATH").map(hub.url) ?? hub.home.appendingPathComponent("token")
        if let text = hub.value("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN") {
            token = try APIKey(text, source: "environment variable HF_TOKEN")
        } else if let text = try? String(contentsOf: tokenFile, encoding: .utf8), !text.allSatisfy(\.isWhitespace) {
            token = try APIKey(text, source: tokenFile.path)
        }
        isOffline = isTrue("HF_HUB_OFFLINE") || isTrue("TRANSFORMERS_OFFLINE")
    }
}
