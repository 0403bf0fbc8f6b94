import ArgumentParser
import Foundation
import MafinCommandLine
import MafinEncoder
import MafinMPI
import MafinMethod
import MafinPipeline
import MafinRetrieval
import MafinWorkflows

/// `mafin train`: trains an artefact from texts, labels and a black box.
struct TrainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train",
        abstract: "Train a local encoder beside a black box, and write the artefact that the other commands read.",
        usage: "mafin train --data <path> --black-box <kind:argument> --output <folder> [<options>]",
        discussion: """
            Learns from the split 'train' and makes every choice on 'dev'. Of 'test' only the texts of the queries are read: a query of 'train' \
            or 'dev' with the same text is left out, because figures on 'test' would count what was memorised. The black box is asked for the documents \
            and for the queries of 'train' and 'dev', and never twice for the same text.

            All of the time goes to one method. With --rivals, other methods are trained too, each for the same time, so that 'mafin evaluate' \
            can show what each part of the method contributes.

            Ctrl-C ends the training after the current step. The same command with --resume continues it.

            Under mpirun (OpenMPI or MPICH) all processes train one encoder together: 'mpirun -n 4 mafin train …' computes each batch in four parts and \
            gives the result of one process, up to rounding. The first process asks, writes and prints. If one ends, all end; the same command with \
            --resume continues, with any number of processes. MAFIN_MPI=off makes each process train alone.

            --batch uses the provider's cheaper batch API. More flags: mafin train --help-hidden
            """)

    @Option(help: .collection)
    var data: String

    @Option(
        name: .shortAndLong,
        help: "Folder for the artefact. An artefact that is there is replaced when the new one is complete.")
    var output: String

    @OptionGroup var blackBox: BlackBoxOptions
    @OptionGroup var encoder: EncoderOptions

    @Option(
        help: ArgumentHelp(
            "Time for all training together, shared equally with --rivals. Encoding the documents once, at the start, comes on top. (default: 10m)",
            valueName: "duration"), transform: TimeLimit.init(parsing:))
    var time = TimeLimit(.seconds(600))

    @Option(
        help: ArgumentHelp(
            "What is trained. mafin: calibrated weights. paper-mafin: λ = ½, as in the paper. lambda-mafin: λ is trained too. hybrid-mafin: listwise and contrastive loss together. norm-mafin: the length of a vector is its weight. tuned-alone: the encoder without the black box.",
            valueName: "method"))
    var method: Contender = .mafin

    @Option(
        help: .expert(
            "Other methods to train for comparison, separated by commas: tuned-alone, paper-mafin, lambda-mafin, hybrid-mafin, norm-mafin; or all; or none.",
            "names"), transform: RivalList.init(parsing:))
    var rivals = RivalList(contenders: [])

    @Flag(
        help: ArgumentHelp(
            "After the training, add BM25 and a memory of the labelled queries, with weights by likelihood. The artefact then ranks by all of them. Joined vectors (embed, /v1/embeddings) hold the black box and the encoder alone. Takes time beyond --time."
        ))
    var compose = false

    @Flag(
        help:
            "Train a stand-in too, in a third of --time: a local encoder that estimates the API's vectors of queries, so that the artefact also answers without asking. The API's vectors of the documents stay in use. (without labels: --no-labels)"
    )
    var standIn = false

    @Flag(
        help: .expert(
            "With --stand-in: learn from no label, from the API's vectors of documents and queries alone. Queries of 'test' are not used. The artefact ranks by the API's vectors, or by the stand-in without asking."
        ))
    var noLabels = false

    @Option(help: .expert("Random seed. The same seed, threads and data give the same weights."))
    var seed: UInt64 = 1

    @Flag(help: "Continue an interrupted training of this output, with the same flags.")
    var resume = false

    @OptionGroup var language: LanguageOptions
    @OptionGroup var leaks: LeakOptions

    @Flag(help: "Mark the artefact as usable even if it does not beat the black box on dev.")
    var force = false

    @Option(
        help: .expert(
            "How the encoder is trained. query: only the query side learns, and document vectors stay as they are. block: documents learn too. pair: in-batch negatives, as most trainers do. (default: chosen from the data and the time)",
            "query|block|pair"))
    var mode: ModeChoice.Mode?

    @Option(
        help: .expert(
            "Form of the joined vectors. query-sided: λ can be changed later without a new index. symmetric: all vectors have unit length, so documents can be compared with each other too.",
            "query-sided|symmetric"))
    var form: Mixture.Layout = .querySided

    @OptionGroup var indexSize: IndexSizeOptions
    @OptionGroup var tuning: TuningOptions

    @OptionGroup var precision: TargetPrecisionOptions
    @OptionGroup var computing: ComputingOptions
    @OptionGroup var format: OutputOptions
    @OptionGroup var shared: SharedOptions

    func validate() throws {
        _ = try blackBox.source(default: nil)
        try requireFolder(output: output)
        if try indexSize.size() != nil, method == .normMafin || form == .symmetric {
            throw ValidationError(
                "--index-dimensions and --index-target need weights in the query alone: not norm-mafin, and --form query-sided."
            )
        }
        if compose, method == .normMafin {
            throw ValidationError(
                "--compose cannot be used with norm-mafin: there the length of each vector is its weight.")
        }
        if standIn, method == .normMafin || form == .symmetric {
            throw ValidationError(
                "--stand-in needs weights on the query's side alone: it cannot be used with norm-mafin or --form symmetric."
            )
        }
        if noLabels, !standIn { throw ValidationError("--no-labels goes with --stand-in.") }
        if noLabels, compose || resume || !rivals.contenders.isEmpty {
            throw ValidationError("--no-labels cannot be used with --compose, --resume or --rivals.")
        }
        if noLabels, let precision = precision.precision, precision != .float32 {
            throw ValidationError(
                "--precision \(precision.rawValue) cannot be used with --no-labels: without labels no ranking is compared with that in float32."
            )
        }
        if compose, form == .symmetric {
            throw ValidationError(
                "--compose needs --form query-sided: in the symmetric form documents hold the weights of two sources.")
        }
    }

    func run() async throws {
        try computing.begin()
        let communicator = try MPICommunicator.join()
        guard communicator.count > 1 else { return try await run(communicator) }
        if noLabels {
            throw ValidationError("--no-labels cannot be used on several processes; MAFIN_MPI=off trains on one.")
        }
        do {
            try await run(communicator)
        } catch is TrainingWorkflow.IsHelper {
        } catch is CancellationError {
            // All processes end together, and the first has written a checkpoint.
            let status = communicator.isFirst ? Self.report(CancellationError()) : .interrupted
            MPICommunicator.end()
            Foundation.exit(status.rawValue)
        } catch {
            // The same error often ends all processes. The first one's report is enough, and it ends the others.
            if !communicator.isFirst { try? await Task.sleep(for: .seconds(2)) }
            MPICommunicator.abort(status: Self.report(error).rawValue)
        }
        MPICommunicator.end()
    }

    private func run(_ communicator: any Communicator) async throws {
        if noLabels { return try await distil() }
        var shared = shared
        var context = shared.context
        if !communicator.isFirst {
            shared.quiet = true
            context = WorkflowContext(isCancelled: { Interruption.isRequested })
        }
        var training = TrainingWorkflow(
            data: data, output: output, source: blackBox.source, context: context,
            openBlackBox: blackBox.opening(shared))
        training.communicator = communicator
        if communicator.count > 1 {
            shared.note("\(communicator.count) processes train together (\(MPICommunicator.library))")
        }
        training.encoder = encoder.choice
        training.tuning = tuning.tuning
        training.time = time.duration
        training.seed = seed
        training.mode = mode
        training.method = method
        training.rivals = rivals.contenders
        training.form = form
        training.resumes = resume
        training.composes = compose
        training.language = language.choice
        training.indexSize = try indexSize.size()
        training.trainsStandIn = standIn
        training.isForced = force
        training.precision = precision.precision
        training.allowsLeaks = leaks.allowLeak
        let report = try await TrainingReport.of(training, shared)
        try format.print(report.summary, or: "\(report.text) \(report.next)")
    }

    private func distil() async throws {
        var distillation = DistillationWorkflow(
            data: data, output: output, source: blackBox.source, context: shared.context,
            openBlackBox: blackBox.opening(shared))
        distillation.encoder = encoder.choice
        distillation.tuning = tuning.tuning
        distillation.time = time.duration
        distillation.seed = seed
        distillation.language = language.choice
        let result = try await distillation.run()
        let text = """
            Distilled \(result.queries) queries and all documents. Of \(result.heldOutQueries) queries that were held out, the first \
            \(DistillationWorkflow.answers) documents of the fused rankings of black box, local encoder and BM25 count as the answers.
            \(TrainingReport.text(of: result.standIn))Written to \(output).
            """
        try format.print(result, or: text)
    }
}

extension ModeChoice.Mode: ExpressibleByArgument {}
extension Contender: ExpressibleByArgument {}
extension Mixture.Layout: ExpressibleByArgument {}

/// The value of `--rivals`: a list of methods.
struct RivalList: Equatable, CustomStringConvertible {
    var contenders: [Contender]

    /// The methods that show what each part of mafin contributes.
    static let standard = RivalList(contenders: Contender.rivals)

    init(contenders: [Contender]) {
        self.contenders = contenders
    }

    @Sendable init(parsing text: String) throws {
        let all = Contender.allCases.filter { $0 != .mafin }
        contenders =
            switch text {
            case "none": []
            case "all": all
            default:
                try NameError.list(
                    text, of: "method", known: Contender.allCases.map(\.rawValue) + ["all", "none"],
                    named: Contender.init(rawValue:))
            }
    }

    var description: String { contenders.isEmpty ? "none" : contenders.map(\.rawValue).joined(separator: ",") }
}

/// Flags of the optimiser and the objective. All of them are for experts.
struct TuningOptions: ParsableArguments {
    @Option(
        help: .expert(
            "Training objective. listnet: the whole list with graded labels. infonce: positives only. listmle: the ideal order. hybrid: listnet and infonce together."
        ))
    var loss: TrainingTuning.LossName = .listnet

    @Option(
        help: .expert(
            "Peak learning rate. (default: 1.5e-4 for the query side alone, 5e-5 where documents learn too; ten times that with --lora)"
        ))
    var learningRate: Float?

    @Option(
        help: .expert(
            "Dropout rate. 0 trains faster, and overfits earlier when labels are few. (default: 0.1 for texts, 0 for images)"
        ))
    var dropout: Float?

    @Flag(help: .expert("Do not crop, mirror and recolour images at random in training. Faster, and overfits earlier."))
    var noAugmentation = false

    @Option(
        help: .expert(
            "Passes over the training labels, at most. With too many, few labels are memorised. (default: \(CollectionTraining.queryTowerEpochs) for the query side alone, otherwise no limit)",
            "n"))
    var epochs: Int?

    @Option(
        help: .expert(
            "Memory for training the encoder: weights, gradients, moments, activations. With less, parts of the forward pass are computed twice, which takes up to a third more time and gives the same result. (default: activations up to a quarter of the machine's memory, 2 GiB at most)",
            "size"), transform: MemorySize.init(parsing:))
    var memory: MemorySize?

    @Option(
        help: .expert(
            "Numbers in which training multiplies. bf16 is faster on processors with AMX or AVX512-BF16, slower on others, and keeps activations in half of the memory. Weights, moments and sums stay in float32.",
            "float32|bf16"), transform: Precision.init(parsing:))
    var trainingPrecision = Precision.float32

    @Option(help: .expert("End training after this many evaluations without a gain on dev.", "n"))
    var patience: Int?

    @Option(
        help: .expert(
            "Time between checkpoints: the most that a power cut can cost. Each checkpoint writes four copies of the weights. Ctrl-C always leaves one.",
            "duration"), transform: TimeLimit.init(parsing:))
    var checkpointEvery = TimeLimit(.seconds(30))

    func validate() throws {
        if let learningRate, !(learningRate > 0 && learningRate.isFinite) {
            throw ValidationError("--learning-rate must be above 0, found \(learningRate).")
        }
        if let dropout, !(0..<1).contains(dropout) {
            throw ValidationError("--dropout must be at least 0 and below 1, found \(dropout).")
        }
        guard trainingPrecision != .int8 else {
            throw ValidationError("--training-precision: expected float32|bf16, found 'int8'.")
        }
        try require(["--epochs": epochs, "--patience": patience], atLeast: 1)
    }

    /// The settings that the flags give.
    var tuning: TrainingTuning {
        var tuning = TrainingTuning()
        tuning.loss = loss
        tuning.learningRate = learningRate
        tuning.dropout = dropout
        tuning.augments = !noAugmentation
        tuning.epochs = epochs
        tuning.memory = memory?.bytes
        tuning.precision = trainingPrecision
        tuning.patience = patience
        tuning.checkpointInterval = checkpointEvery.duration
        return tuning
    }
}

extension TrainingTuning.LossName: ExpressibleByArgument {}
