import MafinMethod
import MafinNumerics
import MafinRetrieval

/// One training of an ``Adapter``, at one setting.
struct AdapterTraining {
    private let base: VectorSystem
    private let sides: AdapterRival.Sides
    private let options: AdapterRival.Options
    private let learningRate: Float
    private let temperature: Float
    /// Documents that can be candidates.
    private let scope: [Int]
    private var generator: RandomGenerator
    private var optimizer: AdamW
    private var adapter: Adapter
    /// The adapter at its best on dev.
    private(set) var best: Adapter

    init(
        _ base: VectorSystem, sides: AdapterRival.Sides, shape: Adapter.Shape, options: AdapterRival.Options,
        learningRate: Float, weightDecay: Float, temperature: Float, index: TrainingIndex, seed: UInt64
    ) {
        switch options.candidates {
        case .corpus: scope = Array(0..<index.documentCount)
        case .labelled: scope = index.judgedDocuments
        }
        self.base = base
        self.sides = sides
        self.options = options
        self.learningRate = learningRate
        self.temperature = temperature
        generator = RandomGenerator(seed: seed)
        adapter = Adapter(shape: shape, dimension: base.queries.columns, seed: RandomGenerator.mix(seed))
        best = adapter
        optimizer = AdamW(count: adapter.parameterCount, options: AdamWOptions(weightDecay: weightDecay))
    }

    /// Trains until the value on dev stops rising.
    /// - Returns: the best value on dev and its step, 0 for the untrained start.
    mutating func run(_ data: RivalData, isCancelled: () -> Bool) throws -> (value: Double, step: Int) {
        var reached = (value: try data.development(of: system()), step: 0)
        var waiting: ArraySlice<Int> = []
        var looks = 0
        for number in 1...max(1, options.maximumSteps) {
            if isCancelled() { throw CancellationError() }
            if waiting.isEmpty { waiting = data.index.trainQueries.shuffled(using: &generator)[...] }
            step(Array(waiting.prefix(options.batch)), data.index)
            waiting = waiting.dropFirst(options.batch)
            guard number.isMultiple(of: options.evaluateEvery) else { continue }
            let value = try data.development(of: system())
            looks += 1
            if value > reached.value {
                reached = (value, number)
                best = adapter
                looks = 0
            }
            if looks >= options.patience { break }
        }
        return reached
    }

    private func system() -> VectorSystem {
        VectorSystem(
            queries: adapter(base.queries), documents: sides == .both ? adapter(base.documents) : base.documents)
    }

    private mutating func step(_ queries: [Int], _ index: TrainingIndex) {
        let (columns, labels) = candidates(queries, index)
        let documents = columns.map { base.documents.selecting(rows: $0) } ?? base.documents
        let (_, gradient) = Self.lossAndGradient(
            adapter, queries: base.queries.selecting(rows: queries), documents: documents, labels: labels, sides: sides,
            temperature: temperature, loss: options.loss)
        let share = min(1, Float(optimizer.step + 1) / Float(max(1, options.warmupSteps)))
        optimizer.update(&adapter.weights, gradient: gradient, learningRate: share * learningRate)
    }

    /// The candidates of a step (`nil`: all documents) and its labels over them.
    private mutating func candidates(_ queries: [Int], _ index: TrainingIndex) -> ([Int]?, BlockLabels) {
        if scope.count == index.documentCount, scope.count <= options.maximumCandidates {
            return (nil, StepPlan(queries: queries).againstCorpus(index).labels)
        }
        let answers = Set(queries.flatMap { index.labels[$0].map(\.column) }).sorted()
        var others = scope
        if scope.count > options.maximumCandidates {
            others = (0..<max(0, options.maximumCandidates - answers.count)).map { _ in
                scope[generator.index(below: scope.count)]
            }
        }
        let step = StepPlan(queries: queries, documents: answers).againstDocuments(index, others: others)
        guard case .documents(let columns) = step.candidates else { return (nil, step.labels) }
        return (columns, step.labels)
    }

    /// The loss of a batch and its gradient with respect to the adapter's weights.
    static func lossAndGradient(
        _ adapter: Adapter, queries: Matrix, documents: Matrix, labels: BlockLabels, sides: AdapterRival.Sides,
        temperature: Float, loss: any Loss
    ) -> (loss: Float, gradient: [Float]) {
        let queryPass = adapter.forward(queries)
        let documentPass = sides == .both ? adapter.forward(documents) : nil
        let candidates = documentPass?.unit ?? documents
        var logits = Matrix.multiply(queryPass.unit, transposed: candidates)
        scale(&logits, by: 1 / temperature)
        var value = loss.evaluate(logits: logits, labels: labels)
        scale(&value.gradient, by: 1 / temperature)
        var gradient = [Float](repeating: 0, count: adapter.parameterCount)
        adapter.backward(gradient: Matrix.multiply(value.gradient, candidates), pass: queryPass, into: &gradient)
        if let documentPass {
            adapter.backward(
                gradient: Matrix.multiply(transposed: value.gradient, queryPass.unit), pass: documentPass,
                into: &gradient)
        }
        return (value.value, gradient)
    }

    private static func scale(_ matrix: inout Matrix, by factor: Float) {
        matrix.values.withUnsafeMutableBufferPointer { values in
            for index in values.indices { values[index] *= factor }
        }
    }
}
