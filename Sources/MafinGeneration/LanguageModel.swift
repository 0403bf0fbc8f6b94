import Synchronization

/// Something that writes text when it is asked, and can only be asked: a chat API, or a stub of one.
///
/// One call takes many prompts; in which order and how many at a time they are asked is the model's own affair.
public protocol LanguageModel: Sendable {
    /// What determines a reply besides its prompt.
    var identity: LanguageModelIdentity { get }

    /// Hands over the reply to each prompt as soon as it is there.
    /// - Parameter answered: called once for each prompt with its index, in any order, never by two tasks at a time. An error thrown by it
    ///   ends the call.
    /// - Throws: whatever stops the model from answering. A single prompt that is refused is a reply with a ``LanguageReply/refusal``.
    func answer(
        _ prompts: [LanguagePrompt], answered: @escaping @Sendable (Int, LanguageReply) async throws -> Void
    ) async throws
}

extension LanguageModel {
    /// The replies to all prompts; nil where none came.
    /// - Parameter progress: told how many are there.
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

/// Which model, where.
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

/// One thing that a model is asked to write.
public struct LanguagePrompt: Sendable, Hashable, Codable {
    /// What holds for all of a kind of prompts.
    public var system: String
    /// The matter itself.
    public var user: String
    /// A JSON schema that the reply should follow, as text. Servers that know no schemas are asked for JSON, or for nothing.
    public var schema: String?
    /// The schema's name, which some servers want.
    public var schemaName: String
    /// Tokens of the reply, at most.
    public var maximumTokens: Int
    /// How freely words are chosen; nil: as the server likes.
    public var temperature: Double?
    /// Sent along to servers that know seeds, and part of what a cached reply is found by.
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
    /// Its words; empty where it refuses.
    public var text: String
    /// Whether it was cut at the number of tokens allowed.
    public var isCutOff: Bool
    /// Tokens of the prompt as the server counted them, where it says.
    public var inputTokens: Int?
    /// Tokens of the reply, likewise.
    public var outputTokens: Int?
    /// Why there is no reply, in the server's words; nil where there is one.
    public var refusal: String?

    /// Whether it was cut off before its first word: models that reason first spend a low bound on their thoughts.
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
