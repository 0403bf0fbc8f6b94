import Foundation
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinWorkflows

/// The progress of trainings on standard error: loss, figures on dev, tokens a second, time left.
package final class TrainingProgress {
    /// When the first step of the command began, and how long it took.
    struct FirstStep {
        /// Seconds from the start of the command to the beginning of the step.
        var began: Double?
        /// Seconds that the step took.
        var took: Double?
    }

    private let shared: SharedOptions
    private let resuming: String
    private var bar: ProgressBar?
    private(set) var firstStep = FirstStep()

    /// - Parameter resuming: the note that tells how to resume an interrupted training.
    package init(_ shared: SharedOptions, resuming: String = "the same command with --resume continues from here") {
        self.shared = shared
        self.resuming = resuming
    }

    package func report(_ contender: Contender, _ event: TrainingEvent) { report(contender.rawValue, event) }

    /// - Parameter name: of what is trained.
    package func report(_ name: String, _ event: TrainingEvent) {
        timeFirstStep(event)
        switch event {
        case .encodingDocuments, .epoch, .checkpoint:
            break
        case .calibrated(let scale):
            say(name, String(format: "starts at λ %.3f, τ %.4f", scale.lambda, scale.temperature))
        case .resumed(let step):
            say(name, "resumed after step \(step)")
        case .planned(let plan):
            bar = shared.progressBar(name, total: plan.totalSteps, unit: "steps")
            if let queries = plan.outside.sample {
                say(name, "from now on dev is measured on a sample of \(queries) queries, at the end on all")
            }
        case .step(let report):
            bar?.update(
                completed: report.step,
                detail: String(
                    format: "loss %.3f (%.3f) · %.0f tokens/s", report.loss, report.smoothedLoss, report.tokensPerSecond
                ))
        case .evaluated(let record, let isBest):
            let result = record.result
            say(
                name,
                String(
                    format: "step %d: dev nDCG@10 %.4f, λ %.3f, likelihood %.4f%@", record.step, result.metric,
                    result.scale.lambda, result.logLikelihood, isBest ? "  best" : ""))
        case .interpolated(let mean):
            say(
                name,
                String(
                    format: "kept: %.0f %% trained and %.0f %% released weights, dev nDCG@10 %.4f, likelihood %.4f",
                    100 * mean.trainedShare, 100 - 100 * mean.trainedShare, mean.result.metric,
                    mean.result.logLikelihood))
        case .stopped(let reason):
            switch reason {
            case .noGain: say(name, "ended early: dev does not rise any more")
            case .timeSpent: say(name, "time is up")
            case .cancelled: say(name, "interrupted; \(resuming)")
            case .completed: break
            }
            finish()
        }
    }

    package func finish() {
        bar?.finish()
        bar = nil
    }

    private func say(_ name: String, _ text: String) {
        if let bar { bar.note("\(name): \(text)") } else { shared.note("\(name): \(text)") }
    }

    private func timeFirstStep(_ event: TrainingEvent) {
        guard firstStep.took == nil else { return }
        let now = (ContinuousClock.now - programStart).inSeconds
        switch event {
        // The last such event before the step counts.
        case .evaluated, .epoch, .resumed:
            firstStep.began = now
        case .step:
            guard let began = firstStep.began else { return }
            firstStep.took = now - began
            shared.note(
                String(format: "training began %.2f s after the start; its first step took %.2f s", began, now - began))
        default:
            break
        }
    }
}
