import ArgumentParser
import Foundation
import MafinCommandLine
import MafinProviderWorkflows
import MafinProviders
import MafinReport

/// `mafin provider`: the embedding APIs that can be asked.
struct ProviderCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "provider",
        abstract: "List the known embedding APIs, show their profiles, and probe an unknown server.",
        discussion: """
            A provider is described by a profile: a small TOML file with its address, the form of its requests and its limits. Put your own \
            profiles in \(ProfileCatalog.standardFolder(environment: ["HOME": "~"]).relativePath) (or MAFIN_PROVIDERS, or XDG_CONFIG_HOME/mafin/providers). A profile with the \
            name of a built-in one overrides single keys of it. Any other profile can start from the one that its 'extends' names.
            """,
        subcommands: [ProviderListCommand.self, ProviderShowCommand.self, ProviderProbeCommand.self])
}

/// `mafin provider list`
struct ProviderListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the providers, with their addresses and the variables of their keys.")

    @OptionGroup var format: OutputOptions
    @OptionGroup var shared: SharedOptions

    private struct Row: Encodable {
        var name: String
        var title: String
        var baseURL: String?
        var keyVariables: [String]
        var sources: [String]
    }

    func run() async throws {
        let catalog = try ProfileCatalog()
        let rows = try catalog.names.map { try catalog.profile($0) }.map {
            Row(
                name: $0.name, title: $0.title, baseURL: $0.endpoint.baseURL, keyVariables: $0.endpoint.keyVariables,
                sources: catalog.sources(of: $0.name))
        }
        var table = Table(columns: [.init("provider"), .init("address"), .init("key"), .init("")])
        for row in rows {
            table.append([
                row.name, row.baseURL ?? "–", row.keyVariables.first ?? "–",
                row.title + (catalog.isCustom(row.name) ? " (yours)" : ""),
            ])
        }
        try format.print(rows, or: table.text())
    }
}

/// `mafin provider show`
struct ProviderShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Print a provider's profile: what is sent, what is expected, which limits hold.")

    @Argument(help: "Name of the provider, as in 'mafin provider list'.")
    var name: String

    @Option(help: "Show the profile as it applies to this model.")
    var model: String?

    @OptionGroup var format: OutputOptions
    @OptionGroup var shared: SharedOptions

    func run() async throws {
        let catalog = try ProfileCatalog()
        var profile = try catalog.profile(name)
        if let model { profile = try profile.adapted(to: model) }
        // The profile is printed as it was written, with its comments, unless it extends other profiles.
        let texts = catalog.texts(of: name)
        let standsAlone = texts.count == 1 && !texts[0].contains("\nextends")
        try format.print(
            ["name": profile.name, "title": profile.title, "toml": profile.toml],
            or: model == nil && standsAlone ? texts[0] : profile.toml)
    }
}

/// `mafin provider probe`
struct ProviderProbeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "probe",
        abstract: "Send a few small requests to a server, and write a profile of what was learned.",
        discussion: """
            Learns the dimension, whether vectors have unit length, the encodings, whether vectors come back in order, whether they can be \
            shortened, and what happens to a text that is too long. A server that accepts that text may charge for it (up to 140,000 words). \
            --max-cost and --max-requests hold for all requests of the probe.

            More flags: mafin provider probe --help-hidden
            """)

    @Option(name: .customLong("base-url"), help: "Address of the server, such as http://localhost:8080/v1.")
    var baseURL: String?

    @Option(help: "Name of the model at the server.")
    var model: String

    @Option(help: "Profile to start from. (default: openai, ollama and tei are tried in this order)")
    var provider: String?

    @Option(help: "Name of the profile to write.")
    var name = "probed"

    @Option(name: .shortAndLong, help: "File to write the profile to. (default: standard output)")
    var output: String?

    @Flag(help: "Also send growing batches, to find how many texts a request can hold. Costs a few thousand tokens.")
    var limits = false

    @OptionGroup var apiKey: APIKeyOptions
    @OptionGroup var asking: AskingOptions

    @OptionGroup var format: OutputOptions
    @OptionGroup var shared: SharedOptions

    func validate() throws {
        if provider == nil, baseURL == nil {
            throw ValidationError("Say which server: --base-url, or --provider for its own.")
        }
    }

    func run() async throws {
        let factory = BlackBoxFactory(try asking.settings(key: apiKey.source), context: shared.context)
        let report = try await Interruption.cancelling {
            try await factory.probe(model: model, provider: provider, baseURL: baseURL, limits: limits)
        }
        let toml = report.toml(name: name, baseURL: baseURL)
        _ = try ProfileCatalog.builtIn.reading(toml)  // checks that what is written can be read
        if let output {
            try Data(toml.utf8).write(to: URL(fileURLWithPath: output), options: .atomic)
            shared.note("written to \(output); use it with --provider-file \(output) --black-box \(name):\(model)")
        }
        if format.json || output == nil { try format.print(report, or: toml) }
    }
}
