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
    /// The sums to measure on dev, where they are not those of ``sums``.
    private(set) var developmentSums: [MigrationRoad.Name: ShippedSources] = [:]
    /// The encoder that was trained on, and the measurement with its vectors; nil if none was.
    private(set) var trained: (encoder: TrainedEncoder, measurement: MigrationMeasurement)?
    /// The new black box's vectors of all documents, or those of the sample and mapped ones.
    private(set) var newDocuments: Matrix

    private let measurement: MigrationMeasurement
    private let vectors: MigrationVectors
    private let prices: (sample: MigrationPrice, all: MigrationPrice)
    private let bestOld: [Set<Int>]
    private let bestNew: [Set<Int>]?
    private var values: [MigrationRoad.Name: RunEvaluation] = [:]

    /// - Parameter train: trains the encoder of queries on beside the new vectors of these documents; nil: it is not.
    init(
        _ measurement: MigrationMeasurement, _ vectors: MigrationVectors,
        _ prices: (sample: MigrationPrice, all: MigrationPrice),
        train: ((_ documents: Matrix) throws -> TrainedEncoder)?
    ) throws {
        (self.measurement, self.vectors, self.prices) = (measurement, vectors, prices)
        bestOld = try measurement.best(queries: vectors.old.queries, documents: vectors.old.documents)
        newDocuments = vectors.allNew ?? Matrix(rows: 0, columns: 0)
        bestNew = try vectors.allNew.map { try measurement.best(queries: vectors.newQueries, documents: $0) }
        try addStay()
        try addReindex()
        if let train { try addTrained(train) }
        let (bridge, mapped) = try addBridgeOfDocuments()
        try addBridgeOfQueries()
        try addStandIn()
        compare()
        try draw(bridge, mapped)
    }

    /// Why a full re-index is not measured if some documents have no new vectors.
    static let notBought = "not all documents have new vectors; --buy-everything buys them"

    /// The artefact as it is, before any reduction of its vectors: those of the other roads are not reduced either.
    private mutating func addStay() throws {
        let model = measurement.model
        let own = ShippedSources(model.sources.unreduced, mixture: Mixture(model.manifest.mixing.rankingWeights))
        try add(MigrationRoad(.stay, newDocuments: 0, price: .free), own, alone: vectors.old, inputs: vectors.old)
    }

    private mutating func addReindex() throws {
        var road = MigrationRoad(.reindex, newDocuments: vectors.old.documents.rows, price: prices.all)
        guard let documents = vectors.allNew else {
            road.omitted = Self.notBought
            roads.append(road)
            return
        }
        measurement.context.note("re-index: fitting the weights beside the new black box")
        let source = BlackBoxVectorSource(dimension: documents.columns)
        let inputs = (queries: vectors.newQueries, documents: documents)
        let sum = try measurement.fitted(beside: source, queries: inputs.queries, documents: documents)
        sums[.reindex] = sum
        road.leftOut = measurement.leftOut(beside: source)
        try add(road, sum, alone: inputs, inputs: inputs)
    }

    /// A full re-index whose encoder of queries was trained on.
    private mutating func addTrained(_ train: (Matrix) throws -> TrainedEncoder) throws {
        var road = MigrationRoad(.reindexTrained, newDocuments: vectors.old.documents.rows, price: prices.all)
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

    /// - Returns: the sum, and the mapped vectors of all documents.
    private mutating func addBridgeOfDocuments() throws -> (sum: ShippedSources, mapped: Matrix) {
        let sample = vectors.sample
        var road = MigrationRoad(.bridgeDocuments, newDocuments: sample.count, price: prices.sample)
        measurement.context.note("bridge-documents: fitting maps to \(sample.count) pairs of vectors")
        let sampled = vectors.sampled
        let choice = try VectorMapChoice(
            from: vectors.old.documents.selecting(rows: sample), to: sampled, for: .documents, seed: measurement.seed,
            isCancelled: measurement.isCancelled)
        let mapped = choice.map(vectors.old.documents)
        let mixed = MigrationVectors.replacing(sample, of: mapped, by: sampled)
        if vectors.allNew == nil { newDocuments = mixed }
        let source = BridgedDocuments(ids: measurement.collection.documentIds, vectors: mixed)
        let sum = try measurement.fitted(beside: source, queries: vectors.newQueries, documents: mixed)
        sums[.bridgeDocuments] = sum
        road.map = choice.chosen
        road.leftOut = measurement.leftOut(beside: source)
        let inputs = (queries: vectors.newQueries, documents: mixed)
        try add(road, sum, alone: inputs, inputs: inputs)
        return (sum, mapped)
    }

    private mutating func addBridgeOfQueries() throws {
        let (queries, count) = (measurement.queries, vectors.sample.count)
        var road = MigrationRoad(.bridgeQueries, newDocuments: count, price: prices.sample)
        measurement.context.note(
            "bridge-queries: fitting maps to \(count) documents and \(queries.known.count) queries")
        // Pairs of documents teach the spaces, and pairs of queries what queries are like in them.
        let (new, old) = (vectors.newQueries, vectors.old)
        let documents = (new: vectors.sampled, old: old.documents.selecting(rows: vectors.sample))
        func pairs(_ rows: [Int]) -> (new: Matrix, old: Matrix) {
            (
                Matrix(stacking: [documents.new, new.selecting(rows: rows)]),
                Matrix(stacking: [documents.old, old.queries.selecting(rows: rows)])
            )
        }
        let known = Array(queries.known)
        let all = pairs(known)
        let judgesQueries = known.count >= VectorMapChoice.fewestPairs
        let choice = try VectorMapChoice(
            from: all.new, to: all.old, for: judgesQueries ? .queries(searching: old.documents) : .documents,
            judged: Array(judgesQueries ? count..<count + known.count : 0..<count), seed: measurement.seed,
            isCancelled: measurement.isCancelled)
        let bridge = BridgedDocuments(
            ids: measurement.collection.documentIds, vectors: old.documents, map: choice.map)

        // The labels that fit the weights are those of queries that the map has seen.
        let isDev = Set(queries.dev.queryIds)
        let parts = Dictionary(grouping: known) { isDev.contains(queries.all[$0].id) }
        let maps = try parts.values.map { part in
            let isHeldOut = Set(part)
            let rest = pairs(known.filter { !isHeldOut.contains($0) })
            let map = try VectorMapChoice.map(
                choice.chosen, from: rest.new, to: rest.old, seed: measurement.seed,
                isCancelled: measurement.isCancelled)
            return (ids: Set(part.map { queries.all[$0].id }), map: map)
        }
        let fitted = try measurement.fitted(
            beside: HeldOutBridge(base: bridge, maps: maps), queries: new, documents: newDocuments)
        developmentSums[.bridgeQueries] = fitted
        let sum = ShippedSources(
            fitted.sources.map { $0 is HeldOutBridge ? bridge : $0 }, mixture: fitted.mixture)
        sums[.bridgeQueries] = sum
        road.map = choice.chosen
        road.leftOut = measurement.leftOut(beside: bridge)
        try add(road, sum, alone: (choice.map(new), old.documents), inputs: (new, newDocuments))
    }

    /// The artefact's sum that asks for nothing.
    private mutating func addStandIn() throws {
        var road = MigrationRoad(.standIn, newDocuments: 0, price: .free)
        let documents = vectors.old.documents
        guard let standIn = try measurement.standIn(documents: documents) else {
            road.omitted = "the artefact has no stand-in; mafin train --stand-in and mafin compare make one"
            roads.append(road)
            return
        }
        try add(
            road, standIn.sum, alone: (standIn.estimates, documents), inputs: nil, measured: standIn.evaluation)
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
    private mutating func draw(_ sum: ShippedSources, _ mapped: Matrix) throws {
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
}
