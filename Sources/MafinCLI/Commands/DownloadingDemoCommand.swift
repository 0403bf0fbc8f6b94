import ArgumentParser
import MafinCommandLine
import MafinPipeline
import MafinWorkflows

/// `mafin demo`: the demo, with a download of the encoder if it is not on this machine.
struct DownloadingDemoCommand: AsyncParsableCommand {
    static let configuration = DemoCommand.configuration(of: "mafin demo")

    @OptionGroup var demo: DemoCommand
    @OptionGroup var server: ConnectionOptions

    func run() async throws {
        // Before anything is downloaded.
        _ = try DemoCommand.sample(demo.sample)
        let choice = demo.encoder.choice
        do {
            _ = try choice.resolve()
        } catch ModelError.notFound(let name, _) where Self.isOnHub(name) {
            demo.shared.note("getting the encoder \(name), which is not on this machine yet")
            _ = try await ModelPullCommand.pull(name, revision: choice.revision ?? "main", server, demo.shared)
        }
        try await demo.run()
    }

    /// Whether a name is one of the hub and not a path.
    private static func isOnHub(_ name: String) -> Bool {
        name.split(separator: "/", omittingEmptySubsequences: false).count == 2 && !name.hasPrefix(".")
            && !name.hasPrefix("~")
    }
}
