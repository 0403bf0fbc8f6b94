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
            "Whose vectors to build on. vectors:PATH reads stored answers (a folder of corpus.npy, corpus.ids, queries.npy, queries.ids; .npy with .ids; .safetensors; .jsonl). PROVIDER:MODEL asks an embedding API: openai:MODEL, with --base-url any server that speaks OpenAI's /v1/embeddings; cohere:, voyage:, gemini: and others (mafin provider list). local:NAME-OR-FOLDER computes a frozen encoder here.",
            valueName: "kind:argument"),
        completion: .list(["vectors:", "local:"] + ProfileCatalog.builtIn.names.map { "\($0):" }),
        transform: BlackBoxSpecification.init(parsing:))
    var blackBox: BlackBoxSpecification?

    @Option(
        name: .customLong("base-url"),
        help: ArgumentHelp(
            "Address of the provider's server, such as http://localhost:8080/v1. (default: the provider's own) The API key is sent there.",
            valueName: "url"))
    var baseURL: String?

    @OptionGroup var apiKey: APIKeyOptions

    @Option(
        help: ArgumentHelp(
            "Numbers in a vector to ask an API for, where the model can shorten its vectors. (default: all) Fewer make a smaller index and lose some quality.",
            valueName: "n"))
    var dimensions: Int?

    @Option(
        help: ArgumentHelp(
            "Text put before each query of the black box, where its model wants one. (default: none, or the provider's; of local: the checkpoint's prompt)",
            valueName: "text"))
    var queryPrefix: String?

    @Option(help: ArgumentHelp("The same before each document.", valueName: "text"))
    var documentPrefix: String?

    @Option(
        help: ArgumentHelp(
            "File that keeps every answer, so that no text is asked twice. (default: embeddings.sqlite in MAFIN_CACHE, else in mafin's folder among the user's caches, shared by all runs)",
            valueName: "file"),
        completion: .file())
    var cache: String?

    @Option(
        help: ArgumentHelp(
            "A provider's profile to know besides those of 'mafin provider list': a TOML file.", valueName: "file"),
        completion: .file(extensions: ["toml"]))
    var providerFile: String?

    @OptionGroup var asking: AskingOptions

    func validate() throws {
        if let dimensions, dimensions < 1 {
            throw ValidationError("--dimensions must be at least 1, found \(dimensions).")
        }
        if let blackBox { try requireFit(to: blackBox) }
    }

    /// What the flags name, or nil without `--black-box`: the artefact's own black box is meant.
    var source: BlackBoxSource? {
        blackBox.map {
            BlackBoxSource(
                $0, baseURL: baseURL, dimensions: dimensions, queryPrefix: queryPrefix, documentPrefix: documentPrefix,
                overflow: asking.onOverflow)
        }
    }

    /// The black box that is meant: that of the flags, else the one given, with what single flags change of it.
    /// - Throws: `ValidationError` where there is neither, or a flag does not fit its kind.
    func source(default stored: BlackBoxSource?) throws -> BlackBoxSource {
        if let source { return source }
        guard var source = stored else {
            throw ValidationError(
                "--black-box is missing: vectors:PATH, local:NAME-OR-FOLDER or PROVIDER:MODEL such as openai:MODEL.")
        }
        try requireFit(to: source.specification)
        source.baseURL = try baseURL ?? trustedAddress(of: source)
        source.dimensions = dimensions ?? source.dimensions
        source.queryPrefix = queryPrefix ?? source.queryPrefix
        source.documentPrefix = documentPrefix ?? source.documentPrefix
        source.overflow = asking.onOverflow ?? source.overflow
        return source
    }

    /// The address of an artefact's black box, or nil for the provider's own. Artefacts can come from strangers, so nothing in one decides
    /// where texts and keys go.
    /// - Throws: `ProviderError.untrustedAddress` for any other address.
    private func trustedAddress(of source: BlackBoxSource) throws -> String? {
        guard let address = source.baseURL, case .provider(let name, let model) = source.specification else {
            return nil
        }
        guard try catalog().profile(name).endpoint.isOwn(address, model: model) else {
            throw ProviderError.untrustedAddress(address, provider: name)
        }
        return nil
    }

    /// The profiles that can be named: those of the library, of the user's folder, and of `--provider-file`.
    func catalog(environment: [String: String] = ProcessInfo.processInfo.environment) throws -> ProfileCatalog {
        var catalog = try ProfileCatalog(folder: ProfileCatalog.standardFolder(environment: environment))
        if let providerFile { try catalog.add(file: URL(fileURLWithPath: providerFile)) }
        return catalog
    }

    /// Refuses flags that would change vectors but cannot; those that only say how to ask do no harm.
    private func requireFit(to specification: BlackBoxSpecification) throws {
        let isServer = if case .provider = specification { true } else { false }
        if case .provider(let name, _) = specification, !(try catalog().names.contains(name)) {
            throw ValidationError(
                "'\(name)' is no kind of black box, and no provider has that name; \(BlackBoxSpecification.forms).")
        }
        let isStored = if case .vectors = specification { true } else { false }
        for (flag, isGiven, fits, reason) in [
            ("--base-url", baseURL != nil, isServer, "there is no server"),
            ("--dimensions", dimensions != nil, isServer, "its vectors have the length they have"),
            ("--on-overflow", asking.onOverflow != nil, isServer, "no text of it is refused for its length"),
            ("--query-prefix", queryPrefix != nil, !isStored, "its vectors are made already"),
            ("--document-prefix", documentPrefix != nil, !isStored, "its vectors are made already"),
        ] where isGiven && !fits {
            throw ValidationError("\(flag) does not go with \(specification): \(reason).")
        }
    }
}
