import MafinBlackBox
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval

/// Further facts for the report: distributions of scores, labels that may be missing, costs.
extension Comparison {
    /// The input files with their hashes: texts and the labels of all splits.
    /// - Throws: a file error if the labels cannot be read again.
    public func inputs() throws -> [ArtefactManifest.DataRecord] {
        var records = training.dataRecords
        if training.collection.format == .beir, let file = training.collection.file(ofSplit: plan.request.split) {
            records.append(try .init(role: "qrels/\(plan.request.split)", file: file, count: qrels.pairCount))
        }
        return records
    }

    /// Scores of one system: those of pairs that are labelled as relevant, and those of all other pairs or of an evenly
    /// spaced sample of them.
    public typealias ScoreSample = (relevant: [Double], other: [Double])

    /// Number of queries in a sample, and about how many documents per query.
    private static let sampledQueries = 200
    private static let sampledDocuments = 2_000

    /// Cosines of the black box and of the local encoder, for the first measured queries.
    /// - Throws: errors of the vectors' files.
    public func scoreSamples(of chosen: TrainingRecord) throws -> (blackBox: ScoreSample, local: ScoreSample) {
        let local = try systems(of: chosen.contender, seed: chosen.seed).local
        let rows = measuredRows.prefix(Self.sampledQueries)
        let stride = max(1, local.documentCount / Self.sampledDocuments)
        func sample(_ system: VectorSystem) -> ScoreSample {
            var sample: ScoreSample = ([], [])
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

    /// Largest number of queries that are checked for missing labels. Measured queries come first.
    private static let suspectedQueries = 5_000

    /// Unlabelled documents that the black box and the released encoder both rank first, in order of falling margin.
    /// - Parameter labels: labels of all splits. The measured split comes first.
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
                let found = qrels.judgements(of: query, in: collection)
                relevant[row] = found.filter { $0.grade > 0 }
                judged[row] = found.filter { $0.grade <= 0 }.map(\.column)
                rows.append(row)
            }
        }
        return try SuspectedNegatives.find(
            queries: Array(rows.prefix(Self.suspectedQueries)), blackBox: training.blackBoxSystem,
            local: training.releasedSystem(isCancelled: isCancelled), relevant: relevant, judged: judged,
            documentIdentities: data.index.documentIdentities, count: rows.count
        ).map { (training.queries[$0.query], collection.documents[$0.document]) }
    }

    private static let timedQueries = 40

    /// Measures single queries one by one, and takes the medians.
    /// - Parameter machine: the machine that measures.
    /// - Throws: errors of encoder and index.
    public func costs(of model: ArtefactModel, _ chosen: TrainingRecord, machine: String?) throws -> CostFacts {
        let joined = try systems(of: chosen.contender, seed: chosen.seed).vectors
        let rows = measuredRows.prefix(Self.timedQueries).map(\.row)
        func median(_ body: (Int) throws -> Void) rethrows -> Double {
            var times: [Double] = []
            for row in rows {
                let start = ContinuousClock.now
                try body(row)
                times.append((ContinuousClock.now - start).inSeconds * 1e3)
            }
            times.sort()
            return times.isEmpty ? 0 : times[times.count / 2]
        }
        func search(_ system: VectorSystem) throws -> (milliseconds: Double, bytes: Double) {
            let index = VectorIndex(try VectorRows(system.documents))
            return (
                try median { _ = try index.search(queries: system.queries.selecting(rows: [$0]), count: 100) },
                Double(index.byteCount)
            )
        }
        let (before, after) = (try search(training.blackBoxSystem), try search(joined))
        return CostFacts(
            dimensions: .init(
                before: Double(training.data.blackBoxDocuments.columns), after: Double(joined.documents.columns)),
            indexBytes: .init(before: before.bytes, after: after.bytes),
            searchMilliseconds: .init(before: before.milliseconds, after: after.milliseconds),
            encoderMilliseconds: try median { _ = try model.localVectors(of: [training.queries[$0].text], as: .query) },
            tokensToBuyAgain: 0, trainingSeconds: chosen.seconds, machine: machine)
    }
}
