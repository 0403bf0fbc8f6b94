import Foundation
import MafinBlackBox

/// What a job would ask of a provider, how long it would take and what it would cost; nothing is sent to know it.
public struct EmbeddingPlan: Sendable, Codable, Hashable {
    /// How tokens were counted.
    public enum TokenBasis: Sendable, Codable, Hashable {
        /// By the model's tokenizer.
        case exact
        /// So many bytes of UTF-8 hold a token at least: an upper estimate.
        case upperEstimate(bytesPerToken: Double)
    }

    /// The texts of one role.
    public struct Part: Sendable, Codable, Hashable {
        /// What they are.
        public var role: TextRole
        /// Texts in all.
        public var texts: Int
        /// Different texts among them.
        public var distinct: Int
        /// Those of the different ones whose vectors are cached.
        public var cached: Int
        /// Tokens of those that would be asked; see ``EmbeddingPlan/basis``.
        public var tokens: Int
        /// UTF-8 bytes of those that would be asked, prefixes included.
        public var bytes: Int
        /// Requests for them, if the server takes what the limits say.
        public var requests: Int
        /// Texts that are certainly longer than the model takes.
        public var overLimit: [String]
        /// Texts that may be: only their upper estimate is longer.
        public var mayBeOverLimit: [String]

        /// Different texts that would be asked.
        public var toAsk: Int { distinct - cached }
    }

    /// `provider:model`
    public var model: String
    /// Queries and documents apart.
    public var parts: [Part]
    /// How tokens were counted.
    public var basis: TokenBasis
    /// Tokens that a text may have; nil: the provider states none.
    public var textTokens: Int?
    /// Tokens to be asked as the provider's own counts of earlier texts suggest; nil where there are too few.
    public var expectedTokens: Int?
    /// Requests and tokens a minute of the account; nil: unknown.
    public var requestsPerMinute: Int?
    /// Tokens a minute of the account; nil: unknown.
    public var tokensPerMinute: Int?
    /// Whether each text counts as one request a minute.
    public var itemsAreRequests: Bool
    /// In the user's currency; nil: no price was given.
    public var pricePerMillionTokens: Double?
    /// What the batch API takes off; nil: there is none.
    public var batchDiscount: Double?
    /// Numbers in the provider's vectors, where that is known before the first answer, and in the local half.
    public var dimension: Int?
    /// Numbers in the local half; nil: none is to be joined.
    public var localDimension: Int?

    /// Tokens to be asked.
    public var tokens: Int { parts.reduce(0) { $0 + $1.tokens } }
    /// Requests to be sent.
    public var requests: Int { parts.reduce(0) { $0 + $1.requests } }
    /// Different texts to be asked.
    public var toAsk: Int { parts.reduce(0) { $0 + $1.toAsk } }

    /// Minutes that the account's rates allow at best; nil where no rate is known.
    public var minutes: Double? {
        let counted = itemsAreRequests ? toAsk : requests
        let bounds = [
            requestsPerMinute.map { Double(counted) / Double($0) }, tokensPerMinute.map { Double(tokens) / Double($0) },
        ].compactMap { $0 }
        return bounds.max()
    }

    /// What it costs at most; nil where no price is known.
    public var cost: Double? { pricePerMillionTokens.map { Double(tokens) * $0 / 1e6 } }
    /// What it costs by the provider's counts of earlier texts.
    public var expectedCost: Double? {
        guard let pricePerMillionTokens, let expectedTokens else { return nil }
        return Double(expectedTokens) * pricePerMillionTokens / 1e6
    }
    /// What the batch API would save of ``cost``.
    public var batchSaving: Double? {
        guard let cost, let batchDiscount else { return nil }
        return cost * batchDiscount
    }

    /// Numbers in a joined vector.
    public var joinedDimension: Int? {
        guard let dimension, let localDimension else { return nil }
        return dimension + localDimension
    }

    /// Indexes that would not take the joined vector.
    public var indexesTooSmall: [IndexLimit] {
        guard let joinedDimension else { return [] }
        return IndexLimit.known.filter { $0.dimension < joinedDimension }
    }

    /// This plan and another of the same model, one after the other. Texts that stand in both count twice.
    public func adding(_ other: EmbeddingPlan) -> EmbeddingPlan {
        var sum = self
        for part in other.parts {
            guard let index = sum.parts.firstIndex(where: { $0.role == part.role }) else {
                sum.parts.append(part)
                continue
            }
            sum.parts[index].texts += part.texts
            sum.parts[index].distinct += part.distinct
            sum.parts[index].cached += part.cached
            sum.parts[index].tokens += part.tokens
            sum.parts[index].bytes += part.bytes
            sum.parts[index].requests += part.requests
            sum.parts[index].overLimit += part.overLimit
            sum.parts[index].mayBeOverLimit += part.mayBeOverLimit
        }
        if let tokens = expectedTokens, let more = other.expectedTokens { sum.expectedTokens = tokens + more }
        return sum
    }

    /// - Throws: ``ProviderError/overBudget(endpoint:reason:)`` where it is more than is allowed.
    public func require(within limit: SpendingLimit, endpoint: String) throws {
        let spending = Spending(limit: limit)
        if let objection = spending.objection(requests: limit.requests == nil ? 0 : requests, tokens: tokens) {
            throw ProviderError.overBudget(endpoint: endpoint, reason: objection)
        }
    }

    /// So many tokens must have been counted before their bytes are a measure.
    private static let tokensForMeasure = 500

    /// Plans a job.
    ///
    /// - Parameters:
    ///   - blackBox: the provider's model; not asked.
    ///   - cache: what is there already.
    ///   - texts: what is to be embedded, by role.
    ///   - ruler: how tokens are counted.
    ///   - localDimension: of the encoder that is to be joined.
    public init(
        _ blackBox: ProviderBlackBox, cache: EmbeddingCache, texts: [(role: TextRole, items: [EmbeddingItem])],
        ruler: TokenRuler, localDimension: Int? = nil
    ) async throws {
        let (profile, identity) = (blackBox.profile, blackBox.identity)
        let lessons = try await blackBox.ledger.lessons(account: blackBox.exchange.account)
        let stated = blackBox.options.limits.within(profile.limits)
        let limits = BatchLimits(
            items: min(stated.items, lessons.items ?? .max), tokens: min(stated.tokens, lessons.tokens ?? .max),
            bytes: min(stated.bytes, lessons.bytes ?? .max))
        model = "\(profile.name):\(identity.model)"
        basis = ruler.estimate.map { .upperEstimate(bytesPerToken: $0) } ?? .exact
        textTokens = profile.limits.textTokens
        let rates = blackBox.rates
        (requestsPerMinute, tokensPerMinute) = (rates.requestsPerMinute, rates.tokensPerMinute)
        itemsAreRequests = profile.limits.itemsAreRequests
        pricePerMillionTokens =
            blackBox.spendingLimit.pricePerMillionTokens ?? profile.price.perMillionTokens
        batchDiscount = profile.price.batchDiscount
        self.localDimension = localDimension
        parts = []
        dimension = identity.dimension ?? profile.vectors.nativeDimension
        var counted = (bytes: 0, tokens: 0)
        for (role, items) in texts {
            let distinct = DistinctTexts(items, identity: identity, role: role)
            let missing = try await cache.absent(distinct.keys)
            let asked = missing.map { items[distinct.first[$0]] }
            parts.append(Self.part(role, items.count, distinct.count, asked, blackBox, limits, ruler))
            let known = try await cache.counted(by: distinct.source)
            counted = (counted.bytes + known.bytes, counted.tokens + known.tokens)
            if let stored = try await cache.dimension(of: distinct.source) { dimension = identity.dimension ?? stored }
        }
        if !ruler.isExact, counted.tokens >= Self.tokensForMeasure {
            let bytes = parts.reduce(0) { $0 + $1.bytes }
            expectedTokens = Int(Double(bytes) * Double(counted.tokens) / Double(counted.bytes))
        }
    }

    private static func part(
        _ role: TextRole, _ texts: Int, _ distinct: Int, _ asked: [EmbeddingItem], _ blackBox: ProviderBlackBox,
        _ limits: BatchLimits, _ ruler: TokenRuler
    ) -> Part {
        let prefix = blackBox.identity.prefix(for: role)
        let form = blackBox.exchange.form(for: role, identity: blackBox.identity, encoding: 0)
        let tokens = ruler.counts(of: asked.map { prefix + $0.text })
        let prefixLength = JSONText.escapedLength(of: prefix)
        let costs = asked.map { item in
            ItemCost(
                tokens: blackBox.estimatedTokens(of: item.text, as: role),
                bytes: prefixLength + form.length(of: item.text))
        }
        let schedule = BatchSchedule(costs: costs, limits: limits, requestBytes: form.emptyLength)
        var part = Part(
            role: role, texts: texts, distinct: distinct, cached: distinct - asked.count,
            tokens: tokens.reduce(0, +),
            bytes: asked.reduce(0) { $0 + $1.text.utf8.count + prefix.utf8.count },
            requests: schedule.remainingBatches, overLimit: [], mayBeOverLimit: [])
        guard let limit = blackBox.profile.limits.textTokens else { return part }
        // No tokenizer makes tokens of twice the estimate's bytes.
        let certain = ruler.isExact ? limit : 2 * limit
        for (index, count) in tokens.enumerated() where count > limit {
            if count > certain {
                part.overLimit.append(asked[index].id)
            } else {
                part.mayBeOverLimit.append(asked[index].id)
            }
        }
        return part
    }
}
