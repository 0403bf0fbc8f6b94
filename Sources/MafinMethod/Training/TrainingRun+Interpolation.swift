/// A weighted mean of trained and released weights, tried when training is over.
///
/// A step from the released encoder towards labels of a few hundred queries overshoots for all others; part of the way back keeps most of what was
/// learned and regains some of what was forgotten (Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022).
public struct Interpolation: Sendable, Codable, Equatable {
    /// Share of the trained weights; the rest is that of the released ones.
    public var trainedShare: Float
    /// What dev says of the mean.
    public var result: DevelopmentResult
}

extension TrainingRun {
    /// Tries means of the best and the released weights, and keeps the one under which dev labels are most likely.
    ///
    /// Only where the documents' vectors do not depend on the trained weights; elsewhere each mean would cost a pass over the corpus. The weights and the
    /// scale of the moment stay as they are.
    func interpolate() throws {
        guard state.history[state.best].step > 0, !trainer.mode.trainsDocuments, !options.trainedShares.isEmpty else {
            return
        }
        let present = trainer.queryEncoder.weights()
        defer { trainer.queryEncoder.restore(weights: present) }
        let trained = best[0]
        var likelihood = state.history[state.best].result.logLikelihood
        var kept: (weights: [Float], interpolation: Interpolation)?
        for share in options.trainedShares {
            let mean = zip(trained, released).map { share * $0 + (1 - share) * $1 }
            trainer.queryEncoder.restore(weights: mean)
            let result = try trainer.evaluation(
                DevelopmentState(
                    step: state.history[state.best].step,
                    queries: state.localForm.prepare(try embedQueries(index.devQueries)), documents: bank.rows,
                    scale: state.bestScale, form: options.form))
            guard result.logLikelihood > likelihood else { continue }
            likelihood = result.logLikelihood
            kept = (mean, Interpolation(trainedShare: share, result: result))
        }
        guard let kept else { return }
        best[0] = kept.weights
        state.interpolation = kept.interpolation
        onEvent(.interpolated(kept.interpolation))
    }
}
