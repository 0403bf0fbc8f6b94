import Foundation
import MafinBlackBox
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval

/// Evidence beside the figures: distributions of scores, labels that may be missing, costs.
extension Comparison {
    /// The input files with their hashes: texts and the labels of all splits.
    /// - Throws: a file error if the labels cannot be read again.
    public func inputs() throws -> [ArtefactManifest.DataRecord] {
        var records = training.dataRecords
        if training.collection.format == .beir, let file = training.collection.file(ofSplit: plan.request.split) {
            records.append(
                ArtefactManifest.DataRecord(
                    role: "qrels/\(plan.request.split)", name: file.lastPathComponent,
                    sha256: try ContentHash.sha256(of: file), count: qrels.pairCount))
        }
        return records
    }

    /// Scores of relevant and of other pairs by one system.
    public struct ScoreSample: Sendable {
        /// Scores of pairs that are labelled as relevant.
        public var relevant: [Double] = []
        /// Scores of other pairs: all, or an evenly spread sample.
        public var other: [Double] = []
    }

    /// How many queries are sampled, and about how many documents of each.
    private static let sampledQueries = 200
    private static let sampledDocuments = 2_000

    /// Cosines of the first measured queries by the black box and by the local encoder.
    /// - Throws: errors of the vectors' files.
    public func scoreSamples(of chosen: TrainingRecord) throws -> (blackBox: ScoreSample, local: ScoreSample) {
        let local = try systems(of: chosen.contender, seed: chosen.seed).local
        let rows = measuredRows.prefix(Self.sampledQueries)
        let stride = max(1, local.documentCount / Self.sampledDocuments)
        func sample(_ system: VectorSystem) -> ScoreSample {
            var sample = ScoreSample()
            let scores = system.scores(queries: rows.map(\.row))
            for (position, query) in rows.enumerated() {
                let relevant = Set(
                    qrels.relevantDocuments(of: query.id).compactMap { training.collection.documentIndex[$0.document] })
                for (document, score) in scores.row(position).enumerated() {
                    if relevant.contains(document) {
                        sample.relevant.append(Double(score))
                    } else if document % stride == position % stride {
                        sample.other.append(Double(score))
                    }
                }
            }
            return sample
        }
        return (sample(training.blackBoxSystem), sample(local))
    }

    private var measuredRows: [(id: String, row: Int)] {
        training.queries.enumerated().filter { qrels.hasRelevantDocument($0.element.id) }.map { ($1.id, $0) }
    }

    /// The rankings of the chosen artefact and of the black box, to the depth at which they were measured.
    public func rankings(of chosen: TrainingRecord) throws -> (chosen: Run, blackBox: Run) {
        let joined = try systems(of: chosen.contender, seed: chosen.seed).vectors
        return (try training.run(of: joined, on: qrels), try training.run(of: training.blackBoxSystem, on: qrels))
    }

    /// How many queries are checked for missing labels at most; the measured ones come first.
    private static let suspectedQueries = 5_000

    /// Unlabelled documents that the black box and the released encoder both rank first, the clearest first.
    /// - Parameter labels: of all splits, the measured one first.
    /// - Throws: errors of the released encoder.
    public func suspectedNegatives(labels: [Qrels]) throws -> [(query: Query, document: Document)] {
        let collection = training.collection
        var relevant = [[Judgement]](repeating: [], count: training.queries.count)
        var judged = [[Int]](repeating: [], count: training.queries.count)
        var rows: [Int] = []
        let rowOf = Dictionary(
            training.queries.enumerated().map { ($1.id, $0) }, uniquingKeysWith: { first, _ in first })
        for qrels in labels {
            for query in qrels.queryIds {
                guard let row = rowOf[query], relevant[row].isEmpty, judged[row].isEmpty else { continue }
                for (document, grade) in qrels[query] ?? [:] {
                    guard let column = collection.documentIndex[document] else { continue }
                    if grade > 0 {
                        relevant[row].append(Judgement(column: column, grade: Float(grade)))
                    } else {
                        judged[row].append(column)
                    }
                }
                rows.append(row)
            }
        }
        return try SuspectedNegatives.find(
            queries: Array(rows.prefix(Self.suspectedQueries)), blackBox: training.blackBoxSystem,
            local: training.releasedSystem(isCancelled: isCancelled), relevant: relevant, judged: judged,
            documentIdentities: data.index.documentIdentities, count: rows.count
        ).map { (training.queries[$0.query], collection.documents[$0.document]) }
    }

    /// What joined vectors cost compared with the black box alone, measured on this machine.
    public struct Costs: Sendable {
        /// Numbers in a vector of the black box, and in a joined one.
        public var dimensions: (before: Int, after: Int)
        /// Bytes of an exact index, before and after.
        public var indexBytes: (before: Int, after: Int)
        /// Milliseconds of one exact search, before and after.
        public var searchMilliseconds: (before: Double, after: Double)
        /// Milliseconds to encode one query.
        public var encoderMilliseconds: Double
    }

    private static let timedQueries = 40

    /// Measures single queries one after the other and takes medians.
    /// - Throws: errors of encoder and index.
    public func costs(of model: ArtefactModel, _ chosen: TrainingRecord) throws -> Costs {
        let joined = try systems(of: chosen.contender, seed: chosen.seed).vectors
        let rows = measuredRows.prefix(Self.timedQueries).map(\.row)
        func median(_ body: (Int) throws -> Void) rethrows -> Double {
            var times: [Double] = []
            for row in rows {
                let start = ContinuousClock.now
                try body(row)
                let time = (ContinuousClock.now - start).components
                times.append(Double(time.seconds) * 1e3 + Double(time.attoseconds) * 1e-15)
            }
            times.sort()
            return times.isEmpty ? 0 : times[times.count / 2]
        }
        func search(_ system: VectorSystem) throws -> (milliseconds: Double, bytes: Int) {
            let index = VectorIndex(try VectorRows(system.documents))
            return (
                try median { _ = try index.search(queries: system.queries.selecting(rows: [$0]), count: 100) },
                index.byteCount
            )
        }
        let (before, after) = (try search(training.blackBoxSystem), try search(joined))
        return Costs(
            dimensions: (training.data.blackBoxDocuments.columns, joined.documents.columns),
            indexBytes: (before.bytes, after.bytes), searchMilliseconds: (before.milliseconds, after.milliseconds),
            encoderMilliseconds: try median { _ = try model.localVectors(of: [training.queries[$0].text], as: .query) })
    }
}
