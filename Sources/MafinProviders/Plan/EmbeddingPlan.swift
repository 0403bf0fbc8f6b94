import Foundation
import MafinBlackBox
import MafinNumerics
import MafinPipeline

/// What a job would send to a provider, how long it would take and what it would cost. Making a plan sends nothing.
public struct EmbeddingPlan: Sendable, Codable, Hashable {
    /// How tokens were counted.
    public enum TokenBasis: Sendable, Codable, Hashable {
        /// By the model's tokenizer.
        case exact
        /// By rules that give more tokens than common tokenizers.
        case upperEstimate
    }

    /// The texts of one role.
    public struct Part: Sendable, Codable, Hashable {
        /// The role of the texts.
        public var role: TextRole
        /// Texts in all.
        public var texts: Int
        /// Distinct texts among them.
        public var distinct: Int
        /// Distinct texts whose vectors are cached.
        public var cached: Int
        /// Images among the distinct items that would be sent.
        public var images: Int
        /// Tokens of these images.
        public var imageTokens: Int
        /// Tokens of what would be sent, images included; see ``EmbeddingPlan/basis``.
        public var tokens: Int
        /// UTF-8 bytes of the texts that would be sent, prefixes included.
        public var bytes: Int
        /// Requests that would be sent, if the server accepts batches up to the limits.
        public var requests: Int
        /// Ids of texts that are certainly longer than the model accepts.
        public var overLimit: [String]
        /// Ids of texts that may be longer, because only an estimate of their length is known.
        public var mayBeOverLimit: [String]

        /// Distinct texts that would be sent.
        public var toAsk: Int { distinct - cached }

        fileprivate mutating func add(_ other: Part) {
            texts += other.texts
            distinct += other.distinct
            cached += other.cached
            images += other.images
            imageTokens += other.imageTokens
            tokens += other.tokens
            bytes += other.bytes
            requests += other.requests
            overLimit += other.overLimit
            mayBeOverLimit += other.mayBeOverLimit
        }
    }

    /// `provider:model`
    public var model: String
    /// The server that texts and key are sent to: its host, with `http://` before it if the connection is not encrypted.
    public var server: String
    /// Queries and documents separately.
    public var parts: [Part]
    /// How tokens were counted.
    public var basis: TokenBasis
    /// Maximum number of tokens of a text; nil: the provider states none.
    public var textTokens: Int?
    /// Expected number of tokens, from the provider's own counts of earlier texts; nil if there are too few.
    public var expectedTokens: Int?
    /// The account's requests per minute; nil: unknown.
    public var requestsPerMinute: Int?
    /// The account's tokens per minute; nil: unknown.
    public var tokensPerMinute: Int?
    /// Whether each text counts as one request in the account's rate.
    public var itemsAreRequests: Bool
    /// The price in the user's currency; nil: unknown.
    public var pricePerMillionTokens: Double?
    /// The discount of the batch API, 0…1; nil: there is none.
    public var batchDiscount: Double?
    /// Whether the batch API is used.
    public var isInBatches: Bool
    /// Whether the profile says what an image costs.
    public var tellsImageTokens: Bool
    /// Numbers in the provider's vectors; nil: unknown before the first answer.
    public var dimension: Int?
    /// Numbers in the local vector; nil: there is no local encoder.
    public var localDimension: Int?

    /// Tokens to be sent.
    public var tokens: Int { parts.reduce(0) { $0 + $1.tokens } }
    /// Requests to be sent.
    public var requests: Int { parts.reduce(0) { $0 + $1.requests } }
    /// Distinct texts to be sent.
    public var toAsk: Int { parts.reduce(0) { $0 + $1.toAsk } }

    /// Minimum duration in minutes under the account's rates; nil if no rate is known.
    public var minutes: Double? {
        let counted = itemsAreRequests ? toAsk : requests
        let bounds = [
            requestsPerMinute.map { Double(counted) / Double($0) }, tokensPerMinute.map { Double(tokens) / Double($0) },
        ].compactMap { $0 }
        return bounds.max()
    }

    /// Maximum cost; nil if no price is known.
    public var cost: Double? { pricePerMillionTokens.map { Double(tokens) * $0 * share / 1e6 } }
    /// Expected cost, from the provider's counts of earlier texts.
    public var expectedCost: Double? {
        guard let pricePerMillionTokens, let expectedTokens else { return nil }
        return Double(expectedTokens) * pricePerMillionTokens * share / 1e6
    }
    /// What the batch API would save of ``cost``; nil if it is used already.
    public var batchSaving: Double? {
        guard let cost, let batchDiscount, !isInBatches else { return nil }
        return cost * batchDiscount
    }
    /// The share of the price that is paid.
    private var share: Double { isInBatches ? 1 - (batchDiscount ?? 0) : 1 }

    /// Numbers in a joined vector.
    public var joinedDimension: Int? {
        guard let dimension, let localDimension else { return nil }
        return dimension + localDimension
    }

    /// Common indexes whose limit is below the dimension of the joined vector.
    public var indexesTooSmall: [IndexLimit] {
        guard let joinedDimension else { return [] }
        return IndexLimit.known.filter { $0.dimension < joinedDimension }
    }

    /// The sum of this plan and another of the same model. Texts in both count twice.
    public func adding(_ other: EmbeddingPlan) -> EmbeddingPlan {
        var sum = self
        for part in other.parts {
            if let index = sum.parts.firstIndex(where: { $0.role == part.role }) {
                sum.parts[index].add(part)
            } else {
                sum.parts.append(part)
            }
        }
        if let tokens = expectedTokens, let more = other.expectedTokens { sum.expectedTokens = tokens + more }
        return sum
    }

    /// - Throws: ``ProviderError/overBudget(endpoint:reason:)`` if it may exceed what is left of the model's limit on spending.
    public func require(withinLimitOf blackBox: ProviderBlackBox) async throws {
        guard toAsk > 0 else { return }
        try await blackBox.require(requests: isInBatches ? 1 : requests, tokens: Int(Double(tokens) * share))
    }

    /// Minimum number of counted tokens from which an expectation is computed.
    private static let tokensForMeasure = 500

    /// Plans a job.
    /// - Parameters:
    ///   - blackBox: the provider's model. Nothing is sent to it.
    ///   - cache: the cache, which may hold vectors already.
    ///   - texts: the texts to embed, by role.
    ///   - ruler: how tokens are counted.
    ///   - overflow: how texts that are too long are cut.
    ///   - isInBatches: whether the provider's batch API is used.
    ///   - localDimension: the dimension of the local encoder; nil: there is none.
    public init(
        _ blackBox: ProviderBlackBox, cache: EmbeddingCache, texts: [(role: TextRole, items: [EmbeddingItem])],
        ruler: TokenRuler, overflow: OverflowPolicy = .error, isInBatches: Bool = false, localDimension: Int? = nil
    ) async throws {
        let (profile, identity) = (blackBox.profile, blackBox.identity)
        let lessons = try await blackBox.ledger.lessons(account: blackBox.exchange.account)
        let limits = blackBox.options.limits.within(profile.limits).within(lessons)
        model = "\(profile.name):\(identity.model)"
        server = blackBox.server
        basis = ruler.isExact ? .exact : .upperEstimate
        textTokens = profile.limits.textTokens
        let rates = blackBox.rates
        (requestsPerMinute, tokensPerMinute) = (rates.requestsPerMinute, rates.tokensPerMinute)
        itemsAreRequests = profile.limits.itemsAreRequests
        pricePerMillionTokens = blackBox.spendingLimit.pricePerMillionTokens ?? profile.price.perMillionTokens
        batchDiscount = profile.batch == nil ? nil : profile.price.batchDiscount
        tellsImageTokens = profile.images.tellsTokens || profile.price.perImage != nil
        self.isInBatches = isInBatches
        self.localDimension = localDimension
        parts = []
        dimension = identity.dimension ?? profile.vectors.nativeDimension
        var counted = (bytes: 0, tokens: 0)
        for (role, items) in texts {
            let distinct = DistinctTexts(items, identity: identity, role: role)
            let missing = try await cache.absent(distinct.keys)
            let all = missing.map { items[distinct.first[$0]] }
            let whole = all.filter { $0.image == nil }
            let images = all.filter { $0.image != nil }
            let cuts = OverflowCuts(
                policy: overflow, limit: profile.limits.textTokens, ruler: ruler, prefix: identity.prefix(for: role))
            let (asked, open) = try await Self.pieces(whole, cuts, cache, distinct.source)
            let prefix = identity.prefix(for: role)
            let form = blackBox.exchange.form(for: role, identity: identity, encoding: 0)
            let costs = blackBox.costs(of: asked.map(\.text), as: role, in: form)
            let schedule = BatchSchedule(costs: costs, limits: limits, requestBytes: form.emptyLength)
            let (over, may) = cuts.overlong(whole)
            var (imageTokens, imageRequests) = (0, 0)
            for group in RequestTemplate.Content.groups(of: images) {
                let part = group.map { images[$0] }
                let form = try blackBox.form(for: part, as: role, encoding: 0)
                let costs = try blackBox.costs(of: part, as: role, in: form)
                imageTokens += costs.reduce(0) { $0 + $1.maximumTokens }
                imageRequests +=
                    BatchSchedule(costs: costs, limits: limits, requestBytes: form.emptyLength).remainingBatches
            }
            parts.append(
                Part(
                    role: role, texts: items.count, distinct: distinct.count,
                    cached: distinct.count - open - images.count, images: images.count, imageTokens: imageTokens,
                    tokens: ruler.maximumCounts(of: asked.map { prefix + $0.text }).reduce(imageTokens, +),
                    bytes: asked.reduce(0) { $0 + $1.text.utf8.count + prefix.utf8.count },
                    requests: schedule.remainingBatches + imageRequests, overLimit: over, mayBeOverLimit: may))
            let known = try await cache.counted(by: distinct.source)
            counted = (counted.bytes + known.bytes, counted.tokens + known.tokens)
            if let stored = try await cache.dimension(of: distinct.source) { dimension = identity.dimension ?? stored }
        }
        if !ruler.isExact, counted.tokens >= Self.tokensForMeasure {
            let bytes = parts.reduce(0) { $0 + $1.bytes }
            expectedTokens =
                Int(Double(bytes) * Double(counted.tokens) / Double(counted.bytes))
                + parts.reduce(0) { $0 + $1.imageTokens }
        }
    }

    /// The pieces of some texts that are not cached, and the number of texts that have such pieces.
    private static func pieces(
        _ texts: [EmbeddingItem], _ cuts: OverflowCuts, _ cache: EmbeddingCache, _ source: EmbeddingKey.Source
    ) async throws -> (asked: [EmbeddingItem], open: Int) {
        guard cuts.policy != .error else { return (texts, texts.count) }
        let pieces = try await cuts.known(texts.map(\.text), cache: cache, source: source)
        var (items, keys, owners): ([EmbeddingItem], [EmbeddingKey], [Int]) = ([], [], [])
        for (index, parts) in pieces.enumerated() {
            for text in parts {
                items.append(EmbeddingItem(id: texts[index].id, text: text))
                keys.append(source.key(of: text))
                owners.append(index)
            }
        }
        var seen = Set<EmbeddingKey>()
        let absent = try await cache.absent(keys)
        let open = Set(absent.map { owners[$0] }).count
        return (absent.filter { seen.insert(keys[$0]).inserted }.map { items[$0] }, open)
    }
}
