import ArgumentParser
import MafinPipeline
import Testing

@testable import MafinCLI
@testable import MafinCommandLine

@Suite struct MafinCommandTests {
    @Test func helpListsEveryStatus() {
        let help = MafinCommand.helpMessage(columns: 200)
        for status in CommandStatus.allCases { #expect(help.contains(status.meaning)) }
    }

    /// Artefacts record the version that `--version` prints.
    @Test func artefactsRecordTheVersionOfTheCommand() {
        #expect(MafinCommand.configuration.version == LibraryVersion.current.version)
    }
}
