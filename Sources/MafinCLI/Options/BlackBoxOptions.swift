import ArgumentParser
import Foundation
import MafinBlackBox
import MafinCommandLine
import MafinPostgreSQL
import MafinProviderWorkflows
import MafinProviders
import MafinWorkflows

/// The black box whose vectors are the first part, and how it is asked.
///
/// ```swift
/// let blackBox = try await options.blackBox.make(shared: shared, default: manifest.blackBoxSource)
/// ```
struct BlackBoxOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Embedding API or stored vectors to adapt. PROVIDER:MODEL is an API: openai:MODEL, cohere:MODEL, voyage:MODEL and others (mafin provider list); openai:MODEL with --base-url is any server with OpenAI's /v1/embeddings. vectors:PATH reads vectors you already have: a folder of corpus.npy, corpus.ids, queries.npy, queries.ids; .npy with .ids; .safetensors; .jsonl. local:NAME-OR-FOLDER is an encoder on this machine that is not trained.",
            valueName: "kind:argument"),
        completion: .list(["vectors:", "local:"] + ProfileCatalog.builtIn.names.map { "\($0):" }),
        transform: BlackBoxSpecification.init(parsing:))
    var blackBox: BlackBoxSpecification?

    @Option(
        name: .customLong("base-url"),
        help: ArgumentHelp(
            "Address of the provider's server, such as http://localhost:8080/v1. The API key is sent there. (default: the provider's own)",
            valueName: "url"))
    var baseURL: String?

    @OptionGroup var apiKey: APIKeyOptions

    @Option(
        help: .expert(
            "Dimensions to ask the API for, if the model can shorten its vectors. Fewer make a smaller index and lose some quality. (default: all)",
            "n"))
    var dimensions: Int?

    @Option(
        help: .expert(
            "Text put before each query for the black box, if its model wants one. (default: none, or the provider's; for local: the checkpoint's prompt)",
            "text"))
    var queryPrefix: String?

    @Option(help: .expert("Text put before each document for the black box. (default: as for --query-prefix)", "text"))
    var documentPrefix: String?

    @Option(
        help: .expert(
            "File that stores every answer, so that no text is paid for twice, or postgresql://USER@HOST/DATABASE, which workers on several hosts share with the account's rates and spending (password: PGPASSWORD or ~/.pgpass). (default: embeddings.sqlite in MAFIN_CACHE, otherwise in mafin's folder among the user's caches; all runs share it)",
            "file"), completion: .file())
    var cache: String?

    @Option(
        help: .expert(
            "TOML file with the profile of a further provider, in addition to those of 'mafin provider list'.", "file"),
        completion: .file(extensions: ["toml"]))
    var providerFile: String?

    @OptionGroup var asking: AskingOptions

    func validate() throws {
        try require(["--dimensions": dimensions], atLeast: 1)
        if let blackBox { try requireFit(to: blackBox) }
    }

    /// The black box that the flags name; nil without `--black-box`, which means the artefact's own.
    var source: BlackBoxSource? {
        blackBox.map {
            BlackBoxSource(
                $0, baseURL: baseURL, dimensions: dimensions, queryPrefix: queryPrefix, documentPrefix: documentPrefix,
                overflow: asking.onOverflow)
        }
    }

    /// The black box of the flags, or else the stored one with the changes of single flags.
    /// - Parameter flag: the flag that names another one, for errors.
    /// - Throws: `ValidationError` if there is neither, or if a flag does not fit its kind.
    func source(default stored: BlackBoxSource?, flag: String = "--black-box") throws -> BlackBoxSource {
        if let source { return source }
        guard var source = stored else {
            throw ValidationError(
                "--black-box is missing: vectors:PATH, local:NAME-OR-FOLDER or PROVIDER:MODEL such as openai:MODEL.")
        }
        try requireFit(to: source.specification)
        // A path from the command line is used as it is. A path from an artefact is looked for.
        source.resolvedPath = try source.currentPath(flag: flag)
        source.baseURL = try baseURL ?? trustedAddress(of: source)
        source.dimensions = dimensions ?? source.dimensions
        source.queryPrefix = queryPrefix ?? source.queryPrefix
        source.documentPrefix = documentPrefix ?? source.documentPrefix
        source.overflow = asking.onOverflow ?? source.overflow
        return source
    }

    private var catalog: ProfileCatalog {
        get throws { try BlackBoxFactory(settings, context: WorkflowContext()).catalog() }
    }

    /// The address of an artefact's black box; nil for the provider's own. Artefacts can come from strangers, so nothing in an artefact decides
    /// where texts and keys go.
    /// - Throws: `ProviderError.untrustedAddress` for any other address.
    private func trustedAddress(of source: BlackBoxSource) throws -> String? {
        guard let address = source.baseURL, case .provider(let name, let model) = source.specification else {
            return nil
        }
        guard try catalog.profile(name).endpoint.isOwn(address, model: model) else {
            throw ProviderError.untrustedAddress(address, provider: name)
        }
        return nil
    }

    /// Opens black boxes and caches as the flags say.
    func factory(
        _ shared: SharedOptions, environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws -> BlackBoxFactory {
        BlackBoxFactory(try settings, context: shared.context, environment: environment)
    }

    private var settings: ProviderSettings {
        get throws {
            var settings = try asking.settings(key: apiKey.source)
            if let cache, PostgreSQLAddress.isOne(cache) {
                settings.sharedCache = cache
            } else {
                settings.cacheFile = cache.map { URL(fileURLWithPath: $0) }
            }
            settings.providerFile = providerFile.map { URL(fileURLWithPath: $0) }
            return settings
        }
    }

    /// Opens the black box of the flags, or else the stored one.
    func make(
        shared: SharedOptions, default stored: BlackBoxSource? = nil, use: BlackBoxUse = BlackBoxUse(),
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) async throws -> any BlackBox {
        var use = use
        if shared.quiet { use.announcesPlans = false }
        return try await factory(shared, environment: environment).open(source(default: stored), use: use)
    }

    /// A closure that opens the black box, for a workflow.
    func opening(_ shared: SharedOptions) -> BlackBoxOpening { { try await make(shared: shared, default: $0) } }

    /// The provider's model that the flags name.
    /// - Throws: `ValidationError` if they name something else.
    func openedProvider(_ shared: SharedOptions) throws -> BlackBoxFactory.OpenedProvider {
        guard let opened = try openedProvider(shared, default: nil) else {
            throw ValidationError(
                "\(try source(default: nil).specification) is no provider's model; name one, such as openai:MODEL.")
        }
        return opened
    }

    /// The provider's model that the flags name, or else the stored one; nil if the black box is not a provider's.
    func openedProvider(
        _ shared: SharedOptions, default stored: BlackBoxSource?
    ) throws -> BlackBoxFactory.OpenedProvider? {
        let source = try source(default: stored)
        guard case .provider(let name, let model) = source.specification else { return nil }
        return try factory(shared).provider(name, model: model, source: source)
    }

    /// Refuses flags that make no sense in a command whose user waits for the answer.
    func refuseBatches(of command: String) throws {
        for (flag, isGiven, reason) in [
            ("--batch", asking.batch, "a batch is answered within a day"),
            ("--no-wait", asking.noWait, "a batch is answered within a day"),
            ("--drift-check", asking.driftCheck != nil, "it would ask again for texts that are cached"),
        ] where isGiven {
            throw ValidationError("\(flag) cannot be used with 'mafin \(command)': \(reason).")
        }
    }

    /// Refuses flags that should change vectors but cannot for this kind of black box. Flags that only say how to ask are harmless.
    private func requireFit(to specification: BlackBoxSpecification) throws {
        let isServer = if case .provider = specification { true } else { false }
        if case .provider(let name, _) = specification, !(try catalog.names.contains(name)) {
            let meant = NameError.closest(to: name, among: try catalog.names + ["vectors", "local"])
            throw ValidationError(
                "there is no provider '\(name)'; \(meant.map { "did you mean '\($0)'? " } ?? "")\(BlackBoxSpecification.forms). "
                    + "'mafin provider list' lists the providers.")
        }
        let isStored = if case .vectors = specification { true } else { false }
        for (flag, isGiven, fits, reason) in [
            ("--base-url", baseURL != nil, isServer, "it has no server"),
            ("--dimensions", dimensions != nil, isServer, "the dimension of its vectors is fixed"),
            ("--on-overflow", asking.onOverflow != nil, isServer, "it refuses no text for its length"),
            ("--query-prefix", queryPrefix != nil, !isStored, "its vectors exist already"),
            ("--document-prefix", documentPrefix != nil, !isStored, "its vectors exist already"),
        ] where isGiven && !fits {
            throw ValidationError("\(flag) cannot be used with \(specification): \(reason).")
        }
    }
}
