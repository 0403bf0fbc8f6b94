import Foundation
import MafinBlackBox
import MafinProviders
import MafinReport

/// What may be spent on language models, and how fast they may be asked.
package struct ChatLimits: Sendable {
    /// What a million tokens cost, of prompts and of replies.
    package var price: ChatPrice?
    /// In the currency of ``price``.
    package var maximumCost: Double?
    package var maximumRequests: Int?
    /// Of the account.
    package var requestsPerMinute: Int?
    package var tokensPerMinute: Int?
    /// Tokens of a reply, at most; nil: what the queries need.
    package var tokensOfReply: Int?
    /// Whether the provider's batch API is asked.
    package var isBatch = false

    package init() {}
}

/// What a generation would ask, and an estimate of what that would cost.
package struct GenerationPlan: Sendable, Encodable {
    var documents: Int
    var passages: Int
    /// `provider:model`; nil: nobody is asked.
    var model: String?
    /// The server that prompts and key go to.
    var server: String?
    var prompts = 0
    var cached = 0
    /// At most: prompts estimated by their bytes, replies of the full length allowed.
    var inputTokens = 0
    var outputTokens = 0
    /// At most; nil: no price is known.
    var cost: Double?
    /// At least; nil: no rate is known.
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
        guard let model else { return "nothing is asked" }
        guard toAsk > 0 else { return "\(model): all \(prompts) replies are cached, nothing is asked" }
        var words = [
            "\(toAsk) of \(prompts) prompts to ask", "at most about \(inputTokens) tokens in and \(outputTokens) out",
        ]
        if let minutes, minutes >= 0.5 { words.append("at least \(Int(minutes.rounded(.up))) minutes") }
        if let cost { words.append("at most \(Self.money(cost))") }
        return "\(model) at \(server ?? ""): " + words.joined(separator: ", ")
    }

    /// Why it must not be begun, or nil.
    ///
    /// - Parameter spent: what the command has spent of its limits before.
    func objection(_ limits: ChatLimits, spent: (requests: Int, cost: Double)) -> String? {
        if let allowed = limits.maximumRequests, toAsk > allowed - spent.requests {
            return
                "\(toAsk) prompts are needed and \(left(allowed - spent.requests, of: allowed)) allowed; nothing was sent"
        }
        if let allowed = limits.maximumCost, let cost, cost > allowed - spent.cost {
            let left = spent.cost == 0 ? "" : "\(Self.money(max(0, allowed - spent.cost))) is left of the "
            return
                "up to \(Self.money(cost)) is needed and \(left)\(Self.money(allowed)) allowed; nothing was sent"
        }
        return nil
    }

    private func left(_ left: Int, of allowed: Int) -> String {
        left == allowed ? "\(allowed)" : "\(max(0, left)) left of the \(allowed)"
    }

    /// The plan for people.
    package var table: Table {
        var table = Table(columns: [.init(model ?? "without a language model"), .init("")])
        table.append(["passages", "\(passages) of \(documents) documents"])
        guard let server else { return table }
        table.append(["server", server])
        table.append(["prompts", "\(prompts), \(cached) cached, \(toAsk) to ask"])
        table.append(["tokens", "at most about \(inputTokens) in and \(outputTokens) out"])
        table.append([
            "time",
            minutes.map { "at least \(max(1, Int($0.rounded(.up)))) minutes" }
                ?? "unknown: no rate of the account is known",
        ])
        table.append([
            "price",
            cost.map { "at most \(Self.money($0))" } ?? "unknown: pass --llm-price, what a million tokens cost",
        ])
        return table
    }

    private static func money(_ amount: Double) -> String { String(format: amount < 0.01 ? "%.5f" : "%.2f", amount) }
}
