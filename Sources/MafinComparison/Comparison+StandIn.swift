import Foundation
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval

extension Comparison {
    /// Trains the stand-in of a seed and fits the sums that ask the black box for nothing, or reads the record. A stand-in
    /// that was interrupted begins again.
    /// - Parameters:
    ///   - seconds: of its training.
    ///   - base: the method whose trained encoder encodes documents, in the modes that train them.
    func trainStandIn(
        seed: UInt64, seconds: Double, beside base: Contender?, _ lexical: SourceSystem?
    ) throws -> ComparisonUnit {
        let name = part(of: .standIn(seed))
        let made = try part(name, title: OfflineSums.standInName, seed: seed) {
            let deadline = ContinuousClock.now + .seconds(max(secondsLeft, seconds + plan.leastSeconds))
            var settings = StandInTraining.Settings()
            (settings.seconds, settings.seed) = (seconds, seed)
            let trained = try StandInTraining(training, settings: settings).run(
                isCancelled: isCancelled,
                onEvent: { [onEvent] in onEvent(.trainingStandIn(seed: seed, $0)) })
            try store.write(trained, released: training.releasedRecord(beside: trained), seed: seed)
            // With the query tower alone, the documents of the local encoder are the released one's for every seed.
            let encoder = training.choice.mode == .query ? nil : base
            let local =
                training.choice.mode == .query
                ? try training.releasedSystem(isCancelled: isCancelled)
                : try encoder.flatMap { record(of: $0, seed: seed) }.map {
                    try systems(of: $0.contender, seed: seed).local
                }
            let offline = try data.offline(trained, local: local)
            var unit = ComparisonUnit(developmentValues: [:], failures: [:])
            for rival in OfflineSums.rivals(
                trained.source, local: local.map { LocalVectorSource(dimension: $0.documents.columns) },
                words: lexical?.sources.first as? LexicalSource)
            where ComparedSystem.named(rival.name) != nil && plan.wants(rival.name) {
                do {
                    let fitted = try rival.fit(to: offline, seed: seed) {
                        isCancelled() || ContinuousClock.now > deadline
                    }
                    var row = try row(of: fitted, seed: seed, encoder: encoder, standIn: trained.source)
                    row.sureness = try sureness(of: fitted, on: row.evaluation)
                    unit.developmentValues?[row.name] = try developmentValues(of: fitted)
                    unit.rows.append(row)
                } catch is CancellationError where !isCancelled() {
                    unit.failures?[rival.name] = "It could not be fitted in the time that was left."
                } catch let error where TrainingError.isOfOneMethod(error) {
                    unit.failures?[rival.name] = "\(error)"
                }
            }
            for name in wantedOfflineSums
            where unit.failures?[name] == nil && !unit.rows.contains(where: { $0.name == name }) {
                unit.failures?[name] = "It needs a local encoder of documents, and none was trained."
            }
            return unit
        }
        if let failure = made.failure { for name in wantedOfflineSums { leaveOut(name, failure) } }
        return made
    }

    /// The names of the wanted sums that ask the black box for nothing, in the order of tables.
    var wantedOfflineSums: [String] { OfflineSums.names.filter(plan.wants) }

    /// How sure the ranking of a sum is of each query. The final sum remembers the labels of the development queries, so their
    /// values are those of sums that have not seen them.
    private func sureness(of fitted: FittedRival, on evaluation: RunEvaluation) throws -> QuerySureness? {
        guard let sum = fitted.sum, let shipped = fitted.shipped(newDocuments: data.newDocuments),
            let development = fitted.sureness
        else { return nil }
        let rows = Dictionary(
            training.queries.enumerated().map { ($1.id, $0) }, uniquingKeysWith: { first, _ in first })
        return QuerySureness(
            development: development.map(Float.init),
            measured: try sum.sureness(ofQueries: evaluation.queryIds.compactMap { rows[$0] }, shipped.mixture)
                .map(Float.init))
    }
}

extension SourceSystem {
    /// The same sum with the weights that every command ranks with.
    package func ranking(by mixture: Mixture) -> SourceSystem {
        SourceSystem(index, weights: mixture.rankingWeights, queries: queries)
    }

    /// How sure its ranking is of each query (`Sureness`).
    package func sureness(ofQueries rows: [Int], _ mixture: Mixture) throws -> [Double] {
        let rankings = try ranking(by: mixture).rankings(queries: rows, count: Sureness.depth)
        return (0..<rankings.count).map { Sureness.probability(ofFirst: rankings[$0].map(\.score), mixture) }
    }
}

extension ComparisonRow {
    /// Whether it asks the black box for nothing.
    var isOffline: Bool { ComparedSystem.isOffline(name) }
}

// MARK: Files

extension ComparisonStore {
    private static let recordName = "stand-in.json"
    private static let encoderName = "encoder"

    /// What is kept of a stand-in beside its encoder. Its heads are files of its sums.
    private struct StandInRecord: Codable {
        var encoder: EncoderRecord
        var training: ArtefactManifest.Training
        var released: EncoderRecord?
    }

    func write(_ trained: TrainedStandIn, released: EncoderRecord?, seed: UInt64) throws {
        let target = standIn(seed: seed)
        try FileManager.default.createDirectory(
            at: target.deletingLastPathComponent(), withIntermediateDirectories: true)
        try AtomicFile.replaceDirectory(at: target) { folder in
            let encoder = folder.appendingPathComponent(Self.encoderName)
            try FileManager.default.createDirectory(at: encoder, withIntermediateDirectories: true)
            try trained.save(to: encoder)
            try write(
                StandInRecord(encoder: trained.record, training: trained.training, released: released),
                to: folder.appendingPathComponent(Self.recordName))
        }
    }

    /// The sum that asks the black box for nothing in the artefact of a system; `nil` if there is none.
    /// - Parameter form: how the system's local vectors are prepared.
    /// - Throws: ``ComparisonError``.
    public func offlineRow(inArtefactOf name: String, form: LocalForm) throws -> ComparisonRow? {
        offlineRow(beside: try shippable(name).artefact, form: form, among: try recordedRows())
    }

    /// The best sum on dev that asks the black box for nothing, among those that fit into one artefact with a system: its
    /// documents must be encoded by the same encoder. `nil` if there is none.
    /// - Parameters:
    ///   - encoder: the artefact of the system's encoder; `nil` if it has none.
    ///   - form: how the system's local vectors are prepared.
    func offlineRow(beside encoder: URL?, form: LocalForm, among rows: [ComparisonRow]) -> ComparisonRow? {
        Self.offlineSums(rows).first { row in
            guard form == .unit, FileManager.default.fileExists(atPath: standIn(seed: row.seed).path) else {
                return false
            }
            let own = row.encoder.map { artefact(of: $0, seed: row.seed) }
            return own == nil || encoder == nil || own == encoder
        }
    }

    /// The sums that ask the black box for nothing and can be shipped, the best mean on dev first, each with its best seed. Of
    /// equally good ones the first in the order of tables comes first.
    static func offlineSums(_ rows: [ComparisonRow]) -> [ComparisonRow] {
        func mean(_ name: String) -> Double {
            let seeds = rows.filter { $0.name == name }
            return seeds.reduce(0) { $0 + $1.development } / Double(max(1, seeds.count))
        }
        return best(rows).values.filter(\.isOffline).sorted {
            (mean($1.name), ComparedSystem.place(of: $0.name)) < (mean($0.name), ComparedSystem.place(of: $1.name))
        }
    }

    /// What is shipped of a sum that asks the black box for nothing.
    /// - Parameter asking: the curve beside the system that is shipped with it.
    func shippedStandIn(of row: ComparisonRow, asking: [Sureness.Point]?) throws -> Artefact.ShippedStandIn {
        let folder = standIn(seed: row.seed)
        let file = folder.appendingPathComponent(Self.recordName)
        guard let record: StandInRecord = try read(file), let sources = shippable(row).sources else {
            throw ComparisonError.damaged(path: file.path, reason: "files are missing")
        }
        return Artefact.ShippedStandIn(
            sources: try ShippedSources(readingFrom: sources), encoder: record.encoder, released: record.released,
            training: record.training, development: try developmentReport(of: row), asking: asking
        ) { target in
            try AtomicFile.copyContents(of: folder.appendingPathComponent(Self.encoderName), to: target)
        }
    }
}
