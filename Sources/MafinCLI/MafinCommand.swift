import ArgumentParser

/// The command `mafin`: its subcommands, and the one place where errors become a line and an exit status.
@main
struct MafinCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mafin",
        abstract: "Train a small open encoder beside a black-box embedding, join both, and prove whether that pays.",
        discussion: """
            Results go to standard output, everything else to standard error.

            EXIT STATUS
            \(CommandStatus.table)
            """,
        version: version,
        subcommands: [
            DemoCommand.self, ModelCommand.self, GenerateCommand.self, AdaptCommand.self, TrainCommand.self,
            EvaluateCommand.self, CompareCommand.self, EmbedCommand.self, SearchCommand.self, IndexCommand.self,
            ServeCommand.self, InspectCommand.self, DiffCommand.self, PlanCommand.self, ProviderCommand.self,
            CacheCommand.self, BatchCommand.self,
        ])

    /// The version that `--version` prints and artefacts record; CONTRIBUTING.md says how a release sets it.
    static let version = "0.1.0-dev"

    static func main() async {
        _ = CommandClock.start
        do {
            var command = try parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch {
            exitReporting(error)
        }
    }
}
