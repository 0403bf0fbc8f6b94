import Synchronization

/// Something that replies to prompts: a chat API, or a stub of one.
///
/// One call takes many prompts. The model decides in which order and how many at a time they are sent.
public protocol LanguageModel: Sendable {
    /// What determines a reply besides its prompt.
    var identity: LanguageModelIdentity { get }

    /// Hands over the reply to each prompt as soon as it arrives.
    /// - Parameter answered: called once for each prompt with its index, in any order, never by two tasks at a time. If it throws,
    ///   the call ends.
    /// - Throws: whatever stops the model from answering. If a single prompt is refused, its reply has a ``LanguageReply/refusal``.
    func answer(
        _ prompts: [LanguagePrompt], answered: @escaping @Sendable (Int, LanguageReply) async throws -> Void
    ) async throws
}

extension LanguageModel {
    /// The replies to all prompts; nil for a prompt without one.
    /// - Parameter progress: told the number of replies so far.
    func replies(
        to prompts: [LanguagePrompt], progress: @escaping @Sendable (Int) -> Void
    ) async throws -> [LanguageReply?] {
        let collected = Mutex<(replies: [LanguageReply?], count: Int)>((Array(repeating: nil, count: prompts.count), 0))
        try await answer(prompts) { index, reply in
            let count = collected.withLock { state in
                state.replies[index] = reply
                state.count += 1
                return state.count
            }
            progress(count)
        }
        return collected.withLock { $0.replies }
    }
}

/// A model and its address.
public struct LanguageModelIdentity: Sendable, Hashable, Codable {
    /// Name of the provider's profile.
    public var provider: String
    /// The provider's name of the model.
    public var model: String
    /// Base address.
    public var endpoint: String?

    /// An identity from its parts.
    public init(provider: String, model: String, endpoint: String? = nil) {
        self.provider = provider
        self.model = model
        self.endpoint = endpoint
    }
}

/// A prompt for a model, and how the reply should be.
public struct LanguagePrompt: Sendable, Hashable, Codable {
    /// The system message, which is the same for all prompts of a kind.
    public var system: String
    /// The user's message.
    public var user: String
    /// A JSON schema that the reply should follow, as text. For servers without schemas, JSON is requested instead, or nothing.
    public var schema: String?
    /// The schema's name, which some servers require.
    public var schemaName: String
    /// Maximum number of tokens of the reply.
    public var maximumTokens: Int
    /// The sampling temperature; nil: the server's default.
    public var temperature: Double?
    /// Sent to servers that support seeds, and part of the key of a cached reply.
    public var seed: UInt64

    /// A prompt from its parts.
    public init(
        system: String, user: String, schema: String? = nil, schemaName: String = "answer", maximumTokens: Int = 512,
        temperature: Double? = nil, seed: UInt64 = 0
    ) {
        self.system = system
        self.user = user
        self.schema = schema
        self.schemaName = schemaName
        self.maximumTokens = maximumTokens
        self.temperature = temperature
        self.seed = seed
    }
}

/// What a model has written.
public struct LanguageReply: Sendable, Hashable, Codable {
    /// The text; empty if the prompt was refused.
    public var text: String
    /// Whether it was cut off at the maximum number of tokens.
    public var isCutOff: Bool
    /// Tokens of the prompt as the server counted them; nil if it does not say.
    public var inputTokens: Int?
    /// Tokens of the reply, as the server counted them.
    public var outputTokens: Int?
    /// Why there is no reply, in the server's words; nil if there is one.
    public var refusal: String?

    /// Whether it was cut off before its first word. This happens when a reasoning model uses up a low limit on tokens before it writes.
    public var isLost: Bool { isCutOff && refusal == nil && text.allSatisfy(\.isWhitespace) }

    /// A reply from its parts.
    public init(
        text: String, isCutOff: Bool = false, inputTokens: Int? = nil, outputTokens: Int? = nil, refusal: String? = nil
    ) {
        self.text = text
        self.isCutOff = isCutOff
        self.inputTokens = inputTokens
        self.outputTokens = outputTokens
        self.refusal = refusal
    }
}
