import ArgumentParser
import Foundation
import MafinCommandLine
import MafinProviders
import MafinReport
import MafinWorkflows

/// `mafin model`: encoders from the model hub.
struct ModelCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "model",
        abstract: "Download encoders from the model hub, and list those on this machine.",
        discussion: """
            The cache is shared with Python's huggingface_hub: each finds what the other has downloaded. These variables are read: HF_HOME, \
            HF_HUB_CACHE, HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE, and MAFIN_MODELS, a folder of models under their plain names.
            """,
        subcommands: [ModelPullCommand.self, ModelListCommand.self, ModelPathCommand.self])
}

/// `mafin model list`
struct ModelListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the encoders on this machine, with commit and size.")

    @OptionGroup var format: OutputOptions
    @OptionGroup var shared: SharedOptions

    private struct Row: Encodable {
        var name: String
        var revisions: [String]
        var commit: String?
        var bytes: Int64
        var folder: String
    }

    func run() async throws {
        let hub = try ModelHub()
        let models = hub.models()
        guard !models.isEmpty || format.json else {
            return shared.note(
                "no encoder in \(hub.location.cache.path); get one with: mafin model pull \(EncoderChoice.standardName)"
            )
        }
        let rows = models.map {
            Row(name: $0.name, revisions: $0.revisions, commit: $0.commit, bytes: $0.bytes, folder: $0.folder.path)
        }
        try format.print(rows, or: Self.table(models).text())
    }

    static func table(_ models: [CachedModel]) -> Table {
        var table = Table(columns: [.init("model"), .init("revision"), .init("commit"), .init("size", .right)])
        for model in models {
            table.append([
                model.name, model.revisions.isEmpty ? "–" : model.revisions.joined(separator: ", "),
                model.commit.map { String($0.prefix(12)) } ?? "–", MemorySize(bytes: Int(model.bytes)).description,
            ])
        }
        return table
    }
}

/// `mafin model path`
struct ModelPathCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "path", abstract: "Print the folder of an encoder that is on this machine.")

    @Argument(
        help: ArgumentHelp("ORGANISATION/NAME, the name of a model in MAFIN_MODELS, or a folder.", valueName: "name"))
    var name: String

    @Option(help: "Branch, tag or commit.")
    var revision = "main"

    @OptionGroup var format: OutputOptions
    @OptionGroup var shared: SharedOptions

    func run() async throws {
        let folder = try ModelHub().resolve(name, revision: revision)
        try format.print(["name": name, "folder": folder.path], or: folder.path)
    }
}
