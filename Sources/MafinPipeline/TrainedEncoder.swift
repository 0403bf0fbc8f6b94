import Foundation
import MafinBlackBox
import MafinEncoder
import MafinMethod
import MafinNumerics
import MafinRetrieval

/// A contender after its training: the encoder at its best state, the scale at which it is mixed, and what dev says of it.
public final class TrainedEncoder {
    /// Which contender.
    public let contender: Contender
    /// At its best state; of queries, and in modes that train documents of these too.
    public let encoder: TextEncoder
    /// How the training went.
    public let outcome: TrainingOutcome
    /// How the halves are mixed.
    public let mixing: ArtefactManifest.Mixing
    /// Dev queries to which the scale of ``mixing`` was fitted; `nil`: it was not fitted.
    let scaleQueries: Int?
    /// The comparison on dev with the black box, on which everything was chosen.
    public let development: EvaluationReport
    /// Whether it pays, by dev.
    public let verdict: Verdict

    package let mode: any TrainingMode
    let options: TrainingOptions
    package let training: CollectionTraining

    /// Whether the evaluation of the untrained start fitted the scale of both halves.
    var startIsCalibrated: Bool {
        outcome.start.result.figures["fitted"] == 1 && options.form != .localOnly
    }

    init(
        contender: Contender, encoder: TextEncoder, outcome: TrainingOutcome, mode: any TrainingMode,
        options: TrainingOptions, of training: CollectionTraining
    ) throws {
        self.contender = contender
        self.encoder = encoder
        self.outcome = outcome
        self.mode = mode
        self.options = options
        self.training = training

        let data = training.data
        let dev = data.index.devQueries
        let form = outcome.localForm
        let queries = try encoder.encoder.embed(data.queries.selecting(rows: dev))
        let documents = mode.trainsDocuments ? try encoder.encoder.embed(data.documents) : training.documentBank
        let halves = HalfVectors(
            blackBoxQueries: data.blackBoxQueries.selecting(rows: dev), blackBoxDocuments: data.blackBoxDocuments,
            localQueries: form.prepare(queries), localDocuments: form.prepare(documents))

        switch (contender, form) {
        case (.paperMafin, _):
            scaleQueries = nil
            mixing = ArtefactManifest.Mixing(
                combination: training.settings.joins.combination(lambda: 0.5), lambdaForm: .fixed, scale: .paper)
        case (_, .norm(let factor)):
            scaleQueries = nil
            mixing = ArtefactManifest.Mixing(
                combination: .norm(localFactor: factor), lambdaForm: .norm, scale: outcome.trainingScale)
        default:
            let fit = try Self.fit(halves, dev: dev, of: training, byteBudget: options.scoreByteBudget)
            let scale = fit?.scale ?? outcome.best.result.scale
            scaleQueries = fit?.labelledRows
            mixing = ArtefactManifest.Mixing(
                combination: training.settings.joins.combination(lambda: scale.lambda), lambdaForm: .calibrated,
                scale: scale, lambdaStandardError: fit?.lambdaStandardError)
        }

        let ids = dev.map { training.queries[$0].id }
        let documentIds = training.collection.documentIds
        func run(_ mixing: HalfVectors.Mixing) -> Run {
            Run(halves.rankings(mixing, count: ArtefactEvaluation.depth), queryIds: ids, documentIds: documentIds)
        }
        let wanted = Set(ids)
        development = try EvaluationReport(
            split: JudgedSplits.Part.dev.rawValue,
            runs: [
                (ArtefactEvaluation.baseline, run(.lambda(0))), (contender.aloneName, run(.lambda(1))),
                (contender.joinedName, run(mixing.combination.mixing)),
            ], qrels: training.devQrels.filter { wanted.contains($0) }, baseline: ArtefactEvaluation.baseline)
        verdict = Verdict(
            lambda: mixing.combination.lambda, development: development, system: contender.joinedName,
            gain: outcome.gain)
    }

    /// The scale that makes the dev labels most likely; `nil` where neither half ranks them above chance.
    private static func fit(
        _ halves: HalfVectors, dev: [Int], of training: CollectionTraining, byteBudget: Int
    ) throws -> Calibration? {
        let scores = ScoreSource(
            queries: dev, queryVectors: training.data.blackBoxQueries,
            documentVectors: training.data.blackBoxDocuments, byteBudget: byteBudget)
        do {
            return try ScaleFit.fit(
                queries: dev, local: halves.localQueries.vectors, documents: halves.localDocuments.vectors,
                scores: scores, index: training.data.index, byteBudget: byteBudget)
        } catch CalibrationError.uninformative {
            return nil
        }
    }

    /// Writes the artefact, whole or not at all.
    /// - Parameters:
    ///   - source: how to open the black box again.
    ///   - force: whether a verdict against it is overridden.
    /// - Throws: ``ArtefactError``, `NumericsError`.
    @discardableResult
    public func write(to folder: URL, source: BlackBoxSource? = nil, force: Bool = false) throws -> Artefact {
        var manifest = try training.manifest(of: self, source: source)
        if force { manifest.verdict = manifest.verdict.forced() }
        // In the norm form a vector's length is its weight.
        let normalizes = mixing.lambdaForm != .norm
        let save: (URL) throws -> Void = { [encoder] in
            try encoder.encoder.save(to: $0, tokenizerFrom: encoder.folder, normalizes: normalizes)
        }
        return mode.trainsDocuments
            ? try Artefact.write(manifest, to: folder, knownQueries: training.knownQueries, saveDocumentEncoder: save)
            : try Artefact.write(manifest, to: folder, knownQueries: training.knownQueries, saveQueryEncoder: save)
    }
}
