import Foundation
import MafinMethod
import MafinPipeline
import MafinRetrieval

/// What `mafin inspect` tells of an artefact beyond its manifest.
package struct ArtefactDescription: Encodable {
    /// A source, its weight, and what it takes on disk.
    package struct Source: Encodable {
        package var source: SourceName
        package var kind: SourceRecord.Kind
        /// Who can compute its scores.
        package var face: SourceFace
        /// In the unit in which `--weight` takes it: the weights of the black box and the local encoder add up to 1.
        package var weight: Float
        /// The same if the black box is not asked; nil without a stand-in.
        package var offlineWeight: Float?
        /// Its part of the sum of all weights. Scores of different sources have different ranges, so this is no share of the
        /// score.
        package var share: Float
        /// Columns of its vectors; nil if it has none.
        package var dimension: Int?
        /// The language whose words it counts; nil if it counts none.
        package var language: Language?
        /// Bytes of its files, the encoder's included; nil if it has none. Sources that share a folder have the same figure.
        package var bytes: Int?
    }

    /// What joined vectors hold, which `embed` writes and `/v1/embeddings` returns.
    package struct Vectors: Encodable {
        package var dimension: Int
        /// Numbers before they were reduced; nil if they are not.
        package var joinedDimension: Int?
        /// Sources with a weight that they leave out.
        package var leftOut: [SourceName]
        /// The metric of ranking by the joined vectors alone and by all sources, as far as the artefact records both.
        package var cost: Cost?
    }

    /// What it costs to leave sources out.
    package struct Cost: Encodable {
        package var split: String
        package var metric: Metric
        package var all: Double
        package var dense: Double
    }

    package let manifest: ArtefactManifest
    package let sources: [Source]
    package let vectors: Vectors

    /// Describes an artefact.
    /// - Throws: `ArtefactError` for a source that cannot be used; file errors.
    package init(_ artefact: Artefact) throws {
        let manifest = artefact.manifest
        let weights = manifest.mixing.rankingWeights
        let offline = manifest.offline?.mixing.rankingWeights
        let sum = weights.values.reduce(0, +)
        let loaded = try artefact.sources()
        self.manifest = manifest
        sources = zip(manifest.allSources, loaded).map { record, source in
            let folders =
                record.kind == .local
                ? [manifest.documentEncoder, manifest.queryEncoder].compactMap(\.?.folder)
                : [record.folder].compactMap(\.self)
            return Source(
                source: record.name, kind: record.kind, face: source.face, weight: weights[record.name],
                offlineWeight: offline?[record.name], share: weights[record.name] / sum, dimension: record.dimension,
                language: (source as? LexicalSource)?.analyzer.language,
                bytes: folders.isEmpty ? nil : Self.bytes(of: folders, manifest))
        }
        vectors = Vectors(
            dimension: loaded.joinedDimension,
            joinedDimension: manifest.reduction == nil ? nil : loaded.unreduced.joinedDimension,
            leftOut: NamedVectors.leftOut(of: loaded, kept: [.dense]).filter { weights[$0] > 0 },
            cost: Self.cost(manifest))
    }

    private static func bytes(of folders: [String], _ manifest: ArtefactManifest) -> Int {
        manifest.files.filter { file in folders.contains { file.path.hasPrefix($0 + "/") } }.reduce(0) { $0 + $1.bytes }
    }

    /// Figures on the measured split if there are any, otherwise on dev.
    private static func cost(_ manifest: ArtefactManifest) -> Cost? {
        for report in [manifest.test, manifest.development].compactMap(\.self) {
            guard let dense = report.systems.first(where: { $0.name == ArtefactEvaluation.denseName }),
                let all = report.systems.first(where: { $0.name == ArtefactEvaluation.artefactName }),
                let metric = Metric.standard.first(where: { all.metrics[$0] != nil && dense.metrics[$0] != nil })
            else { continue }
            return Cost(
                split: report.split, metric: metric, all: all.metrics[metric] ?? 0, dense: dense.metrics[metric] ?? 0)
        }
        return nil
    }

    private enum CodingKeys: CodingKey { case ranking, vectors }

    /// Writes the manifest, with the fields `ranking` and `vectors`.
    package func encode(to encoder: any Encoder) throws {
        try manifest.encode(to: encoder)
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(sources, forKey: .ranking)
        try container.encode(vectors, forKey: .vectors)
    }
}
