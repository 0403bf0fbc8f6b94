import Foundation
import Logging
import MafinGeneration
import NIOCore
import NIOHTTP1

/// A model behind a chat API of any provider.
///
/// It repeats requests as ``ProviderBlackBox`` does, shares the account's rates with all processes on the machine, keeps the limit on spending,
/// and leaves out fields that a server does not support (schemas, temperature, seeds). It stores nothing: wrap it in ``CachedLanguageModel``
/// so that no reply is paid for twice.
public struct ChatModel: LanguageModel, ProviderClient {
    /// How requests are sent. None of it changes a reply.
    public struct Options: Sendable {
        /// Maximum number of requests in flight.
        public var maximumConcurrentRequests: Int
        /// Pauses and attempts.
        public var retry: RetryPolicy
        /// Proxy, certificates, time limits.
        public var connection: ConnectionSettings
        /// Further headers, besides those of the profile.
        public var headers: [String: String]
        /// The account's requests per minute; nil: unknown.
        public var requestsPerMinute: Int?
        /// The account's tokens per minute; nil: unknown.
        public var tokensPerMinute: Int?
        /// What tokens cost.
        public var price: ChatPrice
        /// Maximum number of requests, failed ones included.
        public var maximumRequests: Int?
        /// Maximum cost of all requests, in the currency of ``price``.
        public var maximumCost: Double?
        /// Maximum cost on one day (UTC) of all who use the same cache file, in the same currency.
        public var maximumCostPerDay: Double?
        /// What has been spent already by others under the same limits (``ChatModel/spending(requests:cost:costPerDay:)``); nil: this model counts for itself.
        public var sharedSpending: Spending?
        /// The cache through which all processes on this machine share the account's rates.
        public var sharing: EmbeddingCache?
        /// Told of retries.
        public var logger: Logger?

        /// Options; the defaults suit hosted APIs.
        public init(
            maximumConcurrentRequests: Int = 4, retry: RetryPolicy = RetryPolicy(),
            connection: ConnectionSettings = ConnectionSettings(), headers: [String: String] = [:],
            requestsPerMinute: Int? = nil, tokensPerMinute: Int? = nil, price: ChatPrice = ChatPrice(),
            maximumRequests: Int? = nil, maximumCost: Double? = nil, maximumCostPerDay: Double? = nil,
            sharedSpending: Spending? = nil, sharing: EmbeddingCache? = nil, logger: Logger? = nil
        ) {
            precondition(maximumConcurrentRequests >= 1, "at least one request at a time")
            self.maximumConcurrentRequests = maximumConcurrentRequests
            self.retry = retry
            self.connection = connection
            self.headers = headers
            self.requestsPerMinute = requestsPerMinute
            self.tokensPerMinute = tokensPerMinute
            self.price = price
            self.maximumRequests = maximumRequests
            self.maximumCost = maximumCost
            self.maximumCostPerDay = maximumCostPerDay
            self.sharedSpending = sharedSpending
            self.sharing = sharing
            self.logger = logger
        }
    }

    /// The profile's name, address and model.
    public let identity: LanguageModelIdentity
    let profile: ProviderProfile
    let form: ChatForm
    let options: Options
    let exchange: Exchange
    let request: ChatRequest
    let abilities = ServerKnowledge(ChatAbilities())
    let spending: Spending
    let ledger: any AccountLedger
    let time: any TimeSource
    var retry: RetryPolicy { options.retry }
    var logger: Logger? { options.logger }
    var rates: RateLimits {
        RateLimits(requestsPerMinute: options.requestsPerMinute, tokensPerMinute: options.tokensPerMinute)
    }

    /// The call ends after this many refused prompts if nothing was ever answered, because then the prompts are not the cause.
    static let refusalsBeforeDoubt = 3
    /// The call ends if the first replies, this many, are all empty or cut off. Then the limit on their length is too low for this model.
    static let repliesBeforeDoubt = 10

    private static func allLost(_ count: Int, tokens: Int) -> String {
        "the first \(count) replies are empty or cut off at \(tokens) tokens: a model that reasons before it writes needs more, "
            + "for example --llm-max-tokens \(max(4096, 4 * tokens))"
    }

    /// The message for a reply that was cut off before its first word.
    static func lostReply(tokens: Int?) -> String {
        "cut off before its first word" + (tokens.map { ", after \($0) tokens" } ?? "")
            + ": a model that reasons before it writes needs more (--llm-max-tokens)"
    }

    /// A model of a provider.
    /// - Parameters:
    ///   - profile: describes the provider's API; it must have a chat API.
    ///   - baseURL: the address; nil: the provider's own.
    ///   - environment: variables that the profile's headers name.
    /// - Throws: ``ProviderError``: no chat API, an invalid address or header, a limit on the cost without a price.
    public init(
        _ profile: ProviderProfile, model: String, baseURL: String? = nil, apiKey: APIKey? = nil,
        options: Options = Options(), environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws {
        try self.init(
            profile, model: model, baseURL: baseURL, apiKey: apiKey, options: options, environment: environment,
            transport: nil, time: SystemTime())
    }

    init(
        _ given: ProviderProfile, model: String, baseURL: String? = nil, apiKey: APIKey? = nil,
        options: Options = Options(),
        environment: [String: String] = [:], transport: (any RequestTransport)?, time: any TimeSource
    ) throws {
        guard !model.isEmpty else { throw ProviderError.badEndpoint(given.name, reason: "no model is named") }
        let (profile, form) = try given.forChat()
        let address = try profile.endpoint.resolved(baseURL, model: model, profile: profile.name)
        if options.maximumCost != nil || options.maximumCostPerDay != nil, options.price.isUnknown {
            throw ProviderError.badEndpoint(
                "\(profile.name):\(model)", reason: "a limit on the cost needs the prices of prompts and of replies")
        }
        identity = LanguageModelIdentity(provider: profile.name, model: model, endpoint: address.base)
        self.profile = profile
        self.form = form
        self.options = options
        self.time = time
        request = ChatRequest(dialect: form.dialect, model: model)
        exchange = try Exchange(
            profile: profile, model: model, address: address, givenBaseURL: baseURL, apiKey: apiKey,
            connection: options.connection, headers: options.headers, environment: environment, transport: transport)
        spending =
            options.sharedSpending
            ?? Self.spending(
                requests: options.maximumRequests, cost: options.maximumCost, costPerDay: options.maximumCostPerDay)
        ledger = options.sharing.map { $0.ledger } ?? LocalLedger(time: time)
    }

    /// A limit on spending that several models share.
    public static func spending(requests: Int?, cost: Double?, costPerDay: Double? = nil) -> Spending {
        // Counted in millionths of the currency, so that one limit holds for two prices.
        Spending(
            limit: SpendingLimit(requests: requests, cost: cost, costPerDay: costPerDay, pricePerMillionTokens: 1),
            purpose: .replies)
    }

    /// Where requests go.
    public var url: String { exchange.url }

    /// The server that prompts and key are sent to, in a form for people.
    public var server: String { exchange.server }

    /// The discount of the provider's batch API, 0…1; nil: there is none.
    public var batchDiscount: Double? {
        profile.batch == nil || form.batchRequestPath == nil ? nil : profile.price.batchDiscount
    }

    /// Requests sent so far by all who share the limits, and their cost in the currency of the price: by the server's count of tokens, else an
    /// upper bound.
    public var spent: (requests: Int, cost: Double) {
        let (requests, millionths) = spending.soFar
        return (requests, Double(millionths) / 1e6)
    }

    /// Tokens of a prompt, estimated from above.
    public static func estimatedTokens(of prompt: LanguagePrompt) -> Int {
        [prompt.system, prompt.user, prompt.schema ?? ""].reduce(16) { $0 + TokenEstimate.upperBound(of: $1) }
    }

    /// An upper bound on the cost of a prompt and its reply, in millionths of the currency.
    func mostMillionths(of prompt: LanguagePrompt) -> Int {
        options.price.millionths(input: Self.estimatedTokens(of: prompt), output: prompt.maximumTokens)
    }

    /// Throws if some prompts may exceed what is left of the limits. Nothing is sent.
    /// - Parameter cost: an upper bound on their cost; nil: no price is known.
    /// - Throws: ``ProviderError/overBudget(endpoint:reason:)``
    public func require(prompts: Int, cost: Double?) async throws {
        guard prompts > 0 else { return }
        try await require(requests: prompts, tokens: ChatPrice.millionths(cost ?? 0))
    }

    // MARK: - Asking

    private enum Event: Sendable {
        case replied(Int, LanguageReply, wasOverloaded: Bool, number: Int)
        case failed(any Error)
    }

    /// Sends all prompts, several at a time, and hands over the replies as they arrive.
    /// - Throws: ``ProviderError``; `CancellationError` if the task was cancelled, after the replies in flight are handed over
    ///   (``RetryPolicy/finishing``).
    public func answer(
        _ prompts: [LanguagePrompt], answered: @escaping @Sendable (Int, LanguageReply) async throws -> Void
    ) async throws {
        try await finishing(within: options.retry.finishing) { stop in
            try await answer(prompts, until: stop, answered)
        }
    }

    private func answer(
        _ prompts: [LanguagePrompt], until stop: StopSignal,
        _ answered: @Sendable (Int, LanguageReply) async throws -> Void
    ) async throws {
        var window = ConcurrencyWindow(maximum: options.maximumConcurrentRequests)
        var (next, inFlight, answers, refusals, lost) = (0, 0, 0, 0, 0)
        var failure: (any Error)?
        try await withThrowingTaskGroup(of: Event.self) { group in
            while true {
                if stop.isRequested { failure = failure ?? CancellationError() }
                while failure == nil, next < prompts.count, inFlight < window.limit {
                    let (index, number) = (next, window.send())
                    group.addTask {
                        var wasOverloaded = false
                        do {
                            let reply = try await reply(to: prompts[index], until: stop, &wasOverloaded)
                            return .replied(index, reply, wasOverloaded: wasOverloaded, number: number)
                        } catch {
                            return .failed(error)
                        }
                    }
                    next += 1
                    inFlight += 1
                }
                guard inFlight > 0, let event = try await group.next() else { break }
                inFlight -= 1
                switch event {
                // Replies in flight are paid, so the call waits for them.
                case .failed(let error): failure = failure ?? error
                case .replied(let index, let reply, let wasOverloaded, let number):
                    if wasOverloaded { window.overloaded(number: number) } else { window.answered() }
                    if let refusal = reply.refusal {
                        refusals += 1
                        if answers == 0, refusals >= Self.refusalsBeforeDoubt {
                            failure = failure ?? ProviderError.refused(endpoint: url, status: 400, message: refusal)
                        }
                    } else {
                        answers += 1
                        if reply.isLost || reply.isCutOff { lost += 1 }
                        if answers == Self.repliesBeforeDoubt, lost == answers {
                            let reason = Self.allLost(answers, tokens: prompts[index].maximumTokens)
                            failure = failure ?? ProviderError.badAnswer(endpoint: url, reason: reason)
                        }
                    }
                    do {
                        try await answered(index, reply)
                    } catch {
                        failure = failure ?? error
                    }
                }
            }
        }
        if let failure { throw failure }
    }

    /// The reply to one prompt. It is sent again if that can help.
    private func reply(
        to prompt: LanguagePrompt, until stop: StopSignal, _ wasOverloaded: inout Bool
    ) async throws -> LanguageReply {
        let input = Self.estimatedTokens(of: prompt)
        let (tokens, booked) = (input + prompt.maximumTokens, mostMillionths(of: prompt))
        var failures = 0
        let start = time.now
        while true {
            try Task.checkCancellation()
            let wait = try await reserve(tokens: tokens)
            if wait > .zero { try await stop.sleep(until: time.now + wait, of: time) }
            if stop.isRequested { throw CancellationError() }
            let booking = try await book(booked)
            let known = abilities.current
            switch await send(prompt, known) {
            case .success(let reply):
                try await settle(
                    booking,
                    actual: options.price.millionths(
                        input: reply.inputTokens ?? input, output: reply.outputTokens ?? prompt.maximumTokens))
                if let input = reply.inputTokens, let output = reply.outputTokens {
                    try await correct(tokens: input + output - tokens)
                }
                return reply
            case .failure(let failed):
                try await settle(booking, actual: failed.mayBeBilled ? booked : 0)
                if failed.verdict == .cancelled { throw CancellationError() }
                // Another request may have learned it in the meantime.
                let isWorthIt = { (now: inout ChatAbilities) in now != known || now.stepBack(from: failed.message) }
                if failed.verdict == .stepBack, abilities.update(isWorthIt) { continue }
                if failed.isAboutPrompt { return LanguageReply(text: "", refusal: failed.message) }
                guard failed.verdict == .retry else {
                    throw ProviderError.refused(endpoint: url, status: failed.status, message: failed.message)
                }
                failures += 1
                wasOverloaded = wasOverloaded || [429, 503, 529].contains(failed.status)
                try await pause(failed, failures: failures, since: start, until: stop)
            }
        }
    }

    private func pause(_ failed: Failure, failures: Int, since start: Duration, until stop: StopSignal) async throws {
        let reason = failed.status > 0 ? "\(failed.status) \(failed.message)" : failed.message
        let isTooLate =
            failed.delay.map { $0 > retry.longestServerDelay || time.now - start + $0 > retry.patience }
            ?? (failures >= retry.maximumAttempts)
        guard !isTooLate else {
            throw ProviderError.unavailable(endpoint: url, attempts: failures, reason: reason)
        }
        let wait = failed.delay.map(RetryPolicy.delay) ?? retry.delay(afterFailures: failures)
        logger?.warning(
            "asking again", metadata: ["reason": "\(reason)", "after": "\(wait.logText)", "failures": "\(failures)"])
        if failed.delay != nil { try await pause(for: wait) }
        try await stop.sleep(until: time.now + wait, of: time)
    }

    // MARK: - One attempt

    /// Why an attempt got no reply.
    private struct Failure: Error {
        enum Verdict { case retry, stepBack, final, cancelled }
        var verdict: Verdict
        var status = 0
        var message = ""
        var delay: Duration?
        /// Whether the prompt may be the cause, so that other prompts may be answered.
        var isAboutPrompt = false
        /// Whether the vendor may bill it nevertheless.
        var mayBeBilled = true
    }

    private func send(_ prompt: LanguagePrompt, _ known: ChatAbilities) async -> Result<LanguageReply, Failure> {
        let answer: HTTPAnswer
        do {
            answer = try await exchange.send(
                .POST, url, contentType: "application/json", body: request.body(prompt, known))
        } catch let failure as ConnectionFailure {
            let message = exchange.redacted(failure.description)
            return .failure(Failure(verdict: .retry, message: message, mayBeBilled: failure.wasSent))
        } catch {
            return .failure(Failure(verdict: .cancelled))
        }
        let body = answer.body.readableBytesView
        let isSuccess = answer.status == 200
        if isSuccess, let reply = ChatRequest.reply(in: body) { return .success(reply) }
        let complaint = exchange.complaint(in: answer, isSuccess ? .inSuccess(body: body) : nil)
        var failed = Failure(
            verdict: .final, status: complaint.status, message: complaint.message, delay: complaint.retryDelay)
        // The server may have worked on a 200 without a reply or an error.
        failed.mayBeBilled = complaint.mayBeBilled || (isSuccess && complaint.labels.isEmpty)
        switch complaint.verdict(profile.errors) {
        case .retry: failed.verdict = .retry
        // "This model does not support temperature" is read as a complaint about the model, but it is one about a field.
        case .final: failed.verdict = [400, 422, 500].contains(complaint.status) ? .stepBack : .final
        case .noEncoding, .refused, .tooLarge:
            failed.verdict = [400, 422, 500, 501].contains(complaint.status) ? .stepBack : .final
            failed.isAboutPrompt = [400, 413, 422].contains(complaint.status)
        }
        return .failure(failed)
    }
}

/// The price of a million tokens, in the user's currency; nil: unknown.
public struct ChatPrice: Sendable, Hashable, Codable {
    /// The price of prompts.
    public var input: Double?
    /// The price of replies.
    public var output: Double?

    /// A price.
    public init(input: Double? = nil, output: Double? = nil) {
        self.input = input
        self.output = output
    }

    /// Whether a price is missing, so that no cost can be computed.
    public var isUnknown: Bool { input == nil || output == nil }

    /// The cost of some tokens; nil if the price is unknown.
    public func cost(input tokensIn: Int, output tokensOut: Int) -> Double? {
        guard let input, let output else { return nil }
        return (Double(tokensIn) * input + Double(tokensOut) * output) / 1e6
    }

    func millionths(input tokensIn: Int, output tokensOut: Int) -> Int {
        Self.millionths(cost(input: tokensIn, output: tokensOut) ?? 0)
    }

    static func millionths(_ cost: Double) -> Int { Int(min(1e15, cost * 1e6).rounded(.up)) }
}
