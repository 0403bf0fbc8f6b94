/// Why a workflow cannot be started, resumed or finished.
package enum WorkflowError: Error, Equatable, CustomStringConvertible {
    /// The folder holds an interrupted training, and resuming was not requested.
    case interruptedTraining(path: String)
    /// There is no training to resume: it is finished.
    case nothingToResume(path: String)
    /// The interrupted training was started with other options.
    case resumeDiffers(path: String, what: String, then: String, now: String)
    /// There are too few queries to estimate how much the difference of two systems varies.
    case tooFewQueries(dev: Int, split: String, measured: Int)
    /// A condition of `--fail-if` names a system that was not measured. A check that cannot be made counts as failed.
    case undecidableCondition(condition: String, system: String)
    /// The collection has no labels of its own to keep.
    case noLabelsToKeep(path: String)
    /// An artefact would be measured on queries that it was trained or chosen on.
    case knownQueries(reason: String)
    /// λ cannot be changed for this artefact.
    case lambdaNotChangeable

    /// Whether the options are wrong, and not the data.
    package var isWrongUse: Bool {
        switch self {
        case .interruptedTraining, .nothingToResume, .resumeDiffers, .noLabelsToKeep, .lambdaNotChangeable: true
        case .tooFewQueries, .undecidableCondition, .knownQueries: false
        }
    }

    package var description: String {
        switch self {
        case .interruptedTraining(let path):
            "\(path) holds an interrupted training: continue it with --resume, or remove that folder to start again"
        case .nothingToResume(let path):
            "\(path) is finished, there is nothing to resume; leave out --resume to train again"
        case .resumeDiffers(let path, let what, let then, let now):
            "\(path) was started with other options: \(what) was \(then), now it is \(now)"
        case .tooFewQueries(let dev, let split, let measured):
            "a comparison needs two queries with a relevant document in dev and in \(split); there are \(dev) and \(measured)"
        case .undecidableCondition(let condition, let system):
            "--fail-if \"\(condition)\" cannot be decided: there is no figure for \(system); the report says what was left out"
        case .noLabelsToKeep(let path):
            "--keep-labels: \(path) has no labels in a split 'dev' or 'test'"
        case .knownQueries(let reason):
            "\(reason). Train again on this collection, which leaves such queries out of train and dev; or measure anyway with --allow-leak"
        case .lambdaNotChangeable:
            "--lambda cannot be used with an artefact of norm-mafin: there the length of each vector is its weight"
        }
    }
}
