import ArgumentParser
import MafinEncoder
import MafinWorkflows

/// Which open encoder is trained, how it reads texts, and how much of it may change.
package struct EncoderOptions: ParsableArguments {
    package init() {}

    @Option(
        help: ArgumentHelp(
            "The open encoder to train: ORGANISATION/NAME as pulled by 'mafin model pull', or a folder. Time grows with its size.",
            valueName: "name-or-folder"))
    var encoder = EncoderChoice.standardName

    @Option(
        help: .expert(
            "Branch, tag or commit of --encoder. A commit keeps the run repeatable if the repository changes. (default: main)",
            "revision"))
    var encoderRevision: String?

    @Option(
        help: .expert(
            "Text put before each query for the local encoder, such as 'query: '; '' for none. A wrong prefix costs quality without any error. (default: the checkpoint's prompt)",
            "text"))
    var encoderQueryPrefix: String?

    @Option(
        help: .expert(
            "Text put before each document for the local encoder, such as 'passage: '; '' for none. (default: the checkpoint's prompt)",
            "text"))
    var encoderDocumentPrefix: String?

    @Option(
        help: .expert(
            "Cut texts to this many tokens for the local encoder. Fewer are faster; what is cut off cannot be found. (default: as the checkpoint says)",
            "n"))
    var maxLength: Int?

    @Option(
        help: .expert(
            "Pixels of a side of the images for a local encoder that reads images. The time of an image falls with the square of it; small pictures need no more than 98. (default: as the checkpoint says)",
            "pixels"))
    var imageSide: Int?

    @Option(
        help: .expert(
            "Do not train the lowest n layers, embeddings included. A step takes less time and memory, and gains less.",
            "n"))
    var freezeLayers = 0

    @Flag(help: .expert("Do not train the embedding matrix, which is half the weights of a small encoder."))
    var freezeEmbeddings = false

    @Option(
        help: .expert(
            "Train terms of this rank beside the weights of every linear layer, and the norms, instead of the weights: LoRA. The optimiser's memory falls to a few per cent, so larger encoders fit; 16 is usual.",
            "rank"))
    var lora: Int?

    package func validate() throws {
        if encoder.isEmpty { throw ValidationError("--encoder names no encoder.") }
        // Two special tokens and at least one token of the text.
        try require(["--max-length": maxLength], atLeast: 3)
        try require(["--image-side": imageSide], atLeast: 1)
        try require(["--freeze-layers": freezeLayers], atLeast: 0)
        try require(["--lora": lora], atLeast: 1)
    }

    /// The choice that the flags make.
    package var choice: EncoderChoice {
        var choice = EncoderChoice()
        choice.name = encoder
        choice.revision = encoderRevision
        choice.queryPrefix = encoderQueryPrefix
        choice.documentPrefix = encoderDocumentPrefix
        choice.maximumLength = maxLength
        choice.imageSide = imageSide
        choice.trained = TrainedPart(
            frozenLayers: freezeLayers, freezesEmbeddings: freezeEmbeddings,
            lowRank: lora.map { LowRankOptions(rank: $0) })
        return choice
    }
}
