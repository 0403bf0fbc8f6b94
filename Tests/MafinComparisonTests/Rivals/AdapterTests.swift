import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval
import MafinTestSupport
import Testing

@testable import MafinComparison
@testable import MafinMethod

@Suite struct AdapterTests {
    private func adapter(_ golden: RivalGoldens.Adapters, _ expected: RivalGoldens.Adapters.Case) -> Adapter {
        var adapter = Adapter(
            shape: expected.shape == "linear" ? .linear : .twoLayer(hidden: golden.hidden), dimension: golden.width,
            seed: 1)
        adapter.weights = expected.weights
        adapter.strength = golden.strength
        return adapter
    }

    @Test func lossesAndGradientsOfPyTorch() throws {
        let golden = try Goldens.read("rivals.json", as: RivalGoldens.self).adapters
        #expect(golden.cases.count == 4)
        for expected in golden.cases {
            let found = AdapterTraining.lossAndGradient(
                adapter(golden, expected),
                queries: Matrix(rows: golden.rows, columns: golden.width, values: golden.queries),
                documents: Matrix(rows: golden.columns, columns: golden.width, values: golden.documents),
                labels: BlockLabels(
                    relevant: golden.relevant.map { $0.map { Judgement(column: Int($0[0]), grade: $0[1]) } }),
                sides: expected.sides, temperature: golden.temperature, loss: ListNet(target: .exponentialGain))
            #expect(abs(found.loss - expected.loss) < 1e-5 * expected.loss, "\(expected.shape) \(expected.sides)")
            #expect(
                relativeDifference(found.gradient, from: expected.gradient) < 1e-5,
                "\(expected.shape) \(expected.sides)")
        }
    }

    @Test(arguments: [AdapterRival.Sides.query, .both], [Adapter.Shape.linear, .twoLayer(hidden: 5)])
    func gradientsByFiniteDifferences(sides: AdapterRival.Sides, shape: Adapter.Shape) throws {
        let world = try RivalFixture.world(documents: 20, queries: 16, width: 6)
        let queries = Array(world.data.index.trainQueries)
        let labels = StepPlan(queries: queries).againstCorpus(world.data.index).labels
        var adapter = Adapter(shape: shape, dimension: 6, seed: 3)
        var generator = RandomGenerator(seed: 8)
        for index in adapter.weights.indices { adapter.weights[index] += 0.2 * generator.normal() }
        func evaluate(_ adapter: Adapter) -> (loss: Float, gradient: [Float]) {
            AdapterTraining.lossAndGradient(
                adapter, queries: world.system.queries.selecting(rows: queries), documents: world.system.documents,
                labels: labels, sides: sides, temperature: 0.2, loss: InfoNCE())
        }
        let gradient = evaluate(adapter).gradient
        for index in adapter.weights.indices {
            // The step is large enough for the rounding of Float losses and small enough for the curvature. The kink of
            // a relu may lie within it.
            let step: Float = 1 / 128
            var (above, below) = (adapter, adapter)
            above.weights[index] += step
            below.weights[index] -= step
            let quotient = (evaluate(above).loss - evaluate(below).loss) / (2 * step)
            #expect(abs(quotient - gradient[index]) < 0.01 * (1 + abs(gradient[index])), "weight \(index)")
        }
    }

    @Test func anUntrainedAdapterIsTheIdentity() throws {
        let world = try RivalFixture.world()
        for shape in [Adapter.Shape.linear, .twoLayer(hidden: 7)] {
            let adapter = Adapter(shape: shape, dimension: 12, seed: 1)
            #expect(largestDifference(adapter(world.system.queries).values, world.system.queries.values) < 1e-6)
        }
        #expect(Adapter(shape: .twoLayer(hidden: 7), dimension: 12, seed: 1).parameterCount == 2 * 7 * 12)
    }

    private var quick: AdapterRival.Options {
        var options = AdapterRival.Options()
        options.learningRates = [3e-3, 1e-2]
        options.maximumSteps = 120
        options.evaluateEvery = 10
        options.batch = 20
        options.warmupSteps = 5
        return options
    }

    @Test(arguments: [AdapterRival.Sides.query, .both], [Adapter.Shape.linear, .twoLayer(hidden: 12)])
    func learns(sides: AdapterRival.Sides, shape: Adapter.Shape) throws {
        let world = try RivalFixture.world()
        let rival = AdapterRival(world.system, sides: sides, shape: shape, name: "adapter", options: quick)
        let (fitted, adapter) = try rival.fitAdapter(to: world.data)
        let dev = world.data.index.devQueries
        #expect(
            abs(try RivalFixture.figure(fitted.system, queries: dev, labels: world.labels) - fitted.development) < 1e-12
        )
        let before = try RivalFixture.figure(world.system, queries: world.testQueries, labels: world.labels)
        let after = try RivalFixture.figure(fitted.system, queries: world.testQueries, labels: world.labels)
        #expect(after > before + 0.03, "\(before) to \(after)")
        // The system ranks with the returned adapter.
        let source = try #require(fitted.sum?.sources.first as? AdapterSource)
        let (queries, documents) = (source.vectors(of: world.data.queries), source.vectors(of: world.data.documents))
        #expect(differingElements(queries.values, adapter(world.system.queries).values) == 0)
        let same = differingElements(documents.values, world.system.documents.values) == 0
        #expect(same == (sides == .query))
    }

    @Test func followsFromTheSeed() throws {
        let world = try RivalFixture.world()
        var options = quick
        options.maximumCandidates = 25
        let rival = AdapterRival(
            world.system, sides: .both, shape: .twoLayer(hidden: 6), name: "adapter", options: options)
        let first = try rival.fitAdapter(to: world.data, seed: 3).adapter
        #expect(try rival.fitAdapter(to: world.data, seed: 3).adapter == first)
        #expect(try Parallelism.withThreads(1) { try rival.fitAdapter(to: world.data, seed: 3).adapter } == first)
        #expect(try rival.fitAdapter(to: world.data, seed: 4).adapter != first)
    }

    @Test func stopsWhenCancelled() throws {
        let world = try RivalFixture.world()
        let rival = AdapterRival(world.system, sides: .query, name: "adapter", options: quick)
        var asked = 0
        #expect(throws: CancellationError.self) {
            try rival.fitAdapter(to: world.data) {
                asked += 1
                return asked > 5
            }
        }
    }

    /// Training queries by topic, the easy ones first. The temperature is that of a sample of all, not of the first.
    @Test func theStartTemperatureIsThatOfASample() throws {
        var generator = RandomGenerator(seed: 4)
        func vector(near center: ArraySlice<Float>?, _ spread: Float) -> [Float] {
            (0..<8).map { column in
                (center.map { $0[$0.startIndex + column] } ?? 0) + spread * generator.normal()
            }
        }
        let documents = Matrix(rows: 40, columns: 8, values: (0..<40).flatMap { _ in vector(near: nil, 1) })
            .normalizedRows().matrix
        let queries = (0..<1_064).flatMap { vector(near: documents.row($0 % 40), $0 < 512 ? 0.1 : 0.8) }
        let system = VectorSystem(
            queries: Matrix(rows: 1_064, columns: 8, values: queries).normalizedRows().matrix, documents: documents)
        let data = try RivalData(
            labels: (0..<1_064).map { [Judgement(column: $0 % 40)] }, documentCount: 40,
            trainQueries: Array(0..<1_024), devQueries: Array(1_024..<1_064))
        func temperature(of rows: Range<Int>) throws -> Double {
            let fit = try Calibration.fit(
                queries: Array(rows), local: system.queries.selecting(rows: rows), documents: documents, scores: nil,
                index: data.index, byteBudget: 1 << 20)
            return Double(fit.scale.temperature)
        }
        let (first, all) = (try temperature(of: 0..<512), try temperature(of: 0..<1_024))
        #expect(first < 0.5 * all)
        var options = AdapterRival.Options()
        (options.learningRates, options.weightDecays, options.strengths) = ([1e-3], [0.01], [1])
        options.maximumSteps = 1
        let rival = AdapterRival(system, sides: .query, name: "adapter", options: options)
        let found = try [UInt64(1), 2].map { seed -> Double in
            let choices = try rival.fit(to: data, seed: seed, isCancelled: { false }).choices
            #expect(choices["temperatureQueries"] == .integer(512))
            guard case .number(let temperature) = choices["temperature"] else { return .nan }
            return temperature
        }
        for temperature in found { #expect(abs(temperature - all) < 0.2 * all, "\(temperature), of all \(all)") }
        #expect(found[0] != found[1])
    }

    /// Where no label can be learned from, the adapter stays what the black box is.
    @Test func neverWorseOnDevThanTheStart() throws {
        var generator = RandomGenerator(seed: 12)
        func rows(_ count: Int) -> Matrix {
            Matrix(rows: count, columns: 8, values: (0..<count * 8).map { _ in generator.normal() }).normalizedRows()
                .matrix
        }
        let system = VectorSystem(queries: rows(40), documents: rows(30))
        let labels = (0..<40).map { _ in [Judgement(column: generator.index(below: 30))] }
        let data = try RivalData(
            labels: labels, documentCount: 30, trainQueries: Array(0..<20), devQueries: Array(20..<40))
        let fitted = try AdapterRival(system, sides: .both, name: "adapter", options: quick).fit(to: data)
        #expect(fitted.development >= (try data.development(of: system)))
    }
}
