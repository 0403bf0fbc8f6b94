/// Describes a provider's chat API: the `[chat]` table of a profile.
///
/// ```toml
/// [chat]
/// dialect = "openai"
/// endpoint = { path = "/chat/completions" }   # overrides [endpoint]
/// ```
public struct ChatForm: Sendable, Hashable {
    /// The families of chat APIs.
    public enum Dialect: String, Sendable, CaseIterable {
        /// `/chat/completions` of OpenAI and of most servers.
        case openAI = "openai"
        /// `/v1/messages` of Anthropic.
        case anthropic
        /// `/api/chat` of Ollama.
        case ollama
    }

    /// The family of the API.
    public let dialect: Dialect
    /// The `url` of each line of a batch; nil: no batch API for chats is known.
    public let batchRequestPath: String?
    /// Keys that override the profile's `[endpoint]`.
    let endpoint: [String: ProfileValue]

    /// nil if the table or its `dialect` is absent.
    init?(_ table: inout ProfileTable) throws {
        guard let dialect = try table.choice("dialect", Dialect.self) else {
            table.ignoreRest()
            return nil
        }
        self.dialect = dialect
        batchRequestPath = try table.text("batch_request_path").flatMap { $0.isEmpty ? nil : $0 }
        endpoint = try table.raw("endpoint")
    }
}

extension ProviderProfile {
    /// The profile with the endpoint of its chat API instead of that for vectors.
    /// - Throws: ``ProviderError/badEndpoint(_:reason:)`` if no chat API is known; ``ProviderError/badProfile(source:place:reason:)``
    func forChat() throws -> (profile: ProviderProfile, form: ChatForm) {
        guard let chat else {
            throw ProviderError.badEndpoint(
                name, reason: "no chat API of this provider is known; [chat] in a profile describes one")
        }
        let merged = ProfileValue.merging(definition, with: ["endpoint": .table(chat.endpoint)])
        return (try ProviderProfile(definition: merged, source: source), chat)
    }
}
