import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval

/// An adapter that is trained on labels. It maps only query vectors, so that the index does not change, or the vectors
/// of both sides.
///
/// It is trained with a listwise loss over candidates from the corpus. The temperature is fitted to the training labels
/// before training, by maximum likelihood. Training stops early on dev. The learning rate, the decay toward the
/// identity, and finally the strength of the correction are chosen on dev.
public struct AdapterRival: Rival {
    /// Which vectors are mapped.
    public enum Sides: String, Sendable, Codable {
        /// Queries only (LlamaIndex).
        case query
        /// Queries and documents, by the same map (OpenAI's cookbook).
        case both
    }

    /// Settings of the training.
    public struct Options: Sendable {
        /// Learning rates to try, with the first of ``weightDecays``.
        public var learningRates: [Float] = [3e-4, 1e-3]
        /// Weight decays to try, with the best learning rate. Decay pulls the adapter toward the identity. Each is a
        /// factor of the learning rate in a step.
        public var weightDecays: [Float] = [0.01, 10]
        /// Number of training queries in a step.
        public var batch = 128
        /// Number of steps over which the learning rate rises, because Adam's first steps are as large as its last
        /// ones.
        public var warmupSteps = 20
        /// Largest number of steps.
        public var maximumSteps = 600
        /// Number of steps between evaluations on dev.
        public var evaluateEvery = 20
        /// Training ends after this many evaluations in a row without a better value.
        public var patience = 6
        /// Which documents are candidates. With the whole corpus, documents without a training label would only be
        /// pushed away, and so would new documents.
        public var candidates: CandidateScope = .labelled
        /// Largest number of candidates in a step. If there are more, the batch's answers are used with others that are
        /// drawn again in each step.
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
    /// The vectors to adapt. Their rows are scaled to unit length.
    public let base: VectorSystem
    /// Which vectors are mapped.
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

    /// See ``Rival/fit(to:seed:isCancelled:)``. The seed determines batches, candidates and the first layer.
    public func fit(to data: RivalData, seed: UInt64, isCancelled: () -> Bool) throws -> FittedRival {
        try fitAdapter(to: data, seed: seed, isCancelled: isCancelled).rival
    }

    /// The same, but also returns the adapter itself, which can be applied to the black box's vectors.
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
        // The rate is chosen first, then the decay, because trying all pairs would take longer.
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
        let source = AdapterSource(adapter, mapsDocuments: sides == .both, name: SourceName(rawValue: name))
        let sum = try SourceSystem(
            source, queries: SourceQueries(blackBox: base.queries),
            documents: SourceDocuments(blackBox: base.documents))
        let rival = FittedRival(name: name, system: sum, development: value, choices: choices)
        return (rival, adapter)
    }

    func system(_ adapter: Adapter, _ base: VectorSystem) -> VectorSystem {
        VectorSystem(
            queries: adapter(base.queries), documents: sides == .both ? adapter(base.documents) : base.documents)
    }

    /// The temperature that makes a random sample of training labels most likely under the black box's scores, and the
    /// size of the sample.
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

    /// Number of randomly drawn training queries to which the temperature is fitted.
    static let calibrationQueries = 512
}
