import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval

/// An adapter trained on labels: of query vectors alone, so that the index stays as it is, or of both sides by one map.
///
/// It is trained with a listwise loss over candidates from the corpus, at the temperature that makes the training labels most likely before
/// training, and stopped early on dev. Learning rate, decay toward the identity and, last, the strength of the correction are chosen on dev.
public struct AdapterRival: Rival {
    /// What the map is applied to.
    public enum Sides: String, Sendable, Codable {
        /// Queries only (LlamaIndex).
        case query
        /// Queries and documents, by the same map (OpenAI's cookbook).
        case both
    }

    /// Settings of the training.
    public struct Options: Sendable {
        /// Learning rates to try, with the first decay.
        public var learningRates: [Float] = [3e-4, 1e-3]
        /// Decays toward the identity to try, at the best learning rate; as shares of the learning rate in each step.
        public var weightDecays: [Float] = [0.01, 10]
        /// Training queries of a step.
        public var batch = 128
        /// Steps over which the learning rate rises, because the first steps of Adam move weights as far as the last ones.
        public var warmupSteps = 20
        /// Steps at most.
        public var maximumSteps = 600
        /// Steps between two evaluations on dev.
        public var evaluateEvery = 20
        /// Training ends after so many evaluations without a better value.
        public var patience = 6
        /// The candidate documents of a step. With the whole corpus, documents without a training label would only ever be pushed away, and
        /// new documents with them.
        public var candidates: CandidateScope = .labelled
        /// Candidates of a step at most: the batch's answers, and others drawn anew each step.
        public var maximumCandidates = 16_384
        /// The objective.
        public var loss: any Loss = ListNet(target: .exponentialGain)
        /// Strengths of the correction to try after training.
        public var strengths: [Float] = [0.25, 0.5, 0.75, 1, 1.5, 2]

        /// All defaults.
        public init() {}
    }

    /// Its name in tables and JSON.
    public let name: String
    /// The vectors to adapt; rows are made unit length here.
    public let base: VectorSystem
    /// What the map is applied to.
    public let sides: Sides
    /// The form of the map.
    public let shape: Adapter.Shape
    /// Settings of the training.
    public var options: Options

    /// An adapter over the given vectors.
    public init(
        _ base: VectorSystem, sides: Sides, shape: Adapter.Shape = .linear, name: String, options: Options = Options()
    ) {
        self.base = base
        self.sides = sides
        self.shape = shape
        self.name = name
        self.options = options
    }

    /// See ``Rival/fit(to:seed:isCancelled:)``; batches, candidates and the first layer are drawn by the seed.
    public func fit(to data: RivalData, seed: UInt64, isCancelled: () -> Bool) throws -> FittedRival {
        try fitAdapter(to: data, seed: seed, isCancelled: isCancelled).rival
    }

    /// The same, with the adapter itself, which a user would apply to the black box's vectors.
    public func fitAdapter(
        to data: RivalData, seed: UInt64 = 1, isCancelled: () -> Bool = { false }
    ) throws -> (rival: FittedRival, adapter: Adapter) {
        let base = try base.normalized()
        let (temperature, fittedQueries) = try startTemperature(base, data, seed: seed)
        var best: (value: Double, adapter: Adapter, choices: [String: ManifestValue])?
        func attempt(rate: Float, decay: Float) throws {
            var training = AdapterTraining(
                self, base, learningRate: rate, weightDecay: decay, temperature: temperature, index: data.index,
                seed: seed)
            let (value, step) = try training.run(data, isCancelled: isCancelled)
            guard value > best?.value ?? -1 else { return }
            chosen = rate
            best = (
                value, training.best,
                [
                    "learningRate": .number(Double(rate)), "weightDecay": .number(Double(decay)),
                    "steps": .integer(Int64(step)), "temperature": .number(Double(temperature)),
                ]
            )
        }
        // First the rate, then the decay, not all pairs: half the time.
        var chosen = options.learningRates.first ?? 0
        for rate in options.learningRates { try attempt(rate: rate, decay: options.weightDecays.first ?? 0) }
        let rate = chosen
        for decay in options.weightDecays.dropFirst() { try attempt(rate: rate, decay: decay) }
        guard var (value, adapter, choices) = best else { preconditionFailure("no setting to try") }
        let trained = adapter
        for strength in options.strengths where strength != 1 {
            if isCancelled() { throw CancellationError() }
            var changed = trained
            changed.strength = strength
            let found = try data.development(of: system(changed, base))
            if found > value { (value, adapter) = (found, changed) }
        }
        choices["strength"] = .number(Double(adapter.strength))
        choices["temperatureQueries"] = .integer(Int64(fittedQueries))
        choices["parameters"] = .integer(Int64(adapter.parameterCount))
        let rival = FittedRival(name: name, system: system(adapter, base), development: value, choices: choices)
        return (rival, adapter)
    }

    func system(_ adapter: Adapter, _ base: VectorSystem) -> VectorSystem {
        VectorSystem(
            queries: adapter(base.queries), documents: sides == .both ? adapter(base.documents) : base.documents)
    }

    /// The temperature at which the black box's scores make a random sample of training labels most likely, and the sample's size.
    private func startTemperature(
        _ base: VectorSystem, _ data: RivalData, seed: UInt64
    ) throws -> (temperature: Float, queries: Int) {
        var generator = RandomGenerator(seed: RandomGenerator.mix(seed))
        let queries = Array(data.index.trainQueries.shuffled(using: &generator).prefix(Self.calibrationQueries))
        do {
            let fit = try Calibration.fit(
                queries: queries, local: base.queries.selecting(rows: queries), documents: base.documents, scores: nil,
                index: data.index, byteBudget: VectorSystem.scoreBytes)
            return (fit.scale.temperature, queries.count)
        } catch CalibrationError.uninformative {
            // The black box ranks no better than chance, so the paper's temperature is as good as any.
            return (MixtureWeights.paper.temperature, 0)
        }
    }

    /// Training queries, drawn by seed, to which the temperature is fitted.
    static let calibrationQueries = 512
}
