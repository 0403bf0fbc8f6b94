import Foundation
import MafinProviders
import Synchronization

/// How requests are sent to an embedding API, and the limits on spending. None of it changes the vector of a text that fits the model.
package struct ProviderSettings: Sendable {
    /// Where the key is.
    package var key = APIKeySource()
    /// The file of the cache; nil: the user's default cache.
    package var cacheFile: URL?
    /// `postgresql://…`, where hosts share vectors, rates and spending; nil: they are in the file.
    package var sharedCache: String?
    /// The precision of new vectors in the cache.
    package var cachePrecision = VectorPrecision.float32
    /// An additional profile, besides those of the library and of the user's folder.
    package var providerFile: URL?
    /// Maximum number of texts in one request.
    package var textsPerRequest = BatchLimits().items
    /// Maximum number of requests in flight.
    package var concurrency = ProviderBlackBox.Options().maximumConcurrentRequests
    /// The account's requests per minute; nil: what the profile says.
    package var requestsPerMinute: Int?
    /// The account's tokens per minute; nil: what the profile says.
    package var tokensPerMinute: Int?
    /// The price of a million tokens; nil: what the profile says.
    package var price: Double?
    /// The limit on the cost; nil: none.
    package var maximumCost: CostLimit?
    /// Maximum number of requests, failed ones included.
    package var maximumRequests: Int?
    /// Folder of the model's tokenizer, for exact counts of tokens.
    package var tokenizer: String?
    /// Share of the cached texts to send again, to check whether the model still gives the same vectors.
    package var driftCheck: Double?
    /// Whether the provider's batch API is used.
    package var usesBatches = false
    /// Whether to wait for the answers of batches.
    package var waitsForBatches = true
    /// Further headers by name.
    package var headers: [String: String] = [:]
    /// How the server is reached.
    package var connection = ConnectionChoice()

    package init() {}

    /// The first flag that cannot be used in a service, where somebody waits for each answer: a batch takes up to a day, and a drift check sends
    /// additional texts.
    package var flagNotForServices: String? {
        if usesBatches { return "--batch" }
        if !waitsForBatches { return "--no-wait" }
        return driftCheck == nil ? nil : "--drift-check"
    }

    /// The limit on spending at a provider.
    /// - Throws: `ProviderError.missingPrice` if there is a limit on the cost and no price is known.
    func spendingLimit(of profile: ProviderProfile) throws -> SpendingLimit {
        let price = price ?? profile.price.perMillionTokens
        if maximumCost != nil, price == nil { throw ProviderError.missingPrice }
        return SpendingLimit(
            requests: maximumRequests, cost: maximumCost?.inAll, costPerDay: maximumCost?.perDay,
            pricePerMillionTokens: price)
    }
}

/// A limit on the cost of one command, or of a day.
package struct CostLimit: Sendable, Hashable, CustomStringConvertible {
    package var amount: Double
    /// Whether it applies to each day (UTC) and all who use the same cache file, and not to this command alone.
    package var isPerDay = false

    /// Reads `5` or `5/day`; nil for anything else.
    package init?(_ text: String) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, let amount = Double(first), amount >= 0, amount.isFinite else { return nil }
        if parts.count > 1 {
            guard parts[1] == "day" else { return nil }
            isPerDay = true
        }
        self.amount = amount
    }

    package var description: String { "\(amount)" + (isPerDay ? "/day" : "") }

    var inAll: Double? { isPerDay ? nil : amount }
    var perDay: Double? { isPerDay ? amount : nil }
}

/// How servers are reached according to the user. The environment gives the rest.
package struct ConnectionChoice: Sendable, Hashable {
    /// `http://host:port`; nil: the proxy that the environment names for the address.
    package var proxy: String?
    /// A PEM file of certificate authorities to trust besides the system's.
    package var certificateAuthorities: URL?
    /// Time limit for one request and its complete answer.
    package var timeout: Duration

    package init(proxy: String? = nil, certificateAuthorities: URL? = nil, timeout: Duration = .seconds(300)) {
        (self.proxy, self.certificateAuthorities, self.timeout) = (proxy, certificateAuthorities, timeout)
    }

    /// The settings for the server at an address.
    package func settings(for address: String, environment: [String: String]) -> ConnectionSettings {
        ConnectionSettings(
            proxy: proxy ?? ConnectionSettings.proxy(for: address, environment: environment),
            certificateAuthorities: certificateAuthorities, timeout: timeout)
    }
}

/// The spending of all models that are opened with it. So a limit holds for a whole command, even if it opens models several times (writer
/// and judge; round trip, training and evaluation of `mafin adapt`; a service that loads its artefact again).
package final class Purse: Sendable {
    private struct Key: Hashable {
        var limit: SpendingLimit
        var purpose: Spending.Purpose
    }

    private let spendings = Mutex<[Key: Spending]>([:])

    /// The purse of this process.
    package static let ofProcess = Purse()

    package init() {}

    /// The spending on vectors under a limit.
    func vectors(_ limit: SpendingLimit) -> Spending { shared(Spending(limit: limit), .vectors) }

    /// The spending on replies of language models under a limit.
    func replies(requests: Int?, cost: CostLimit?) -> Spending {
        shared(ChatModel.spending(requests: requests, cost: cost?.inAll, costPerDay: cost?.perDay), .replies)
    }

    /// The spending that was first created with this limit for this purpose.
    private func shared(_ new: Spending, _ purpose: Spending.Purpose) -> Spending {
        spendings.withLock { spendings in
            let key = Key(limit: new.limit, purpose: purpose)
            let spending = spendings[key] ?? new
            spendings[key] = spending
            return spending
        }
    }
}
