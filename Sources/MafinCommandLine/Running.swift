import ArgumentParser
import Foundation
import MafinNumerics

/// The time at which the program began.
let programStart = ContinuousClock.now

extension ParsableCommand {
    /// Runs the program with this root command. Here alone errors become a line and an exit status.
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
            warnOfKernels()
            exitReporting(error)
        }
        warnOfKernels()
    }

    /// Tells which kernels were found wrong on this processor at their first use, so that slower ones computed the results.
    private static func warnOfKernels() {
        for warning in Processor.kernelWarnings() { StandardError.writeLine("warning: \(warning)") }
    }

    /// Lets a program in the checkout where it was built find the encoder that `make setup` put there, whatever the working
    /// directory. `MAFIN_MODELS` overrides this.
    private static func findModelsOfTheCheckout() {
        guard var folder = Bundle.main.executableURL?.resolvingSymlinksInPath().deletingLastPathComponent() else {
            return
        }
        // The program is .build/PLATFORM/release/mafin.
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
