import Foundation
import MafinBlackBox
import MafinEncoder
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval

/// A black box of a migration.
package struct MigrationSide: Sendable {
    package var blackBox: any BlackBox
    /// How to open it again.
    package var source: BlackBoxSource?
    /// Whether an answer costs neither money nor a call: stored vectors.
    package var isStored: Bool
    /// Whether the user names these vectors as the old black box's, such as a copy in files. Then their identity need not
    /// be that of the artefact, only their dimension.
    package var isVouchedFor = false
    /// What documents and queries would cost; nil: nothing.
    package typealias Pricing =
        @Sendable (_ documents: [EmbeddingItem], _ queries: [EmbeddingItem]) async throws -> MigrationPrice
    /// See ``Pricing``.
    package var price: Pricing?

    package init(
        _ blackBox: any BlackBox, source: BlackBoxSource?, isStored: Bool,
        price: Pricing? = nil
    ) {
        (self.blackBox, self.source, self.isStored, self.price) = (blackBox, source, isStored, price)
    }
}

/// One `mafin migrate`: measures what each road to a new black box costs and keeps.
///
/// The new black box is asked for all labelled queries, and for a sample of the documents or for all of them. The old one
/// is never asked: its vectors are stored or cached.
package struct MigrationWorkflow {
    /// The folder of the artefact.
    package var artefact: String
    /// The collection.
    package var data: String
    package var split = JudgedSplits.Part.test.rawValue
    /// Documents of the sample; nil: a tenth of all, at least 500.
    package var sample: Int?
    /// Draws the sample, the random order and the held-out pairs.
    package var seed: UInt64 = 1
    /// Whether the new vectors of all documents are bought, so that a full re-index is measured too.
    package var buysEverything = false
    /// How long the encoder of queries is trained on beside the new black box; nil: not at all.
    package var time: Duration?
    /// Whether queries are measured even if the artefact was trained or chosen on them.
    package var allowsLeaks = false
    /// The folder of the new artefact; nil: none is written.
    package var output: String?
    /// The road to write; nil: the one of the verdict.
    package var road: MigrationRoad.Name?

    /// What was measured. Its JSON has everything.
    package struct Result: Sendable, Encodable {
        package var artefact: String
        package var from: BlackBoxIdentity
        package var to: BlackBoxIdentity
        package var split: String
        /// Number of measured queries.
        package var queries: Int
        package var isLabelled: Bool
        package var documents: Int
        package var sample: Int
        package var seed: UInt64
        package var roads: [MigrationRoad]
        /// The curve of a mixed index; empty if not all new vectors are at hand.
        package var mixedIndex: [MigrationPoint]
        package var verdict: MigrationVerdict
        /// The folder of the artefact that was written.
        package var written: String?
        /// Why none was written, although one was wanted.
        package var notWritten: String?
    }

    private let context: WorkflowContext
    private let openOld: (ArtefactModel) async throws -> MigrationSide
    private let openNew: () async throws -> MigrationSide

    package init(
        artefact: String, data: String, context: WorkflowContext,
        openOld: @escaping (ArtefactModel) async throws -> MigrationSide,
        openNew: @escaping () async throws -> MigrationSide
    ) {
        (self.artefact, self.data, self.context) = (artefact, data, context)
        (self.openOld, self.openNew) = (openOld, openNew)
    }

    /// The shares of the curve of a mixed index.
    static let shares = [0.0, 0.1, 0.25, 0.5, 0.75, 1]

    /// Measures the roads, and writes an artefact if one is wanted.
    /// - Parameter onEvent: is called with the events of the training.
    /// - Throws: ``WorkflowError``; errors of the modules; `CancellationError`.
    package func run(onEvent: @escaping (TrainingEvent) -> Void = { _ in }) async throws -> Result {
        if let road, let reason = Self.refusal(of: road) {
            throw WorkflowError.roadNotWritable(road: road.rawValue, reason: reason)
        }
        if let output { try Artefact.requireReplaceable(URL(fileURLWithPath: output)) }
        let model = try ArtefactOpening.model(at: artefact, context)
        try requireMigratable(model)
        let collection = try RetrievalCollection(contentsOf: URL(fileURLWithPath: data))
        context.warn(of: collection.warnings)
        let queries = try MigrationQueries(
            split, of: collection, for: model.artefact, allowsLeaks: allowsLeaks, context)
        let items = (
            queries: queries.all.map { EmbeddingItem($0) },
            documents: collection.documents.map { EmbeddingItem($0) }
        )
        let sample = try sample(of: items.documents.count)
        if let reduction = model.manifest.reduction {
            context.warn(
                "the artefact's vectors are reduced to \(reduction.dimension) numbers, by maps of the old space: all roads are "
                    + "measured without a reduction, and 'mafin reduce' makes one for the new artefact")
        }
        if queries.train.isEmpty || queries.dev.isEmpty {
            context.note(
                "there are no labels of train and dev to fit weights to: each road keeps the artefact's weights")
        }

        let oldSide = try await openOld(model)
        if oldSide.isVouchedFor {
            let differences = oldSide.blackBox.identity.differences(from: model.manifest.blackBox)
            if !differences.isEmpty {
                context.warn(
                    "--old-black-box is taken for the artefact's black box, although it has \(differences.joined(separator: ", "))"
                )
            }
        } else {
            try model.artefact.require(blackBox: oldSide.blackBox.identity)
        }
        let old = (
            queries: try await stored(oldSide, items.queries, .query),
            documents: try await stored(oldSide, items.documents, .document)
        )
        try model.artefact.require(blackBoxDimension: old.documents.columns)
        let newSide = try await openNew()
        guard !newSide.blackBox.identity.differences(from: model.manifest.blackBox).isEmpty else {
            throw WorkflowError.notMigratable(
                path: artefact, reason: "--black-box names the black box that it has already")
        }
        let isWhole = try await isWhole(newSide, items.documents, sample)
        try requireMeasurable(model, queries, isWhole)
        let prices = (
            sample: try await newSide.price?(sample.map { items.documents[$0] }, items.queries) ?? .free,
            all: try await newSide.price?(items.documents, items.queries) ?? .free
        )
        announce(isWhole ? prices.all : prices.sample)
        let vectors = try await buy(newSide, items, isWhole ? Array(items.documents.indices) : sample, sample, old)

        let progress = EncodingProgress(context)
        defer { progress.finish() }
        let measurement = MigrationMeasurement(
            model: model, collection: collection, queries: queries,
            local: try local(model, collection, queries, progress), seed: seed, context: context)
        let table = try MigrationTable(
            measurement, vectors, prices,
            train: time.map { time in
                { documents in
                    try train(measurement, vectors, documents, newSide.blackBox.identity, time, onEvent)
                }
            })
        var result = Result(
            artefact: artefact, from: model.manifest.blackBox, to: newSide.blackBox.identity, split: split,
            queries: queries.measuredCount, isLabelled: queries.measured != nil,
            documents: collection.documents.count, sample: sample.count, seed: seed, roads: table.roads,
            mixedIndex: table.curve, verdict: MigrationVerdict(of: table.roads))
        if let output { try write(&result, table, measurement, vectors, newSide, to: URL(fileURLWithPath: output)) }
        return result
    }

    private func requireMigratable(_ model: ArtefactModel) throws {
        if model.manifest.mixing.localForm != .unit {
            throw WorkflowError.notMigratable(
                path: artefact,
                reason: "it is of norm-mafin, whose vectors hold the weights; train again beside the new black box")
        }
        if !model.manifest.asksBlackBox {
            throw WorkflowError.notMigratable(
                path: artefact, reason: "none of its sources reads the black box's vectors")
        }
    }

    /// Refuses what could only fail after the new vectors were paid for.
    /// - Parameter isWhole: whether the new vectors of all documents will be at hand.
    private func requireMeasurable(_ model: ArtefactModel, _ queries: MigrationQueries, _ isWhole: Bool) throws {
        if time != nil, model.encoder != nil, queries.train.isEmpty || queries.dev.isEmpty {
            throw WorkflowError.notMigratable(
                path: artefact, reason: "without labels in train and dev its encoder cannot be trained on (--time)")
        }
        func refuse(_ reason: String) -> WorkflowError {
            .roadNotWritable(road: road?.rawValue ?? "", reason: reason)
        }
        if road == .reindexTrained, time == nil { throw refuse("it needs --time, how long to train") }
        if road == .reindexTrained, model.encoder == nil { throw refuse("the artefact has no encoder to train on") }
        if [.reindex, .reindexTrained].contains(road), !isWhole { throw refuse(MigrationTable.notBought) }
    }

    /// Says what will be sent, before anything is.
    private func announce(_ price: MigrationPrice) {
        guard price.texts > 0 else { return }
        let parts = [
            "texts for the new model to embed: \(price.texts)", price.tokens.map { "at most \($0) tokens" },
            price.cost.flatMap { $0 > 0 ? String(format: "at most %.4f in the currency of the price", $0) : nil },
            price.minutes.map { String(format: "at least %.1f minutes", $0) },
        ]
        context.note(parts.compactMap(\.self).joined(separator: ", "))
    }

    /// The documents of the sample, ascending.
    private func sample(of count: Int) throws -> [Int] {
        let wanted = min(count, sample ?? max(500, (count + 9) / 10))
        guard wanted >= VectorMapChoice.fewestPairs else {
            throw WorkflowError.sampleTooSmall(found: wanted, needed: VectorMapChoice.fewestPairs)
        }
        var generator = RandomGenerator(seed: seed)
        return (0..<count).shuffled(using: &generator).prefix(wanted).sorted()
    }

    /// The old black box's vectors, without asking it.
    private func stored(_ side: MigrationSide, _ items: [EmbeddingItem], _ role: TextRole) async throws -> Matrix {
        var rows = Matrix(rows: 0, columns: 0)
        if side.isStored {
            rows = try await side.blackBox.embed(items, as: role)
        } else {
            let found = try await side.blackBox.known(items, as: role)
            let missing = found.missing(of: items.count)
            if let first = missing.first {
                throw WorkflowError.oldVectorsMissing(
                    missing: missing.count, of: items.count, role: role.rawValue, first: items[first].id)
            }
            rows = found.ordered
        }
        return try UnitRows.make(rows, source: .blackBox, ids: items.map(\.id))
    }

    /// Whether the new vectors of all documents are stored already, or will be bought.
    private func isWhole(_ side: MigrationSide, _ documents: [EmbeddingItem], _ sample: [Int]) async throws -> Bool {
        if buysEverything || side.isStored || sample.count == documents.count { return true }
        return try await side.blackBox.known(documents, as: .document).missing(of: documents.count).isEmpty
    }

    /// Asks the new black box for all queries and some documents.
    private func buy(
        _ side: MigrationSide, _ items: (queries: [EmbeddingItem], documents: [EmbeddingItem]), _ bought: [Int],
        _ sample: [Int], _ old: (queries: Matrix, documents: Matrix)
    ) async throws -> MigrationVectors {
        let wanted = bought.map { items.documents[$0] }
        let documents = try UnitRows.make(
            try await side.blackBox.embed(wanted, as: .document), source: .blackBox, ids: wanted.map(\.id))
        let queries = try UnitRows.make(
            try await side.blackBox.embed(items.queries, as: .query), source: .blackBox, ids: items.queries.map(\.id))
        return MigrationVectors(
            old: old, newQueries: queries, bought: bought, newDocuments: documents, sample: sample)
    }

    private func local(
        _ model: ArtefactModel, _ collection: RetrievalCollection, _ queries: MigrationQueries,
        _ progress: EncodingProgress
    ) throws -> VectorSystem? {
        guard let encoder = model.encoder, let record = model.manifest.documentEncoder else { return nil }
        return VectorSystem(
            queries: try model.localVectors(of: queries.all.map(\.item), as: .query, isCancelled: context.isCancelled),
            documents: try LocalVectorCache.shared.vectors(
                of: collection.documents.map(\.item), as: .document, encoder: encoder.document,
                weights: record.weightsSHA256,
                isCancelled: context.isCancelled
            ) { progress.update("Encoding documents", $0, collection.documents.count) })
    }
}

// MARK: - The local half

extension MigrationWorkflow {
    /// Trains the artefact's encoder of queries on beside the new black box. The encoder of documents stays, so no local
    /// vector of a document changes.
    private func train(
        _ measurement: MigrationMeasurement, _ vectors: MigrationVectors, _ documents: Matrix,
        _ identity: BlackBoxIdentity, _ time: Duration, _ onEvent: @escaping (TrainingEvent) -> Void
    ) throws -> TrainedEncoder {
        let artefact = measurement.model.artefact
        guard let record = artefact.encoder(.query), let splits = measurement.queries.splits else {
            throw WorkflowError.notMigratable(
                path: self.artefact, reason: "without labels its encoder cannot be trained on")
        }
        let folder = try artefact.encoderFolder(of: record, released: ArtefactOpening.releasedFolder)
        var settings = CollectionTraining.Settings()
        settings.mode = .query
        settings.modeReason = "the documents' vectors stay"
        settings.options.seed = seed
        settings.options.time = time.inSeconds
        let training = try CollectionTraining(
            collection: measurement.collection, splits: splits,
            vectors: BlackBoxVectors(
                identity: identity, queries: measurement.queries.all, queryVectors: vectors.newQueries,
                documentVectors: documents),
            released: ReleasedEncoder(
                name: record.name, revision: record.revision, folder: folder,
                prefixes: TextPrefixes(query: record.queryPrefix, document: record.documentPrefix),
                maximumLength: record.maximumLength),
            documentBank: measurement.local?.documents, settings: settings, cache: .shared,
            isCancelled: context.isCancelled)
        context.note("re-index-trained: training the encoder of queries beside the new black box")
        return try training.train(
            .mafin, checkpointFolder: nil, isCancelled: context.isCancelled, onEvent: onEvent)
    }
}

// MARK: - The new artefact

extension MigrationWorkflow {
    /// Why a road cannot be written as an artefact; nil: it can.
    static func refusal(of road: MigrationRoad.Name) -> String? {
        switch road {
        case .reindex, .reindexTrained, .bridgeDocuments, .bridgeQueries: nil
        case .stay: "to stay needs no new artefact"
        case .standIn:
            "a stand-in is a part of the artefact as it is, and search, serve and embed answer by it with --offline; mafin train "
                + "--stand-in makes one"
        }
    }

    private func write(
        _ result: inout Result, _ table: MigrationTable, _ measurement: MigrationMeasurement,
        _ vectors: MigrationVectors, _ side: MigrationSide, to folder: URL
    ) throws {
        let chosen = road ?? result.verdict.road
        guard chosen != .stay else {
            result.notWritten = "to stay needs no new artefact: \(artefact) goes on as it is"
            return
        }
        guard let sum = table.sums[chosen] else {
            if let road { throw WorkflowError.roadNotWritable(road: road.rawValue, reason: "it was not measured") }
            result.notWritten = "\(chosen.rawValue): " + (Self.refusal(of: chosen) ?? "it was not measured")
            return
        }
        let model = measurement.model
        let trained = chosen == .reindexTrained ? table.trained : nil
        let encoder = trained?.encoder
        let measurement = trained?.measurement ?? measurement
        let documents = table.newDocuments
        let development = try measurement.development(
            of: table.developmentSums[chosen] ?? sum, queries: vectors.newQueries, documents: documents)
        // The verdict chose its road on the measured queries.
        let fitted =
            road == nil
            ? measurement.queries.all : measurement.queries.known.map { measurement.queries.all[$0] }
        let known = try model.artefact.knownQueries()
        try Artefact.ship(
            sum,
            Artefact.Shipment(
                system: model.manifest.system ?? model.manifest.contender.rawValue, blackBox: side.blackBox.identity,
                blackBoxSource: side.source, blackBoxDimension: documents.columns, data: model.manifest.data,
                development: development,
                verdict: development.map {
                    Verdict(
                        lambda: sum.mixture.lambda, development: $0, system: ArtefactEvaluation.artefactName,
                        metric: MigrationMeasurement.metric, tooFewNewSets: measurement.tooFewNewSets)
                }
                    ?? Verdict(
                        lambda: nil, metric: MigrationMeasurement.metric.description, difference: nil, queries: 0),
                knownQueries: known.map { $0.union(KnownQueries(fitted)) } ?? KnownQueries(fitted)),
            encoderFrom: sum.usesLocalEncoder ? model.artefact : nil,
            queryEncoder: sum.usesLocalEncoder ? encoder : nil, to: folder)
        result.written = folder.path
    }
}
