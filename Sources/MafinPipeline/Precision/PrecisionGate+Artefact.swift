import Foundation
import MafinBlackBox
import MafinEncoder
import MafinMethod
import MafinNumerics
import MafinRetrieval

extension PrecisionGate {
    /// Decides in which precision an artefact embeds, by its rankings of dev. The model's own precision is afterwards what it was.
    ///
    /// Embeds all documents and the queries of dev in float32 and in each precision that is tried. Vectors of documents are taken from the cache
    /// and kept there.
    /// - Parameters:
    ///   - vectors: the black box's vectors of the queries of dev, and of all documents if the artefact reads those of documents; `nil` if no
    ///     source reads any.
    ///   - progress: receives the precision, and the number of documents whose vectors are done.
    /// - Throws: `RetrievalError` for labels that cannot be used; what encoders throw; `CancellationError`.
    public func decide(
        _ asked: Precision, of model: ArtefactModel, splits: JudgedSplits, vectors: BlackBoxVectors?,
        cache: LocalVectorCache, isCancelled: () -> Bool = { false }, progress: (Precision, Int) -> Void = { _, _ in }
    ) throws -> PrecisionRecord {
        guard model.encoder != nil || model.standIn != nil else {
            return PrecisionRecord(float32: "the artefact has no encoder", asked: asked)
        }
        let before = model.precision
        defer { model.precision = before }
        let labels = try splits.qrels(.dev)
        let queries = splits.collection.queries(judgedIn: labels)
        var indexes: [Precision: SourceIndex] = [:]
        func index(_ precision: Precision) throws -> SourceIndex {
            if let index = indexes[precision] { return index }
            // The documents of float32, and of one other precision, are in memory at a time.
            indexes = indexes.filter { $0.key == .float32 }
            model.precision = precision
            let index = try model.index(
                of: splits.collection.documents,
                blackBox: model.documentInputs.contains(.blackBox) ? vectors?.documentVectors : nil, cache: cache,
                isCancelled: isCancelled, progress: { progress(precision, $0) })
            indexes[precision] = index
            return index
        }
        let rankings = Self.rankings(of: model)
        var made: [Precision: (asked: SourceQueries?, offline: SourceQueries?)] = [:]
        func inputs(_ precision: Precision) throws -> (asked: SourceQueries?, offline: SourceQueries?) {
            if let made = made[precision] { return made }
            model.precision = precision
            let (items, ids) = (queries.map(\.item), queries.map(\.id))
            let inputs = (
                asked: try rankings.contains { !$0.isOffline }
                    ? model.queries(
                        items, ids: ids, blackBox: vectors?.queryVectors(of: queries), isCancelled: isCancelled) : nil,
                offline: try rankings.contains(where: \.isOffline)
                    ? model.offlineQueries(items, ids: ids, isCancelled: isCancelled) : nil
            )
            made[precision] = inputs
            return inputs
        }
        return try decide(asked: asked) { documents, queried in
            let index = try index(documents)
            let inputs = try inputs(queried)
            return try rankings.compactMap { ranking in
                guard let inputs = ranking.isOffline ? inputs.offline : inputs.asked else { return nil }
                if isCancelled() { throw CancellationError() }
                let ranked = try index.rankings(
                    of: index.queries(inputs), weights: ranking.weights, count: ArtefactEvaluation.depth)
                let run = Run(ranked, queryIds: queries.map(\.id), documentIds: splits.collection.documentIds)
                return (ranking.kind, evaluate(run, against: labels, metrics: [Self.metric]))
            }
        }
    }

    /// A ranking to measure.
    struct WeightedRanking {
        var kind: PrecisionRecord.Ranking
        var weights: SourceWeights
        var isOffline: Bool { kind == .offline || kind == .offlineWithoutMemories }
    }

    /// The rankings of an artefact: by all sources, and where memories of queries take part also without them.
    static func rankings(of model: ArtefactModel) -> [WeightedRanking] {
        let memories = model.sources.compactMap { ($0 as? QueryMemory)?.name }
        func pair(
            _ weights: SourceWeights, _ whole: PrecisionRecord.Ranking, _ without: PrecisionRecord.Ranking
        ) -> [WeightedRanking] {
            let used = memories.filter { weights[$0] > 0 }
            let all = WeightedRanking(kind: whole, weights: weights)
            // nil if nothing but memories has a weight.
            guard !used.isEmpty,
                let rest = weights.replacing(Dictionary(uniqueKeysWithValues: used.map { ($0, 0) }))
            else { return [all] }
            return [all, WeightedRanking(kind: without, weights: rest)]
        }
        var rankings = pair(model.manifest.mixing.rankingWeights, .all, .withoutMemories)
        if let offline = model.manifest.offline {
            rankings += pair(offline.mixing.rankingWeights, .offline, .offlineWithoutMemories)
        }
        return rankings
    }
}

extension Artefact {
    /// Writes what was decided into the manifest of this artefact, whole or not at all. Nothing else changes.
    /// - Throws: ``ArtefactError``, `NumericsError`. The manifest is then as it was before.
    @discardableResult
    public func write(_ precision: PrecisionRecord) throws -> Artefact {
        var written = manifest
        written.precision = precision
        written.formatVersion = ArtefactManifest.currentFormatVersion
        written.sources = manifest.allSources
        return try replaceManifest(by: written)
    }
}
