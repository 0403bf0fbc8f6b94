import ArgumentParser
import Foundation
import MafinBlackBox
import MafinCommandLine
import MafinProviderWorkflows
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
        help: .expert("Address of the server of --llm. The key is sent there. (default: the provider's own)", "url"))
    var baseURL: String?

    @Option(
        name: .customLong("llm-key-env"),
        help: .expert("Environment variable that holds the key of --llm. (default: the provider's usual one)", "name"))
    var keyVariable: String?

    @Option(
        name: .customLong("llm-key-file"),
        help: .expert("File whose only line is the key of --llm, instead of a variable.", "path"), completion: .file())
    var keyFile: String?

    @Option(
        name: .customLong("llm-header"),
        help: .expert(
            "A further header for the server of --llm, 'Name: value'; may be repeated. Other users of the machine can see flags: put secrets in a provider's file as ${VARIABLE}.",
            "header"))
    var headers: [String] = []

    @Option(
        help: .expert(
            "Model that grades each query for its passage, from 0 to 3; queries below 2 are rejected. It can be the same as --llm. A model of another provider is asked at that provider's own address, with the key in its usual variable: --llm-base-url and --llm-key-… apply to --llm only.",
            "provider:model"))
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
            "Send nothing that could cost more than this, judge included, in the currency of --llm-price. 5 holds for this command, 5/day for each day (UTC), earlier commands with the same --cache included.",
            valueName: "amount"))
    var maxCost: CostLimit?

    @Option(
        name: .customLong("llm-max-requests"),
        help: .expert("Send no more prompts than this, failed ones and the judge's included.", "n"))
    var maxRequests: Int?

    @Option(
        name: .customLong("llm-max-tokens"),
        help: .expert(
            "Maximum tokens of a reply. Reasoning models need some thousands; --llm-max-cost then counts on them. (default: what the queries need)",
            "n"))
    var maxTokens: Int?

    @Option(name: .customLong("llm-concurrency"), help: .expert("Maximum number of prompts at a time.", "n"))
    var concurrency = ChatModel.Options().maximumConcurrentRequests

    @Option(
        name: .customLong("llm-requests-per-minute"),
        help: .expert("Prompts a minute that the account may send; all processes on this machine share the limit.", "n")
    )
    var requestsPerMinute: Int?

    @Option(
        name: .customLong("llm-tokens-per-minute"),
        help: .expert("Tokens a minute that the account may send; all processes on this machine share the limit.", "n"))
    var tokensPerMinute: Int?

    @Flag(
        name: .customLong("llm-batch"),
        help: .expert(
            "Use the provider's batch API, if it has one: cheaper, answered within a day. If interrupted, run the same command again."
        ))
    var batch = false

    func validate() throws {
        try require(
            [
                "--llm-concurrency": concurrency, "--llm-max-requests": maxRequests, "--llm-max-tokens": maxTokens,
                "--llm-requests-per-minute": requestsPerMinute, "--llm-tokens-per-minute": tokensPerMinute,
            ], atLeast: 1)
        if maxCost != nil, price == nil {
            throw ValidationError("--llm-max-cost needs --llm-price, what a million tokens cost.")
        }
        _ = try AskingOptions.fields(of: headers, flag: "--llm-header")
        if keyVariable != nil, keyFile != nil {
            throw ValidationError("--llm-key-env and --llm-key-file cannot both be given.")
        }
        if judge != nil, llm == nil { throw ValidationError("--judge goes with --llm.") }
    }

    @Sendable private static func price(_ text: String) throws -> ChatPrice {
        guard let parts = amounts(text, count: 2) else {
            throw ValidationError("--llm-price takes two amounts, of prompts and of replies, like 0.15,0.60.")
        }
        return ChatPrice(input: parts[0], output: parts[1])
    }

    /// The limits of money, requests and rates.
    var limits: ChatLimits {
        var limits = ChatLimits()
        limits.price = price
        limits.requestsPerMinute = requestsPerMinute
        limits.tokensPerMinute = tokensPerMinute
        limits.tokensOfReply = maxTokens
        limits.isBatch = batch
        return limits
    }

    /// Opens a language model, with the cache and the connection of the black box.
    func open(
        _ specification: Specification, blackBox: BlackBoxOptions, shared: SharedOptions
    ) throws -> LanguageModelFactory.Opened {
        let factory = try LanguageModelFactory(settings(asking: blackBox.asking), beside: blackBox.factory(shared))
        return try factory.open(specification.provider, model: specification.model)
    }

    /// The settings that the flags give. Address, key and headers of the flags belong to the writer. No other provider is sent them.
    private func settings(asking: AskingOptions) throws -> LanguageModelFactory.Settings {
        var settings = LanguageModelFactory.Settings()
        settings.provider = llm?.provider
        settings.baseURL = baseURL
        settings.key = APIKeySource(file: keyFile.map { URL(fileURLWithPath: $0) }, variable: keyVariable)
        settings.headers = try AskingOptions.fields(of: headers, flag: "--llm-header")
        settings.limits = limits
        (settings.maximumCost, settings.maximumRequests) = (maxCost, maxRequests)
        settings.concurrency = concurrency
        settings.connection = asking.connection
        return settings
    }
}
