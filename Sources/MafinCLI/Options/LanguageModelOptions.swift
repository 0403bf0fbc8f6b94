import ArgumentParser
import Foundation
import MafinBlackBox
import MafinProviders
import MafinWorkflows

/// Which language model writes queries, how it is asked, and for how much money.
struct LanguageModelOptions: ParsableArguments {
    /// `PROVIDER:MODEL`
    struct Specification: ExpressibleByArgument, Equatable, CustomStringConvertible {
        var provider: String
        var model: String

        init?(argument: String) {
            let parts = argument.split(separator: ":", maxSplits: 1).map(String.init)
            guard parts.count == 2, !parts[1].isEmpty else { return nil }
            (provider, model) = (parts[0], parts[1])
        }

        var description: String { "\(provider):\(model)" }
    }

    @Option(
        help: ArgumentHelp(
            "Language model that writes the queries: openai:MODEL (with --llm-base-url any server with OpenAI's /v1/chat/completions), anthropic:MODEL, ollama:MODEL, mistral:MODEL.",
            valueName: "provider:model"))
    var llm: Specification?

    @Option(
        name: .customLong("llm-base-url"),
        help: ArgumentHelp(
            "Address of the server of --llm. The key is sent there. (default: the provider's own)", valueName: "url",
            visibility: .hidden))
    var baseURL: String?

    @Option(
        name: .customLong("llm-key-env"),
        help: ArgumentHelp(
            "Environment variable that holds the key of --llm. (default: the provider's usual one)", valueName: "name",
            visibility: .hidden))
    var keyVariable: String?

    @Option(
        name: .customLong("llm-key-file"),
        help: ArgumentHelp(
            "File whose only line is the key of --llm, instead of a variable.", valueName: "path", visibility: .hidden),
        completion: .file())
    var keyFile: String?

    @Option(
        help: ArgumentHelp(
            "Model that grades each query for its passage, from 0 to 3; queries below 2 are rejected. It can be the same as --llm. A model of another provider is asked at that provider's own address, with the key in its usual variable: --llm-base-url and --llm-key-… apply to --llm only.",
            valueName: "provider:model", visibility: .hidden))
    var judge: Specification?

    @Option(
        name: .customLong("llm-price"),
        help: ArgumentHelp(
            "Price of a million tokens of prompts and of replies, such as 0.15,0.60. Needed for --llm-max-cost.",
            valueName: "in,out"), transform: Self.price)
    var price: ChatPrice?

    @Option(
        name: .customLong("llm-max-cost"),
        help: ArgumentHelp(
            "Nothing is sent that could cost more than this in all, judge included, in the currency of --llm-price.",
            valueName: "amount"))
    var maxCost: Double?

    @Option(
        name: .customLong("llm-max-requests"),
        help: ArgumentHelp(
            "Send no more prompts than this, failed ones and the judge's included.", valueName: "n",
            visibility: .hidden))
    var maxRequests: Int?

    @Option(
        name: .customLong("llm-max-tokens"),
        help: ArgumentHelp(
            "Maximum tokens of a reply. Reasoning models need some thousands; --llm-max-cost then counts on them. (default: what the queries need)",
            valueName: "n", visibility: .hidden))
    var maxTokens: Int?

    @Option(
        name: .customLong("llm-concurrency"),
        help: ArgumentHelp("Maximum number of prompts at a time.", valueName: "n", visibility: .hidden))
    var concurrency = ChatModel.Options().maximumConcurrentRequests

    @Option(
        name: .customLong("llm-requests-per-minute"),
        help: ArgumentHelp(
            "Prompts a minute that the account may send; all processes on this machine share the limit.",
            valueName: "n", visibility: .hidden))
    var requestsPerMinute: Int?

    @Option(
        name: .customLong("llm-tokens-per-minute"),
        help: ArgumentHelp(
            "Tokens a minute that the account may send; all processes on this machine share the limit.",
            valueName: "n", visibility: .hidden))
    var tokensPerMinute: Int?

    @Flag(
        name: .customLong("llm-batch"),
        help: ArgumentHelp(
            "Use the provider's batch API, if it has one: cheaper, answered within a day. If interrupted, run the same command again.",
            visibility: .hidden))
    var batch = false

    func validate() throws {
        for (flag, value) in [
            ("--llm-concurrency", concurrency), ("--llm-requests-per-minute", requestsPerMinute ?? 1),
            ("--llm-tokens-per-minute", tokensPerMinute ?? 1), ("--llm-max-requests", maxRequests ?? 1),
            ("--llm-max-tokens", maxTokens ?? 1),
        ] where value < 1 {
            throw ValidationError("\(flag) must be at least 1, found \(value).")
        }
        if let maxCost {
            guard maxCost >= 0, maxCost.isFinite else { throw ValidationError("--llm-max-cost must be at least 0.") }
            if price == nil { throw ValidationError("--llm-max-cost needs --llm-price, what a million tokens cost.") }
        }
        if keyVariable != nil, keyFile != nil {
            throw ValidationError("--llm-key-env and --llm-key-file cannot both be given.")
        }
        if judge != nil, llm == nil { throw ValidationError("--judge goes with --llm.") }
    }

    @Sendable private static func price(_ text: String) throws -> ChatPrice {
        let parts = text.split(separator: ",", omittingEmptySubsequences: false).map {
            Double($0.trimmingCharacters(in: .whitespaces))
        }
        guard parts.count == 2, let input = parts[0], let output = parts[1], input >= 0, output >= 0, input.isFinite,
            output.isFinite
        else { throw ValidationError("--llm-price takes two amounts, of prompts and of replies, like 0.15,0.60.") }
        return ChatPrice(input: input, output: output)
    }

    /// What may be spent, and how fast.
    var limits: ChatLimits {
        var limits = ChatLimits()
        limits.price = price
        limits.maximumCost = maxCost
        limits.maximumRequests = maxRequests
        limits.requestsPerMinute = requestsPerMinute
        limits.tokensPerMinute = tokensPerMinute
        limits.tokensOfReply = maxTokens
        limits.isBatch = batch
        return limits
    }

    /// A model, ready to be asked, with the cache and the connection of the black box.
    func open(
        _ specification: Specification, blackBox: BlackBoxOptions, shared: SharedOptions
    ) throws -> (model: ChatModel, cached: CachedLanguageModel) {
        try open(
            specification, cache: try blackBox.openCache(shared, ProcessInfo.processInfo.environment),
            catalog: try blackBox.catalog(), asking: blackBox.asking, shared: shared)
    }

    /// A model, ready to be asked, behind the cache. Address and key of the flags are the writer's: no other provider is sent them.
    func open(
        _ specification: Specification, cache: EmbeddingCache, catalog: ProfileCatalog, asking: AskingOptions,
        shared: SharedOptions,
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws -> (model: ChatModel, cached: CachedLanguageModel) {
        let profile = try catalog.profile(specification.provider)
        guard profile.chat != nil else {
            throw ProviderError.badEndpoint(
                profile.name, reason: "no chat API of this provider is known; [chat] in a profile describes one")
        }
        let isElsewhere = llm.map { $0.provider != specification.provider } ?? false
        let baseURL = isElsewhere ? nil : baseURL
        let variables = profile.endpoint.keyVariables
        let variable = variables.first { environment[$0] != nil } ?? variables.first ?? "API_KEY"
        let key = try APIKeyOptions.key(
            variable: isElsewhere ? nil : keyVariable, file: isElsewhere ? nil : keyFile, defaultVariable: variable,
            environment: environment)
        if key == nil, baseURL == nil, profile.endpoint.isKeyRequired {
            throw APIKeyError.missing(endpoint: profile.endpoint.baseURL ?? profile.name, variable: variable)
        }
        let address = baseURL ?? profile.endpoint.baseURL ?? ""
        let model = try ChatModel(
            profile, model: specification.model, baseURL: baseURL, apiKey: key.map { try APIKey($0) },
            options: ChatModel.Options(
                maximumConcurrentRequests: concurrency, retry: AskingManner.patient,
                connection: asking.connection(to: address, environment: environment),
                requestsPerMinute: requestsPerMinute, tokensPerMinute: tokensPerMinute, price: price ?? ChatPrice(),
                maximumRequests: maxRequests, maximumCost: maxCost,
                sharedSpending: CommandSpending.replies(requests: maxRequests, cost: maxCost), sharing: cache,
                logger: shared.logger),
            environment: environment)
        guard batch else { return (model, CachedLanguageModel(model, cache: cache)) }
        let batched = try BatchedLanguageModel(model, cache: cache) { jobs in
            for job in jobs {
                shared.note("batch \(job.remote ?? "–"), \(job.texts) prompts: \(job.note ?? job.state.rawValue)")
            }
        }
        return (model, CachedLanguageModel(batched, cache: cache))
    }
}
