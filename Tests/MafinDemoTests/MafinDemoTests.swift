import ArgumentParser
import Testing

@testable import MafinCommandLine
@testable import MafinDemo

@Suite struct MafinDemoTests {
    /// The same flags as `mafin demo`, under its own name.
    @Test func theHelpHasTheNameOfTheDemo() throws {
        let help = MafinDemo.helpMessage(columns: 120)
        #expect(help.contains("USAGE: mafin-demo ") && help.contains("mafin-demo --help-hidden"), "\(help)")
        #expect(help.contains("--sample") && !help.contains("mafin demo"))
        #expect(try (MafinDemo.parseAsRoot(["--time", "5s"]) as? MafinDemo)?.demo.time.duration == .seconds(5))
    }
}
