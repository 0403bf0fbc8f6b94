import ArgumentParser
import MafinCommandLine

/// The program `mafin-demo`: `mafin demo` without the network modules, so that it builds in a fraction of the time.
@main
struct MafinDemo: AsyncParsableCommand {
    static let configuration = DemoCommand.configuration(of: "mafin-demo")

    @OptionGroup var demo: DemoCommand

    static func main() async { await runAsProgram() }

    func run() async throws {
        try await demo.run(then: "The whole program, mafin: make build (about 15 min more on two cores, once)")
    }
}
