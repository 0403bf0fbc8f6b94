import Foundation
import MafinProviders
import Synchronization

/// How an embedding API is asked, and for how much money. None of it changes the vector of a text that fits the model.
package struct ProviderSettings: Sendable {
    /// Where the key is.
    package var key = APIKeySource()
    /// The file that keeps every answer; nil: the user's own.
    package var cacheFile: URL?
    /// How new vectors are kept.
    package var cachePrecision = VectorPrecision.float32
    /// A profile to know besides those of the library and of the user's folder.
    package var providerFile: URL?
    /// Texts in one request, at most.
    package var textsPerRequest = BatchLimits().items
    /// Requests in flight at a time, at most.
    package var concurrency = ProviderBlackBox.Options().maximumConcurrentRequests
    /// Of the account; nil: what the profile says.
    package var requestsPerMinute: Int?
    /// Of the account; nil: what the profile says.
    package var tokensPerMinute: Int?
    /// What a million tokens cost; nil: what the profile says.
    package var price: Double?
    /// What may be spent; nil: any amount.
    package var maximumCost: CostLimit?
    /// Requests that may be sent, those that fail included.
    package var maximumRequests: Int?
    /// Folder of the model's tokenizer, for exact counts of tokens.
    package var tokenizer: String?
    /// Share of the cached texts to ask again, to see whether the model still gives the same vectors.
    package var driftCheck: Double?
    /// Whether the provider's batch API is asked.
    package var usesBatches = false
    /// Whether batches are waited for.
    package var waitsForBatches = true
    /// Further headers by name.
    package var headers: [String: String] = [:]
    /// How the server is reached.
    package var connection = ConnectionChoice()

    package init() {}

    /// The first flag that makes no sense where somebody waits for each answer: an answer through a batch takes up to a day, and a drift check asks
    /// further texts.
    package var flagNotForServices: String? {
        if usesBatches { return "--batch" }
        if !waitsForBatches { return "--no-wait" }
        return driftCheck == nil ? nil : "--drift-check"
    }

    /// What may be spent at a provider.
    /// - Throws: `ProviderError.missingPrice` where a cost is bounded and no price is known.
    func spendingLimit(of profile: ProviderProfile) throws -> SpendingLimit {
        let price = price ?? profile.price.perMillionTokens
        if maximumCost != nil, price == nil { throw ProviderError.missingPrice }
        return SpendingLimit(
            requests: maximumRequests, cost: maximumCost?.inAll, costPerDay: maximumCost?.perDay,
            pricePerMillionTokens: price)
    }
}

/// A bound on a cost: for one command, or for a day.
package struct CostLimit: Sendable, Hashable, CustomStringConvertible {
    package var amount: Double
    /// For each day (UTC), whoever uses the same cache file; otherwise for this command alone.
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

/// How servers are reached, as far as the user says; the rest is what the environment says.
package struct ConnectionChoice: Sendable, Hashable {
    /// `http://host:port`; nil: what the environment names for the address.
    package var proxy: String?
    /// A PEM file of certificate authorities to trust besides the system's.
    package var certificateAuthorities: URL?
    /// For one request and its whole answer.
    package var timeout: Duration

    package init(proxy: String? = nil, certificateAuthorities: URL? = nil, timeout: Duration = .seconds(300)) {
        (self.proxy, self.certificateAuthorities, self.timeout) = (proxy, certificateAuthorities, timeout)
    }

    /// For the servers at an address.
    package func settings(for address: String, environment: [String: String]) -> ConnectionSettings {
        ConnectionSettings(
            proxy: proxy ?? ConnectionSettings.proxy(for: address, environment: environment),
            certificateAuthorities: certificateAuthorities, timeout: timeout)
    }
}

/// What was spent by all models that were opened with it. A limit holds for the whole of a command, however often models are opened (writer
/// and judge; round trip, training and evaluation of `mafin adapt`; a service that loads its artefact anew).
package final class Purse: Sendable {
    private struct Key: Hashable {
        var limit: SpendingLimit
        var purpose: Spending.Purpose
    }

    private let spendings = Mutex<[Key: Spending]>([:])

    /// The one of this process.
    package static let ofProcess = Purse()

    package init() {}

    /// What is spent on vectors under a limit.
    func vectors(_ limit: SpendingLimit) -> Spending { shared(Spending(limit: limit), .vectors) }

    /// What is spent on replies of language models under a limit.
    func replies(requests: Int?, cost: CostLimit?) -> Spending {
        shared(ChatModel.spending(requests: requests, cost: cost?.inAll, costPerDay: cost?.perDay), .replies)
    }

    /// The one that was opened first with this limit, for this purpose.
    private func shared(_ new: Spending, _ purpose: Spending.Purpose) -> Spending {
        spendings.withLock { spendings in
            let key = Key(limit: new.limit, purpose: purpose)
            let spending = spendings[key] ?? new
            spendings[key] = spending
            return spending
        }
    }
}
