import ArgumentParser
import Foundation
import MafinEncoder
import MafinProviders

/// Which open encoder makes the local half, how it reads texts, and how much of it may change.
struct EncoderOptions: ParsableArguments {
    /// The encoder where none is named: 22 M parameters, 384 numbers, fast on a CPU.
    static let standardEncoder = "sentence-transformers/all-MiniLM-L6-v2"

    @Option(
        help: ArgumentHelp(
            "The encoder that makes the local half: ORGANISATION/NAME as pulled by 'mafin model pull', or a folder. A larger one costs time in proportion to its size.",
            valueName: "name-or-folder"))
    var encoder = Self.standardEncoder

    @Option(
        help: ArgumentHelp(
            "Branch, tag or commit of --encoder. (default: main) A commit makes the run repeatable even if the repository changes.",
            valueName: "revision"))
    var encoderRevision: String?

    @Option(
        help: ArgumentHelp(
            "Text put before each query of the local encoder, such as 'query: '; '' for none. (default: the checkpoint's prompt) Wrong prefixes cost quality without any error.",
            valueName: "text"))
    var encoderQueryPrefix: String?

    @Option(
        help: ArgumentHelp(
            "The same before each document, such as 'passage: '.", valueName: "text"))
    var encoderDocumentPrefix: String?

    @Option(
        help: ArgumentHelp(
            "Texts are cut to so many tokens. (default: as the checkpoint says) Fewer are faster; what is cut off is not found.",
            valueName: "n"))
    var maxLength: Int?

    @Option(
        help: ArgumentHelp(
            "The lowest layers that are not trained, embeddings included: less time and memory a step, less to gain.",
            valueName: "n"))
    var freezeLayers = 0

    @Flag(help: "Do not train the embedding matrix, half the weights of a small encoder.")
    var freezeEmbeddings = false

    func validate() throws {
        if encoder.isEmpty { throw ValidationError("--encoder names no encoder.") }
        // Room for the two special tokens and one of the text.
        if let maxLength, maxLength < 3 {
            throw ValidationError("--max-length must be at least 3, found \(maxLength).")
        }
        if freezeLayers < 0 { throw ValidationError("--freeze-layers must be at least 0, found \(freezeLayers).") }
    }

    /// Finds the encoder on this machine; nothing is asked over the network.
    ///
    /// - Returns: the name as given, the folder, and the prefixes, nil where none is given: those of the checkpoint.
    /// - Throws: `ProviderError.modelNotFound`, which says what to pull; `EncoderError` for a damaged file of prompts.
    func resolve() throws -> (name: String, folder: URL, prefixes: TextPrefixes?) {
        try resolve(in: ModelHub())
    }

    func resolve(in hub: ModelHub) throws -> (name: String, folder: URL, prefixes: TextPrefixes?) {
        let folder = try hub.resolve(encoder, revision: encoderRevision ?? "main")
        let prefixes = try TextPrefixes(
            query: encoderQueryPrefix, document: encoderDocumentPrefix, elseOf: folder)
        return (encoder, folder, prefixes)
    }

    /// The flags that say the same, for a command that runs another.
    var flags: [String] {
        var flags: [String] = []
        func add(_ name: String, _ value: String?) {
            // A value that begins with a dash has to be joined to its name, an empty one must not be.
            if let value { flags += value.isEmpty ? [name, value] : ["\(name)=\(value)"] }
        }
        add("--encoder", encoder)
        add("--encoder-revision", encoderRevision)
        add("--encoder-query-prefix", encoderQueryPrefix)
        add("--encoder-document-prefix", encoderDocumentPrefix)
        add("--max-length", maxLength.map(String.init))
        add("--freeze-layers", freezeLayers > 0 ? String(freezeLayers) : nil)
        if freezeEmbeddings { flags.append("--freeze-embeddings") }
        return flags
    }
}

extension TextPrefixes {
    /// The prefixes given; one that is not given is the checkpoint's. nil where neither is given.
    init?(query: String?, document: String?, elseOf modelFolder: URL) throws {
        guard query != nil || document != nil else { return nil }
        let own = try TextPrefixes(modelFolder: modelFolder)
        self.init(query: query ?? own.query, document: document ?? own.document)
    }
}
