import Foundation
import MafinMethod

/// When the first step of a command began, and how long it took: what somebody waits before training is under way.
final class FirstStep {
    private let shared: SharedOptions
    /// Seconds from the start of the command to the beginning of the step.
    private(set) var began: Double?
    /// Seconds that the step took.
    private(set) var took: Double?

    init(_ shared: SharedOptions) {
        self.shared = shared
    }

    func notice(_ event: TrainingEvent) {
        guard took == nil else { return }
        switch event {
        // Whichever of them comes last before the step.
        case .evaluated, .epoch, .resumed:
            began = CommandClock.seconds
        case .step:
            guard let began else { return }
            let took = CommandClock.seconds - began
            self.took = took
            shared.note(
                String(format: "training began %.2f s after the start; its first step took %.2f s", began, took))
        default:
            break
        }
    }
}
