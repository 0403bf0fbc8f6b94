import MafinNumerics

/// Which mode to train in, chosen from the data and the time.
///
/// The rule, in order:
/// 1. **Query tower** if the time or the speed is not known, or the time is too short for blocks. A step costs query tokens only, so
///    it learns the most per minute, and the document index never changes.
/// 2. **Blocks with a bank** if, after the bank is made, the time covers ``minimumBlockEpochs`` epochs of blocks and refreshes of the bank.
///    Documents are trained too, which pays only once every document was seen several times. (Measured on NFCorpus, two cores: five
///    minutes of blocks with a bank, about a thirtieth of that, were worse than two minutes of the query tower.)
///
/// Pairs are never chosen: they encode a document again for each query that it is relevant to.
public struct ModeChoice: Sendable, Codable, Equatable {
    /// The chosen mode.
    public enum Mode: String, Sendable, Codable, CaseIterable {
        /// ``QueryTowerMode``.
        case query
        /// ``BlockMode``.
        case block
        /// ``PairMode``.
        case pair
    }

    /// The mode.
    public var mode: Mode
    /// The reason, in one sentence for the user.
    public var reason: String
    /// The cost of an epoch of each mode.
    public var estimate: Estimate

    package init(mode: Mode, reason: String, estimate: Estimate) {
        self.mode = mode
        self.reason = reason
        self.estimate = estimate
    }

    /// Blocks are chosen if the time covers at least so many epochs of them.
    public static let minimumBlockEpochs = 10.0
    /// Cost of a token that is only embedded, as a share of one that is trained: the forward pass, a third.
    public static let embeddingShare = 1.0 / 3

    /// Tokens of an epoch of each mode; a token that is only embedded counts ``embeddingShare``.
    public struct Estimate: Sendable, Codable, Equatable {
        /// Making the bank.
        public var bank: Double
        /// An epoch of the query tower: all training queries.
        public var query: Double
        /// An epoch of blocks: each relevant document once, the queries with each of their blocks, and a refresh of the bank.
        public var block: Double
        /// An epoch of pairs: both texts of every pair.
        public var pair: Double
    }

    /// Chooses by the rule above.
    /// - Parameters:
    ///   - time: seconds for training, if limited.
    ///   - tokensPerSecond: tokens trained a second.
    ///   - hasBank: whether the released encoder's document vectors exist already.
    public static func choose(
        index: TrainingIndex, time: Double? = nil, tokensPerSecond: Double? = nil, hasBank: Bool = false,
        block: BlockMode = BlockMode()
    ) -> ModeChoice {
        let estimate = estimate(index, block: block)
        func choice(_ mode: Mode, _ reason: String) -> ModeChoice {
            ModeChoice(mode: mode, reason: reason, estimate: estimate)
        }
        guard let time, let tokensPerSecond else {
            return choice(
                .query,
                "only the query side is trained, as \(time == nil ? "no time is set" : "the speed is not known"): "
                    + "an epoch is \(count(estimate.query)) tokens instead of \(count(estimate.block))")
        }
        let available = time * tokensPerSecond - (hasBank ? 0 : estimate.bank)
        let epochs = max(0, available / max(1, estimate.block))
        if epochs >= minimumBlockEpochs {
            return choice(
                .block,
                "documents are trained too, as the time covers \(Int(epochs)) epochs of blocks "
                    + "(\(count(estimate.block)) tokens each)")
        }
        return choice(
            .query,
            "only the query side is trained, as the time covers only \(Int(epochs)) epochs of blocks "
                + "(\(count(estimate.block)) tokens each; \(Int(minimumBlockEpochs)) are wanted) but "
                + "\(Int(max(0, available / max(1, estimate.query)))) of queries")
    }

    /// Tokens of the sample whose embedding is timed: enough to tell speeds that differ by half; about .05 s.
    static let sampleTokens = 1024

    /// Tokens trained a second, estimated from embedding the first of `inputs`: no weight is touched.
    public static func measureTokensPerSecond<Encoder: TrainableEncoder>(
        _ encoder: Encoder, inputs: Encoder.Inputs
    ) throws -> Double {
        var tokens = 0
        var rows = 0
        while rows < inputs.count, tokens < sampleTokens {
            tokens += inputs.length(of: rows)
            rows += 1
        }
        let sample = inputs.selecting(rows: Array(0..<rows))
        // The first input fills caches and buffers before the clock starts.
        _ = try encoder.embed(inputs.selecting(rows: [0]))
        let start = ContinuousClock.now
        _ = try encoder.embed(sample)
        return Double(tokens) / max(seconds(since: start), 1e-9) * embeddingShare
    }

    /// Tokens of an epoch of each mode. O(pairs), and one plan of blocks.
    static func estimate(_ index: TrainingIndex, block: BlockMode) -> Estimate {
        let pairs = index.trainQueries.reduce(0) { sum, query in
            index.labels[query].reduce(sum) { $0 + index.tokens(queries: [query], documents: [$1.column]) }
        }
        var generator = RandomGenerator(seed: 0)
        let blocks = block.steps(of: index, using: &generator).reduce(0) { $0 + $1.tokens(in: index) }
        let bank = embeddingShare * Double(index.documentLengths.reduce(0, +))
        return Estimate(
            bank: bank, query: Double(index.tokens(queries: index.trainQueries, documents: [])),
            block: Double(blocks) + (block.usesBank ? bank : 0), pair: Double(pairs))
    }

    private static func count(_ tokens: Double) -> String {
        tokens >= 1e6 ? "\((tokens / 1e5).rounded() / 10) million" : "\(Int(tokens))"
    }
}
