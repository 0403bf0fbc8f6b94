import Foundation
import MafinGeneration
import MafinProviders
import MafinWorkflows

/// Opens language models: with key, cache, limits and batch API.
package struct LanguageModelFactory: Sendable {
    /// How a language model is asked, and for how much money.
    package struct Settings: Sendable {
        /// The provider that address, key and headers are meant for. Models of other providers are asked at the provider's own address, with the key in
        /// its usual variable, and are sent no further headers.
        package var provider: String?
        /// nil: the provider's own.
        package var baseURL: String?
        package var key = APIKeySource()
        /// Further headers by name.
        package var headers: [String: String] = [:]
        /// The price, the account's rates, and whether the batch API is asked.
        package var limits = ChatLimits()
        /// What may be spent by all models together.
        package var maximumCost: CostLimit?
        /// Prompts that may be sent by all models together, those that fail included.
        package var maximumRequests: Int?
        /// Prompts in flight at a time.
        package var concurrency = ChatModel.Options().maximumConcurrentRequests
        package var connection = ConnectionChoice()

        package init() {}
    }

    /// A model, and the cache before it.
    package typealias Opened = (model: ChatModel, cached: CachedLanguageModel)

    package var settings: Settings
    package var context: WorkflowContext
    package var purse: Purse
    package var environment: [String: String]

    package init(
        _ settings: Settings, context: WorkflowContext, purse: Purse = .ofProcess,
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) {
        (self.settings, self.context, self.purse, self.environment) = (settings, context, purse, environment)
    }

    /// Opens a model.
    ///
    /// - Parameters:
    ///   - catalog: the profiles that can be named.
    ///   - cache: where replies are kept.
    /// - Throws: `ProviderError`: a provider without a chat API, a missing key, an address that makes no sense.
    package func open(
        _ provider: String, model: String, catalog: ProfileCatalog, cache: EmbeddingCache
    ) throws -> Opened {
        let profile = try catalog.profile(provider)
        guard profile.chat != nil else {
            throw ProviderError.badEndpoint(
                profile.name, reason: "no chat API of this provider is known; [chat] in a profile describes one")
        }
        let isMeant = settings.provider == nil || settings.provider == provider
        let baseURL = isMeant ? settings.baseURL : nil
        let key = try (isMeant ? settings.key : APIKeySource()).key(of: profile, environment: environment)
        if key == nil, baseURL == nil, profile.endpoint.isKeyRequired {
            throw profile.missingKey
        }
        let address = baseURL ?? profile.endpoint.baseURL ?? ""
        let chat = try ChatModel(
            profile, model: model, baseURL: baseURL, apiKey: key,
            options: ChatModel.Options(
                maximumConcurrentRequests: settings.concurrency, retry: BlackBoxUse.patience,
                connection: settings.connection.settings(for: address, environment: environment),
                headers: isMeant ? settings.headers : [:], requestsPerMinute: settings.limits.requestsPerMinute,
                tokensPerMinute: settings.limits.tokensPerMinute, price: settings.limits.price ?? ChatPrice(),
                maximumRequests: settings.maximumRequests, maximumCost: settings.maximumCost?.inAll,
                maximumCostPerDay: settings.maximumCost?.perDay,
                sharedSpending: purse.replies(requests: settings.maximumRequests, cost: settings.maximumCost),
                sharing: cache, logger: context.logger),
            environment: environment)
        guard settings.limits.isBatch else { return (chat, CachedLanguageModel(chat, cache: cache)) }
        let batched = try BatchedLanguageModel(chat, cache: cache) { [context] in context.note(of: $0, "prompts") }
        return (chat, CachedLanguageModel(batched, cache: cache))
    }
}

extension ProviderProfile {
    /// Says which key is missing.
    var missingKey: ProviderError {
        .missingKey(endpoint: endpoint.baseURL ?? name, variable: endpoint.keyVariables.first ?? "API_KEY")
    }
}

extension WorkflowContext {
    /// Says how jobs of a batch API are.
    func note(of jobs: [BatchJob], _ unit: String) {
        for job in jobs {
            note("batch \(job.remote ?? "–"), \(job.texts) \(unit): \(job.note ?? job.state.rawValue)")
        }
    }
}
