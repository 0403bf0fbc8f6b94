import MafinBlackBox
import MafinGeneration
import MafinProviders
import MafinReport

/// Price, rates and limits of language models.
package struct ChatLimits: Sendable {
    /// The price of a million tokens, of prompts and of replies.
    package var price: ChatPrice?
    /// The account's rates; nil: unknown.
    package var requestsPerMinute: Int?
    package var tokensPerMinute: Int?
    /// Maximum number of tokens of a reply; nil: what the queries need.
    package var tokensOfReply: Int?
    /// Whether the provider's batch API is used.
    package var isBatch = false

    package init() {}
}

/// What a generation would send, and an estimate of its cost.
package struct GenerationPlan: Sendable, Encodable {
    var documents: Int
    var passages: Int
    /// `provider:model`; nil: no model is used.
    var model: String?
    /// The server that prompts and key are sent to.
    var server: String?
    var prompts = 0
    var cached = 0
    /// Upper bounds: an estimate for the prompts, and the full allowed length for the replies.
    var inputTokens = 0
    var outputTokens = 0
    /// Maximum cost; nil: no price is known.
    var cost: Double?
    /// Minimum duration; nil: no rate is known.
    var minutes: Double?

    var toAsk: Int { prompts - cached }

    init(documents: Int, passages: Int) {
        self.documents = documents
        self.passages = passages
    }

    init(
        documents: Int, passages: Int, model: ChatModel, prompts: Int, missing: [LanguagePrompt],
        limits: ChatLimits
    ) {
        self.init(documents: documents, passages: passages)
        self.model = "\(model.identity.provider):\(model.identity.model)"
        server = model.server
        self.prompts = prompts
        cached = prompts - missing.count
        inputTokens = missing.reduce(0) { $0 + ChatModel.estimatedTokens(of: $1) }
        outputTokens = missing.reduce(0) { $0 + $1.maximumTokens }
        cost = limits.price?.cost(input: inputTokens, output: outputTokens).map {
            limits.isBatch ? $0 * (1 - (model.batchDiscount ?? 0)) : $0
        }
        let bounds = [
            limits.requestsPerMinute.map { Double(missing.count) / Double($0) },
            limits.tokensPerMinute.map { Double(inputTokens + outputTokens) / Double($0) },
        ].compactMap { $0 }
        minutes = bounds.max()
    }

    /// One line.
    var summary: String {
        guard let model else { return "nothing is sent" }
        guard toAsk > 0 else { return "\(model): all \(prompts) replies are cached, nothing is sent" }
        var words = [
            "\(toAsk) of \(prompts) prompts to send",
            "at most \(inputTokens) tokens in and \(outputTokens) out (estimated)",
        ]
        if let minutes, minutes >= 0.5 { words.append("at least \(Int(minutes.rounded(.up))) minutes") }
        if let cost { words.append("at most \(Money.text(cost)) (estimated)") }
        return "\(model) at \(server ?? ""): " + words.joined(separator: ", ")
    }

    /// The plan as a table for people.
    package var table: Table {
        var table = Table(columns: [.init(model ?? "without a language model"), .init("")])
        table.append(["passages", "\(passages) of \(documents) documents"])
        guard let server else { return table }
        table.append(["server", server])
        table.append(["prompts", "\(prompts), \(cached) cached, \(toAsk) to send"])
        table.append(["tokens", "at most \(inputTokens) in and \(outputTokens) out (estimated)"])
        table.append([
            "time",
            minutes.map { "at least \(max(1, Int($0.rounded(.up)))) minutes" }
                ?? "unknown: no rate of the account is known",
        ])
        table.append([
            "price",
            cost.map { "at most \(Money.text($0)) (estimated)" }
                ?? "unknown: pass --llm-price, the price of a million tokens",
        ])
        return table
    }
}
