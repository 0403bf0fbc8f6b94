import ArgumentParser
import Foundation
import MafinPipeline

/// The command `mafin`: its subcommands, and the one place where errors become a line and an exit status.
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
            DemoCommand.self, ModelCommand.self, GenerateCommand.self, AdaptCommand.self, TrainCommand.self,
            EvaluateCommand.self, CompareCommand.self, EmbedCommand.self, SearchCommand.self, IndexCommand.self,
            ServeCommand.self, InspectCommand.self, DiffCommand.self, PlanCommand.self, ProviderCommand.self,
            FeedbackCommand.self, CacheCommand.self, BatchCommand.self,
        ])

    /// When the command began.
    static let start = ContinuousClock.now

    static func main() async {
        _ = start
        findModelsOfTheCheckout()
        let parsed: any ParsableCommand
        do { parsed = try parseAsRoot() } catch { exitReportingUsage(error) }
        do {
            var command = parsed
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch {
            exitReporting(error)
        }
    }

    /// A program that runs from the checkout where it was built also finds the encoder that `make setup` put there, from whichever
    /// folder it is called. `MAFIN_MODELS` overrides this.
    private static func findModelsOfTheCheckout() {
        guard var folder = Bundle.main.executableURL?.resolvingSymlinksInPath().deletingLastPathComponent() else {
            return
        }
        // The program lies at .build/PLATFORM/release/mafin.
        for _ in 0..<4 {
            let models = folder.appendingPathComponent(".cache/models")
            let manifest = folder.appendingPathComponent("Package.swift")
            if FileManager.default.fileExists(atPath: models.path),
                FileManager.default.fileExists(atPath: manifest.path)
            {
                setenv("MAFIN_MODELS", models.path, 0)
                return
            }
            folder.deleteLastPathComponent()
        }
    }
}
