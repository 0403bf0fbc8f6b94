import MafinNumerics

/// Chooses the mode of training from the data and the time.
///
/// The rule, in order:
/// 1. **Query tower** if the time or the speed is not known, or if the time is too short for blocks. A step encodes
///    only queries, so this mode learns the most per minute, and the document index never changes.
/// 2. **Blocks with a bank** if the time that is left after making the bank covers ``minimumBlockEpochs`` epochs of
///    blocks, refreshes of the bank included. This mode trains documents too, which helps only after each document was
///    seen several times. (Measured on NFCorpus with two cores: five minutes of blocks with a bank, about a thirtieth
///    of the time required here, were worse than two minutes of the query tower.)
///
/// Pairs are never chosen, because they encode a document once for each query that it is relevant to.
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
    /// The reason, one sentence for the user.
    public var reason: String
    /// The cost of an epoch of each mode.
    public var estimate: Estimate

    package init(mode: Mode, reason: String, estimate: Estimate) {
        self.mode = mode
        self.reason = reason
        self.estimate = estimate
    }

    /// Blocks are chosen if the time covers at least this many epochs of them.
    public static let minimumBlockEpochs = 10.0
    /// Cost of a token that is only embedded, as a share of the cost of a token that is trained. The forward pass is
    /// about a third.
    public static let embeddingShare = 1.0 / 3

    /// Tokens of an epoch of each mode. A token that is only embedded counts ``embeddingShare`` of a token.
    public struct Estimate: Sendable, Codable, Equatable {
        /// Making the bank.
        public var bank: Double
        /// An epoch of the query tower: all training queries.
        public var query: Double
        /// An epoch of blocks: each relevant document once, each query once per block that it is part of, and a refresh
        /// of the bank.
        public var block: Double
        /// An epoch of pairs: both texts of every pair.
        public var pair: Double
    }

    /// Chooses by the rule above.
    /// - Parameters:
    ///   - time: seconds for training; `nil`: no limit.
    ///   - tokensPerSecond: tokens trained per second; `nil`: not known.
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

    /// Tokens of the sample whose embedding is timed. The sample takes about .05 s and is enough to tell apart speeds
    /// that differ by half.
    static let sampleTokens = 1024

    /// Tokens trained per second, estimated by embedding the first of the `inputs`, of which there must be one. No
    /// weight is changed.
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
        // The first input is embedded before the clock starts, to fill caches and buffers.
        _ = try encoder.embed(inputs.selecting(rows: [0]))
        let start = ContinuousClock.now
        _ = try encoder.embed(sample)
        return Double(tokens) / max(seconds(since: start), 1e-9) * embeddingShare
    }

    /// Tokens of an epoch of each mode. O(pairs), plus the plan of one epoch of blocks.
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
