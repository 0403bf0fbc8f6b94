import ArgumentParser
import Foundation
import MafinBlackBox
import MafinEncoder
import MafinMethod
import MafinPipeline
import MafinReport
import MafinRetrieval

/// `mafin train`: from texts, labels and a black box to an artefact.
struct TrainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train",
        abstract: "Train a local encoder beside a black box and write the artefact that every other command reads.",
        discussion: """
            Learns from the split 'train' and chooses on 'dev'. Of 'test' only the texts of the queries are read: a query of 'train' or 'dev'
            with the same text is left out, or figures on 'test' would count memory. The black box is asked for the documents and the queries
            of 'train' and 'dev' only, and never twice for the same text.

            By default the rivals are trained too, each for as long as mafin itself, so that 'mafin evaluate' can say what
            each part of the method brought. --rivals none gives all of the time to one training.

            Ctrl-C ends after the step at hand; the same command with --resume goes on as if it had never stopped.
            """)

    @OptionGroup var shared: SharedOptions

    @Option(help: "Collection: a BEIR folder, a LlamaIndex .json, or a .jsonl of query-document pairs (also .gz).")
    var data: String

    @OptionGroup(title: "Black box") var blackBox: BlackBoxOptions
    @OptionGroup(title: "Local encoder") var encoder: EncoderOptions

    @Option(
        name: .shortAndLong, help: "Folder to write the artefact to. An artefact that is there is replaced at the end.")
    var output: String

    @Option(
        help: ArgumentHelp(
            "Time for all training together: more time, more passes over the labels. Encoding the documents once, at the start, comes on top.",
            valueName: "duration"))
    var time = TimeLimit(.seconds(600))

    @Option(help: "Everything random follows from it: the same seed, threads and data give the same weights.")
    var seed: UInt64 = 1

    @Option(
        help: ArgumentHelp(
            "How to train. query: only the query side learns, the index never changes. block: documents learn too. pair: in-batch negatives, as most trainers do. Default: chosen from data and time.",
            valueName: "query|block|pair"))
    var mode: ModeChoice.Mode?

    @Option(
        help: ArgumentHelp(
            "What is trained. mafin: calibrated scale. paper-mafin: λ = ½ as in the paper. lambda-mafin: λ learned along. hybrid-mafin: listwise and contrastive loss together. norm-mafin: the vector's length is its weight. tuned-alone: without the black box.",
            valueName: "method"))
    var method: Contender = .mafin

    @Option(
        help: ArgumentHelp(
            "Rivals to train beside it, each for the same time, separated by commas: tuned-alone, paper-mafin, lambda-mafin, hybrid-mafin, norm-mafin; all; none.",
            valueName: "names"))
    var rivals: RivalList = .standard

    @Option(
        help: ArgumentHelp(
            "Form of joined vectors. query-sided: λ may change later without touching the index. symmetric: unit length, also good for comparing documents.",
            valueName: "query-sided|symmetric"))
    var form: CollectionTraining.JoinedForm = .querySided

    @OptionGroup(title: "Training") var tuning: TuningOptions

    @OptionGroup var leaks: LeakOptions

    @Flag(help: "Go on from the checkpoints of an interrupted run with the same flags.")
    var resume = false

    @Flag(help: "Mark the artefact as usable even where dev says that it does not beat the black box.")
    var force = false

    func validate() throws {
        _ = try blackBox.source(default: nil)
        if output.isEmpty { throw ValidationError("--output names no folder.") }
    }

    func run() async throws {
        try shared.apply()
        Interruption.install()
        let result = try await TrainingSession(self).run()
        if shared.json {
            try JSONOutput.print(result.summary)
        } else {
            print(result.text)
        }
    }
}

extension ModeChoice.Mode: ExpressibleByArgument {}
extension Contender: ExpressibleByArgument {}
extension CollectionTraining.JoinedForm: ExpressibleByArgument {}

/// `--rivals`: a list of contenders.
struct RivalList: ExpressibleByArgument, Equatable {
    var contenders: [Contender]

    static let standard = RivalList(contenders: Contender.rivals)

    init(contenders: [Contender]) {
        self.contenders = contenders
    }

    init?(argument: String) {
        switch argument {
        case "none": contenders = []
        case "all": contenders = Contender.allCases.filter { $0 != .mafin }
        default:
            let names = argument.split(separator: ",").map {
                Contender(rawValue: $0.trimmingCharacters(in: .whitespaces))
            }
            guard let known = names as? [Contender], !known.isEmpty, Set(known).count == known.count else { return nil }
            contenders = known
        }
    }

    var defaultValueDescription: String { contenders.map(\.rawValue).joined(separator: ",") }
}

/// Flags of the optimiser and the objective.
struct TuningOptions: ParsableArguments {
    @Option(
        help:
            "Training objective: listnet (graded labels, whole list), infonce (positives only), listmle (ideal order), hybrid."
    )
    var loss: LossName = .listnet

    @Option(help: "Peak learning rate. Default: 1.5e-4 for the query side alone, 5e-5 where documents learn too.")
    var learningRate: Float?

    @Option(help: "Dropout rate; 0 trains faster and over-fits few labels sooner.")
    var dropout: Float?

    @Option(
        help: ArgumentHelp(
            "Passes over the training labels at most; with more, few labels are learned by heart. (default: \(CollectionTraining.queryTowerEpochs) for the query side alone, else none)",
            valueName: "n"))
    var epochs: Int?

    @Option(
        help: ArgumentHelp(
            "Memory for training the encoder: weights and their copies, gradients, moments, activations. With less, parts of the forward pass are computed twice (up to a third more time); the result stays the same. (default: activations up to a quarter of the machine's memory, 2 GiB at most)",
            valueName: "size"))
    var memory: MemorySize?

    @Option(help: ArgumentHelp("Evaluations without a gain on dev after which training ends early.", valueName: "n"))
    var patience: Int?

    @Option(
        help: ArgumentHelp(
            "Time between checkpoints, the most that a power cut can cost; each writes the weights four times over. Ctrl-C always leaves one.",
            valueName: "duration"))
    var checkpointEvery = TimeLimit(.seconds(30))

    func validate() throws {
        if let learningRate, !(learningRate > 0 && learningRate.isFinite) {
            throw ValidationError("--learning-rate must be above 0, found \(learningRate).")
        }
        if let dropout, !(0..<1).contains(dropout) {
            throw ValidationError("--dropout must be at least 0 and below 1, found \(dropout).")
        }
        if let epochs, epochs < 1 { throw ValidationError("--epochs must be at least 1, found \(epochs).") }
        if let patience, patience < 1 { throw ValidationError("--patience must be at least 1, found \(patience).") }
    }

    /// Hands the flags on; what was not given stays as it is.
    func apply(to settings: inout CollectionTraining.Settings) {
        settings.loss = loss.loss
        settings.learningRate = learningRate
        settings.memory = memory?.bytes
        if let dropout { settings.options.dropout = dropout }
        if let patience { settings.options.patience = patience }
        settings.options.epochs = epochs
        settings.options.checkpointSeconds = checkpointEvery.duration.seconds
    }

    /// Applies `--memory`: to be done before anything is paid for, as it may be too little.
    /// - Throws: `EncoderError.memory`.
    func limitMemory(of encoder: BERTEncoder) throws {
        var settings = CollectionTraining.Settings()
        apply(to: &settings)
        try settings.limitMemory(of: encoder)
    }

    /// The objectives by name.
    enum LossName: String, ExpressibleByArgument, CaseIterable {
        case listnet, infonce, listmle, hybrid

        var loss: any Loss {
            switch self {
            case .listnet: ListNet(target: .exponentialGain)
            case .infonce: InfoNCE()
            case .listmle: ListMLE(cutoff: 10)
            case .hybrid:
                HybridLoss(listwise: ListNet(target: .exponentialGain), contrastive: InfoNCE(), weight: 0.5)
            }
        }
    }
}
