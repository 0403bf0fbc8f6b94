import ArgumentParser
import MafinCommandLine
import MafinPipeline

/// The command `mafin` with its subcommands.
@main
struct MafinCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mafin",
        abstract:
            "Adapt an embedding API that cannot be fine-tuned: train a small open encoder beside it, and test whether that is worth it.",
        discussion: """
            Results go to standard output, everything else to standard error. With --json an error is also printed as \
            {"error": {"kind": …, "message": …, "status": …}} on standard output.

            The help of a command lists its common flags; 'mafin COMMAND --help-hidden' lists all of them.

            EXIT STATUS
            \(CommandStatus.table)
            """,
        version: LibraryVersion.current.version,
        subcommands: [
            DownloadingDemoCommand.self, ModelCommand.self, CollectionCommand.self, GenerateCommand.self,
            AdaptCommand.self, TrainCommand.self,
            EvaluateCommand.self, CompareCommand.self, ShipCommand.self, MigrateCommand.self, ReduceCommand.self,
            EmbedCommand.self, ShardsCommand.self, ExportCommand.self, ImportCommand.self,
            SearchCommand.self,
            IndexCommand.self,
            ServeCommand.self, InspectCommand.self, DiffCommand.self, PlanCommand.self, ProviderCommand.self,
            FeedbackCommand.self, CacheCommand.self, BatchCommand.self,
        ])

    static func main() async { await runAsProgram() }
}
