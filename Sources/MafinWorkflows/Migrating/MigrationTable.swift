import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval

/// The measured roads, in the order of ``MigrationRoad/Name``, and the curve of a mixed index.
struct MigrationTable {
    private(set) var roads: [MigrationRoad] = []
    private(set) var curve: [MigrationPoint] = []
    /// The sum of each road that moves to the new black box, if it is measured.
    private(set) var sums: [MigrationRoad.Name: ShippedSources] = [:]
    /// The encoder that was trained on, and the measurement with its vectors; nil if none was.
    private(set) var trained: (encoder: TrainedEncoder, measurement: MigrationMeasurement)?
    /// The new black box's vectors of all documents, or those of the sample and mapped ones.
    private(set) var newDocuments: Matrix

    private let measurement: MigrationMeasurement
    private let bestOld: [Set<Int>]
    private let bestNew: [Set<Int>]?
    private var values: [MigrationRoad.Name: RunEvaluation] = [:]

    /// - Parameter train: trains the encoder of queries on beside the new vectors of these documents; nil: it is not.
    init(
        _ measurement: MigrationMeasurement, _ vectors: MigrationVectors,
        _ prices: (sample: MigrationPrice, all: MigrationPrice), _ context: WorkflowContext,
        train: ((_ documents: Matrix) throws -> TrainedEncoder)?
    ) throws {
        self.measurement = measurement
        let (old, new) = (vectors.old, vectors.newQueries)
        let (count, sample) = (old.documents.rows, vectors.sample)
        bestOld = try measurement.best(queries: old.queries, documents: old.documents)
        newDocuments = vectors.allNew ?? Matrix(rows: 0, columns: 0)
        bestNew = try vectors.allNew.map { try measurement.best(queries: new, documents: $0) }

        let own = ShippedSources(
            measurement.model.sources,
            mixture: Mixture(measurement.model.manifest.mixing.rankingWeights))
        try add(
            MigrationRoad(.stay, newDocuments: 0, price: .free), own, alone: old, inputs: old)

        var road = MigrationRoad(.reindex, newDocuments: count, price: prices.all)
        if let documents = vectors.allNew {
            context.note("re-index: fitting the weights beside the new black box")
            let source = BlackBoxVectorSource(dimension: documents.columns)
            let sum = try measurement.fitted(beside: source, queries: new, documents: documents)
            sums[.reindex] = sum
            road.leftOut = measurement.leftOut(beside: source)
            try add(road, sum, alone: (new, documents), inputs: (new, documents))
        } else {
            road.omitted = Self.notBought
            roads.append(road)
        }
        if let train { try addTrained(prices.all, vectors, train) }

        road = MigrationRoad(.bridgeDocuments, newDocuments: sample.count, price: prices.sample)
        context.note("bridge-documents: fitting maps to \(sample.count) pairs of vectors")
        let sampled = vectors.sampled
        let known = old.documents.selecting(rows: sample)
        let choice = try VectorMapChoice(
            from: known, to: sampled, for: .documents, seed: measurement.seed, isCancelled: measurement.isCancelled)
        let mapped = choice.map(old.documents)
        let mixed = MigrationVectors.replacing(sample, of: mapped, by: sampled)
        if vectors.allNew == nil { newDocuments = mixed }
        let ids = measurement.collection.documentIds
        var source = BridgedDocuments(ids: ids, vectors: mixed)
        let bridge = try measurement.fitted(beside: source, queries: new, documents: mixed)
        sums[.bridgeDocuments] = bridge
        road.map = choice.chosen
        road.leftOut = measurement.leftOut(beside: source)
        try add(road, bridge, alone: (new, mixed), inputs: (new, mixed))

        road = MigrationRoad(.bridgeQueries, newDocuments: sample.count, price: prices.sample)
        context.note(
            "bridge-queries: fitting maps to \(sample.count) documents and \(measurement.queries.known.count) queries")
        // Pairs of documents teach the spaces, and pairs of queries what queries are like in them.
        let pairs = Array(measurement.queries.known)
        let reverse = try VectorMapChoice(
            from: Self.stacked(sampled, new.selecting(rows: pairs)),
            to: Self.stacked(known, old.queries.selecting(rows: pairs)), for: .queries(searching: old.documents),
            judged: pairs.count >= 5 * VectorMapChoice.fewestPairs
                ? Array(sample.count..<sample.count + pairs.count) : nil,
            seed: measurement.seed, isCancelled: measurement.isCancelled)
        source = BridgedDocuments(ids: ids, vectors: old.documents, map: reverse.map)
        let reversed = try measurement.fitted(beside: source, queries: new, documents: mixed)
        sums[.bridgeQueries] = reversed
        road.map = reverse.chosen
        road.leftOut = measurement.leftOut(beside: source)
        try add(road, reversed, alone: (reverse.map(new), old.documents), inputs: (new, mixed))

        try addStandIn(old)
        compare()
        try draw(bridge, mapped, vectors)
    }

    private static let notBought = "not all documents have new vectors; --buy-everything buys them"

    /// A full re-index whose encoder of queries was trained on.
    private mutating func addTrained(
        _ price: MigrationPrice, _ vectors: MigrationVectors, _ train: (Matrix) throws -> TrainedEncoder
    ) throws {
        var road = MigrationRoad(.reindexTrained, newDocuments: vectors.old.documents.rows, price: price)
        guard let documents = vectors.allNew, measurement.local != nil else {
            road.omitted = measurement.local == nil ? "the artefact has no encoder to train on" : Self.notBought
            roads.append(road)
            return
        }
        let encoder = try train(documents)
        let measurement = try measurement.encodingQueries(by: encoder)
        let inputs = (queries: vectors.newQueries, documents: documents)
        let source = BlackBoxVectorSource(dimension: documents.columns)
        let sum = try measurement.fitted(beside: source, queries: inputs.queries, documents: documents)
        sums[.reindexTrained] = sum
        trained = (encoder, measurement)
        road.leftOut = measurement.leftOut(beside: source)
        try add(road, sum, alone: inputs, inputs: inputs, by: measurement)
    }

    /// The one place for a source that speaks the old black box's space without asking it.
    private mutating func addStandIn(_ old: Vectors) throws {
        var road = MigrationRoad(.standIn, newDocuments: 0, price: .free)
        guard let standIn = try measurement.standIn(documents: old.documents) else {
            road.omitted = "the artefact has no stand-in; mafin train --stand-in and mafin compare make one"
            roads.append(road)
            return
        }
        try add(
            road, standIn.sum, alone: (standIn.estimates, old.documents), inputs: nil, measured: standIn.evaluation)
    }

    /// Vectors of all queries and of all documents.
    private typealias Vectors = (queries: Matrix, documents: Matrix)

    /// Measures a road and adds it.
    /// - Parameters:
    ///   - alone: vectors in one space, whose inner products are the scores of the black box's source.
    ///   - inputs: what the sources read; nil if the road was measured already.
    ///   - found: that measurement; nil without labels.
    private mutating func add(
        _ road: MigrationRoad, _ sum: ShippedSources, alone: Vectors, inputs: Vectors?,
        measured found: RunEvaluation? = nil, by other: MigrationMeasurement? = nil
    ) throws {
        let measurement = other ?? measurement
        var road = road
        road.dimension = alone.documents.columns
        road.weights = sum.mixture.rankingWeights
        let best = try measurement.best(queries: alone.queries, documents: alone.documents)
        road.keepsOld = Self.overlap(best, bestOld)
        road.keepsNew = bestNew.map { Self.overlap(best, $0) }
        road.vectorsAlone = try measurement.evaluationAlone(queries: alone.queries, documents: alone.documents)?
            .means[MigrationMeasurement.metric]
        values[road.name] =
            try inputs.map { try measurement.evaluation(of: sum, queries: $0.queries, documents: $0.documents) }
            ?? found
        roads.append(road)
    }

    /// Intervals, and the differences to staying and to a full re-index.
    private mutating func compare() {
        let metric = MigrationMeasurement.metric
        for place in roads.indices {
            guard let own = values[roads[place].name], let column = own.values[metric], !column.isEmpty else {
                continue
            }
            roads[place].value = PairedBootstrap().interval(of: column)
            func difference(to other: MigrationRoad.Name) -> PairedDifference? {
                guard other != roads[place].name, let other = values[other] else { return nil }
                return PairedDifference(SeededEvaluation([own]), minus: SeededEvaluation([other]), in: metric)
            }
            roads[place].toStaying = difference(to: .stay)
            roads[place].toReindex = difference(to: .reindex)
        }
    }

    /// The curve of a mixed index, with the weights of the bridge of documents.
    private mutating func draw(_ sum: ShippedSources, _ mapped: Matrix, _ vectors: MigrationVectors) throws {
        guard let documents = vectors.allNew, measurement.queries.measured != nil else { return }
        let sample = Set(vectors.sample)
        var generator = RandomGenerator(seed: RandomGenerator.mix(measurement.seed))
        let random = (0..<documents.rows).shuffled(using: &generator)
        let known = try measurement.order(queries: vectors.old.queries, documents: vectors.old.documents)
        for (order, ranked) in [(MigrationPoint.Order.known, known), (.random, random)] {
            guard let ranked else { continue }
            let rows = vectors.sample + ranked.filter { !sample.contains($0) }
            let counts = MigrationWorkflow.shares.map { max(sample.count, Int((Double(rows.count) * $0).rounded())) }
            for count in Set(counts).sorted() {
                let bought = rows.prefix(count)
                let mixed = MigrationVectors.replacing(
                    bought, of: mapped, by: documents.selecting(rows: Array(bought)))
                let bridge = BridgedDocuments(ids: measurement.collection.documentIds, vectors: mixed)
                let value = try measurement.evaluation(
                    of: ShippedSources(
                        sum.sources.map { $0 is BridgedDocuments ? bridge : $0 }, mixture: sum.mixture),
                    queries: vectors.newQueries, documents: mixed)
                curve.append(
                    MigrationPoint(
                        order: order, share: Double(count) / Double(rows.count),
                        value: value?.means[MigrationMeasurement.metric] ?? 0))
            }
        }
    }

    /// The mean share of the second sets that the first ones keep.
    private static func overlap(_ found: [Set<Int>], _ expected: [Set<Int>]) -> Double {
        let shares = zip(found, expected).map { Double($0.intersection($1).count) / Double(max(1, $1.count)) }
        return shares.reduce(0, +) / Double(max(1, shares.count))
    }

    private static func stacked(_ first: Matrix, _ second: Matrix) -> Matrix {
        Matrix(rows: first.rows + second.rows, columns: first.columns, values: first.values + second.values)
    }
}
