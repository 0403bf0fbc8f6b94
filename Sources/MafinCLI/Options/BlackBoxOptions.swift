import ArgumentParser
import Foundation
import MafinBlackBox
import MafinEncoder
import MafinProviders

/// Whose vectors the first half is, and how they are asked for.
///
/// ```swift
/// let blackBox = try await options.blackBox.make(shared: shared, default: manifest.blackBoxSource)
/// ```
struct BlackBoxOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Whose vectors to build on. vectors:PATH reads stored answers (a folder of corpus.npy, corpus.ids, queries.npy, queries.ids; .npy with .ids; .safetensors; .jsonl). openai:MODEL asks a server that speaks OpenAI's /v1/embeddings. local:NAME-OR-FOLDER computes a frozen encoder here.",
            valueName: "kind:argument"),
        completion: .list(["vectors:", "openai:", "local:"]),
        transform: BlackBoxSpecification.init(parsing:))
    var blackBox: BlackBoxSpecification?

    @Option(
        name: .customLong("base-url"),
        help: ArgumentHelp(
            "Address of the server of openai:MODEL, such as http://localhost:8080/v1. (default: \(OpenAIBlackBox.openAIBaseURL)) The API key is sent there.",
            valueName: "url"))
    var baseURL: String?

    @OptionGroup var apiKey: APIKeyOptions

    @Option(
        help: ArgumentHelp(
            "Numbers in a vector to ask openai:MODEL for, where the model can shorten its vectors. (default: all) Fewer make a smaller index and lose some quality.",
            valueName: "n"))
    var dimensions: Int?

    @Option(
        help: ArgumentHelp(
            "Text put before each query of the black box, where its model wants one. (default: none; of local: the checkpoint's prompt)",
            valueName: "text"))
    var queryPrefix: String?

    @Option(help: ArgumentHelp("The same before each document.", valueName: "text"))
    var documentPrefix: String?

    @Option(
        help: ArgumentHelp(
            "Texts in one request at most. More are faster; one request is what an interruption can lose.",
            valueName: "n"))
    var blackBoxBatch = BatchLimits().items

    @Option(
        help: ArgumentHelp(
            "Requests in flight at a time. More are faster until the server's rate limit.", valueName: "n"))
    var concurrency = OpenAIBlackBox.Options().maximumConcurrentRequests

    @Option(
        help: ArgumentHelp(
            "File that keeps every answer, so that no text is asked twice. (default: embeddings.sqlite in MAFIN_CACHE, else in mafin's folder among the user's caches, shared by all runs)",
            valueName: "file"),
        completion: .file())
    var cache: String?

    /// The usual place of an API key for `openai:`.
    static let keyVariable = "OPENAI_API_KEY"

    func validate() throws {
        for (flag, value) in [
            ("--dimensions", dimensions ?? 1), ("--black-box-batch", blackBoxBatch), ("--concurrency", concurrency),
        ] where value < 1 {
            throw ValidationError("\(flag) must be at least 1, found \(value).")
        }
        if let blackBox { try requireFit(to: blackBox) }
    }

    /// What the flags name, or nil without `--black-box`: the artefact's own black box is meant.
    var source: BlackBoxSource? {
        blackBox.map {
            BlackBoxSource(
                $0, baseURL: baseURL, dimensions: dimensions, queryPrefix: queryPrefix, documentPrefix: documentPrefix)
        }
    }

    /// The black box that is meant: that of the flags, else the one given, with what single flags change of it.
    /// - Throws: `ValidationError` where there is neither, or a flag does not fit its kind.
    func source(default stored: BlackBoxSource?) throws -> BlackBoxSource {
        if let source { return source }
        guard var source = stored else {
            throw ValidationError("--black-box is missing: vectors:PATH, openai:MODEL or local:NAME-OR-FOLDER.")
        }
        try requireFit(to: source.specification)
        source.baseURL = baseURL ?? source.baseURL
        source.dimensions = dimensions ?? source.dimensions
        source.queryPrefix = queryPrefix ?? source.queryPrefix
        source.documentPrefix = documentPrefix ?? source.documentPrefix
        return source
    }

    /// Refuses flags that would change vectors but cannot; those that only say how to ask do no harm.
    private func requireFit(to specification: BlackBoxSpecification) throws {
        let isServer = if case .openAI = specification { true } else { false }
        let isStored = if case .vectors = specification { true } else { false }
        for (flag, isGiven, fits, reason) in [
            ("--base-url", baseURL != nil, isServer, "there is no server"),
            ("--dimensions", dimensions != nil, isServer, "its vectors have the length they have"),
            ("--query-prefix", queryPrefix != nil, !isStored, "its vectors are made already"),
            ("--document-prefix", documentPrefix != nil, !isStored, "its vectors are made already"),
        ] where isGiven && !fits {
            throw ValidationError("\(flag) does not go with \(specification): \(reason).")
        }
    }
}
