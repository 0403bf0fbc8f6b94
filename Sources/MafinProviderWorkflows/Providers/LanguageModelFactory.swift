import Foundation
import MafinGeneration
import MafinProviders
import MafinWorkflows

/// Opens language models with key, cache, limits and batch API.
package struct LanguageModelFactory: Sendable {
    /// How prompts are sent to a language model, and the limits on spending.
    package struct Settings: Sendable {
        /// The provider that address, key and headers are meant for. For models of other providers, the provider's own address and the key in its
        /// usual variable are used, and no further headers are sent.
        package var provider: String?
        /// The address of the server; nil: the provider's own.
        package var baseURL: String?
        package var key = APIKeySource()
        /// Further headers by name.
        package var headers: [String: String] = [:]
        /// The price, the account's rates, and whether the batch API is used.
        package var limits = ChatLimits()
        /// The limit on the cost of all models together.
        package var maximumCost: CostLimit?
        /// Maximum number of prompts of all models together, failed ones included.
        package var maximumRequests: Int?
        /// Maximum number of prompts in flight.
        package var concurrency = ChatModel.Options().maximumConcurrentRequests
        package var connection = ConnectionChoice()

        package init() {}
    }

    /// A model, and the same model with its cache.
    package typealias Opened = (model: ChatModel, cached: CachedLanguageModel)

    package var settings: Settings
    /// Opens the black boxes of the same command. Language models share their profiles, cache, purse and environment.
    package var blackBoxes: BlackBoxFactory

    package init(_ settings: Settings, beside blackBoxes: BlackBoxFactory) {
        (self.settings, self.blackBoxes) = (settings, blackBoxes)
    }

    /// Opens a model.
    ///
    /// - Throws: `ProviderError`: an unknown provider or one without a chat API, a missing key, an invalid address.
    package func open(_ provider: String, model: String) throws -> Opened {
        let (context, environment, purse) = (blackBoxes.context, blackBoxes.environment, blackBoxes.purse)
        let profile = try blackBoxes.catalog().profile(provider)
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
        let cache = try blackBoxes.openCache()
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
        let batched = try BatchedLanguageModel(chat, cache: cache) { context.note(of: $0, "prompts") }
        return (chat, CachedLanguageModel(batched, cache: cache))
    }
}

extension ProviderProfile {
    /// The error that names the missing key.
    var missingKey: ProviderError {
        .missingKey(endpoint: endpoint.baseURL ?? name, variable: endpoint.keyVariables.first ?? "API_KEY")
    }
}

extension WorkflowContext {
    /// Reports the states of jobs of a batch API.
    func note(of jobs: [BatchJob], _ unit: String) {
        for job in jobs {
            note("batch \(job.remote ?? "–"), \(job.texts) \(unit): \(job.note ?? job.state.rawValue)")
        }
    }
}
