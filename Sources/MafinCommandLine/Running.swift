import ArgumentParser
import Foundation

/// When the program began.
let programStart = ContinuousClock.now

extension ParsableCommand {
    /// Runs the program whose root this command is: the one place where errors become a line and an exit status.
    package static func runAsProgram() async {
        _ = programStart
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
