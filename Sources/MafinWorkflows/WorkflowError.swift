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
    /// There are no labels to train on.
    case noLabels(path: String)
    /// There are too few queries to distil.
    case tooFewToDistil(path: String, queries: Int, needed: Int)
    /// The collection has no labels of its own to keep.
    case noLabelsToKeep(path: String)
    /// An artefact would be measured on queries that it was trained or chosen on.
    case knownQueries(reason: String)
    /// The weights of this artefact cannot be changed.
    case weightsNotChangeable
    /// λ cannot be changed, because the black box or the local encoder is no source of this artefact.
    case noLambda(sources: [String])
    /// All sources would have the weight 0.
    case noWeightLeft
    /// A search that asks nothing lacks the black box's vectors of some documents.
    case documentsNotStored(path: String, missing: Int, of: Int)
    /// The artefact has no vectors to write into one file.
    case noJoinedVectors(path: String)
    /// The folder of vectors would replace something else.
    case occupied(path: String)
    /// The folder holds no finished comparison.
    case notAReport(path: String)
    /// Vectors cannot be reduced to the wanted size.
    case indexDimensions(reason: String)
    /// A system was measured, but no artefact can be made of it.
    case notShippable(system: String, reason: String, shippable: [String])
    /// An artefact cannot be moved to another black box.
    case notMigratable(path: String, reason: String)
    /// The old black box's vectors of some texts are not cached, and it is not asked for them.
    case oldVectorsMissing(missing: Int, of: Int, role: String, first: String)
    /// A sample of documents is too small to fit a map to.
    case sampleTooSmall(found: Int, needed: Int)
    /// No artefact can be made of a road of a migration.
    case roadNotWritable(road: String, reason: String)

    /// The shards of a folder are not what was expected.
    case shards(path: String, reason: String)
    /// It is not known which shards this process makes.
    case shardRank(reason: String)

    /// Whether the options are wrong, and not the data.
    package var isWrongUse: Bool {
        switch self {
        case .interruptedTraining, .nothingToResume, .resumeDiffers, .noLabelsToKeep, .weightsNotChangeable, .noLambda,
            .noWeightLeft, .noJoinedVectors, .occupied, .notShippable, .indexDimensions, .notMigratable,
            .sampleTooSmall, .roadNotWritable, .shardRank:
            true
        case .tooFewQueries, .undecidableCondition, .knownQueries, .notAReport, .oldVectorsMissing,
            .documentsNotStored, .noLabels, .tooFewToDistil, .shards:
            false
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
        case .noLabels(let path):
            "\(path) has no split 'train' to learn from; 'mafin train --stand-in --no-labels' learns from the black box's vectors alone"
        case .tooFewToDistil(let path, let queries, let needed):
            "\(path) has \(queries) queries outside of 'test', and a stand-in needs \(needed) to learn from"
        case .noLabelsToKeep(let path):
            "--keep-labels: \(path) has no labels in a split 'dev' or 'test'"
        case .knownQueries(let reason):
            "\(reason). Train again on this collection, which leaves such queries out of train and dev; or measure anyway with --allow-leak"
        case .weightsNotChangeable:
            "--weight and --lambda cannot be used with an artefact of norm-mafin: there the length of each vector is its weight"
        case .noLambda(let sources):
            "--lambda weighs black-box against local, and the artefact has the sources \(sources.joined(separator: ", ")): use --weight"
        case .noWeightLeft: "no source has a weight above 0"
        case .documentsNotStored(let path, let missing, let count):
            "--offline: the cache holds no vector of \(missing) of the \(count) documents of \(path); search once without --offline, which asks the black box for them, or serve an index of them"
        case .noJoinedVectors(let path):
            "no source of \(path) has dense vectors, so there is nothing to join; --named npy writes its sparse vectors"
        case .occupied(let path):
            "\(path) holds files that 'mafin embed --named' did not write; nothing was written: choose another folder or empty it"
        case .notAReport(let path):
            "\(path) holds no finished comparison; 'mafin compare --output \(path)' makes one, and continues one that was interrupted"
        case .indexDimensions(let reason): "--index-dimensions, --index-target: \(reason)"
        case .notShippable(let system, let reason, let shippable):
            "no artefact can be made of \(system): \(reason)"
                + (shippable.isEmpty ? "" : "; it can be made of \(shippable.joined(separator: ", "))")
        case .notMigratable(let path, let reason): "\(path) cannot be migrated: \(reason)"
        case .oldVectorsMissing(let missing, let count, let role, let first):
            "the old black box's vectors of \(missing) of \(count) texts (\(role)) are not in the cache, such as that of '\(first)', and it is not asked again: name the cache with --cache, or pass --old-black-box vectors:PATH"
        case .sampleTooSmall(let found, let needed):
            "a sample of \(found) documents is too small to fit a map to: at least \(needed) are needed"
        case .shards(let path, let reason): "\(path): \(reason)"
        case .shardRank(let reason): reason
        case .roadNotWritable(let road, let reason): "no artefact can be made of \(road): \(reason)"
        }
    }
}
