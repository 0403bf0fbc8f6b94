import Foundation
import MafinMethod
import MafinPipeline

/// The progress of one training on standard error: loss, dev figures, tokens a second, time left.
final class TrainingProgress {
    private let contender: Contender
    private let shared: SharedOptions
    private let resuming: String
    private var bar: ProgressBar?

    /// - Parameter resuming: how an interrupted training goes on.
    init(
        _ contender: Contender, _ shared: SharedOptions,
        resuming: String = "the same command with --resume goes on from here"
    ) {
        self.contender = contender
        self.shared = shared
        self.resuming = resuming
    }

    func report(_ event: TrainingEvent) {
        switch event {
        case .encodingDocuments, .epoch, .checkpoint:
            break
        case .calibrated(let scale):
            say(String(format: "starts at λ %.3f, τ %.4f", scale.lambda, scale.temperature))
        case .resumed(let step):
            say("resumed after step \(step)")
        case .planned(let plan):
            bar = shared.progressBar(contender.rawValue, total: plan.totalSteps, unit: "steps")
        case .step(let report):
            bar?.update(
                completed: report.step,
                detail: String(
                    format: "loss %.3f (%.3f) · %.0f tokens/s", report.loss, report.smoothedLoss, report.tokensPerSecond
                ))
        case .evaluated(let record, let isBest):
            let result = record.result
            say(
                String(
                    format: "step %d: dev nDCG@10 %.4f, λ %.3f, likelihood %.4f%@", record.step, result.metric,
                    result.scale.lambda, result.logLikelihood, isBest ? "  best" : ""))
        case .interpolated(let mean):
            say(
                String(
                    format: "kept: %.0f %% trained and %.0f %% released weights, dev nDCG@10 %.4f, likelihood %.4f",
                    100 * mean.trainedShare, 100 - 100 * mean.trainedShare, mean.result.metric,
                    mean.result.logLikelihood))
        case .stopped(let reason):
            switch reason {
            case .noGain: say("ended early: dev does not rise any more")
            case .timeSpent: say("time is up")
            case .cancelled: say("interrupted; \(resuming)")
            case .completed: break
            }
        }
    }

    func finish() {
        bar?.finish()
        bar = nil
    }

    private func say(_ text: String) {
        if let bar { bar.note("\(contender.rawValue): \(text)") } else { shared.note("\(contender.rawValue): \(text)") }
    }
}

/// The progress of encoding a corpus; a bar that begins with the first report.
final class EncodingProgress {
    private let shared: SharedOptions
    private var bar: ProgressBar?
    private var hasExplained = false

    init(_ shared: SharedOptions) {
        self.shared = shared
    }

    func update(_ name: String, _ done: Int, _ total: Int) {
        if !hasExplained {
            shared.note(
                "The documents are encoded for the first time; their vectors are kept, and later runs begin at once.")
            hasExplained = true
        }
        let bar = bar ?? shared.progressBar(name, total: total, unit: "documents")
        self.bar = bar
        bar.update(completed: done)
        if done >= total { finish() }
    }

    func finish() {
        bar?.finish()
        bar = nil
    }
}
