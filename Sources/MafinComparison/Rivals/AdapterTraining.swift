import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval

struct AdapterTraining {
    private let rival: AdapterRival
    /// The rival's vectors, with unit rows.
    private let base: VectorSystem
    private let learningRate: Float
    private let temperature: Float
    private let scope: [Int]
    private var generator: RandomGenerator
    private var optimizer: AdamW
    private var adapter: Adapter
    /// The adapter that was best on dev.
    private(set) var best: Adapter

    init(
        _ rival: AdapterRival, _ base: VectorSystem, learningRate: Float, weightDecay: Float, temperature: Float,
        index: TrainingIndex, seed: UInt64
    ) {
        switch rival.options.candidates {
        case .corpus: scope = Array(0..<index.documentCount)
        case .labelled: scope = index.judgedDocuments
        }
        self.rival = rival
        self.base = base
        self.learningRate = learningRate
        self.temperature = temperature
        generator = RandomGenerator(seed: seed)
        adapter = Adapter(shape: rival.shape, dimension: base.queries.columns, seed: RandomGenerator.mix(seed))
        best = adapter
        optimizer = AdamW(count: adapter.parameterCount, options: AdamWOptions(weightDecay: weightDecay))
    }

    /// Trains until the value on dev stops rising.
    /// - Returns: the best value on dev and its step, 0 for the untrained start.
    mutating func run(_ data: RivalData, isCancelled: () -> Bool) throws -> (value: Double, step: Int) {
        let options = rival.options
        var reached = (value: try data.development(of: rival.system(adapter, base)), step: 0)
        var waiting: ArraySlice<Int> = []
        var looks = 0
        for number in 1...max(1, options.maximumSteps) {
            if isCancelled() { throw CancellationError() }
            if waiting.isEmpty { waiting = data.index.trainQueries.shuffled(using: &generator)[...] }
            step(Array(waiting.prefix(options.batch)), data.index)
            waiting = waiting.dropFirst(options.batch)
            guard number.isMultiple(of: options.evaluateEvery) else { continue }
            let value = try data.development(of: rival.system(adapter, base))
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

    private mutating func step(_ queries: [Int], _ index: TrainingIndex) {
        let (columns, labels) = candidates(queries, index)
        let documents = columns.map { base.documents.selecting(rows: $0) } ?? base.documents
        let (_, gradient) = Self.lossAndGradient(
            adapter, queries: base.queries.selecting(rows: queries), documents: documents, labels: labels,
            sides: rival.sides, temperature: temperature, loss: rival.options.loss)
        let share = min(1, Float(optimizer.step + 1) / Float(max(1, rival.options.warmupSteps)))
        optimizer.update(&adapter.weights, gradient: gradient, learningRate: share * learningRate)
    }

    /// The candidates of a step (`nil`: all documents), and the labels for them.
    private mutating func candidates(_ queries: [Int], _ index: TrainingIndex) -> ([Int]?, BlockLabels) {
        let most = rival.options.maximumCandidates
        if scope.count == index.documentCount, scope.count <= most {
            return (nil, StepPlan(queries: queries).againstCorpus(index).labels)
        }
        let answers = Set(queries.flatMap { index.labels[$0].map(\.column) }).sorted()
        var others = scope
        if scope.count > most {
            others = (0..<max(0, most - answers.count)).map { _ in scope[generator.index(below: scope.count)] }
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
        logits.scale(by: 1 / temperature)
        var value = loss.evaluate(logits: logits, labels: labels)
        value.gradient.scale(by: 1 / temperature)
        var gradient = [Float](repeating: 0, count: adapter.parameterCount)
        adapter.backward(gradient: Matrix.multiply(value.gradient, candidates), pass: queryPass, into: &gradient)
        if let documentPass {
            adapter.backward(
                gradient: Matrix.multiply(transposed: value.gradient, queryPass.unit), pass: documentPass,
                into: &gradient)
        }
        return (value.value, gradient)
    }
}
