import MafinWorkflows
import Testing

@Suite struct ShellTextTests {
    @Test func argumentsAreQuotedWhereTheyMustBe() {
        #expect(ShellText.quoted("--data") == "--data")
        #expect(ShellText.quoted("") == "''")
        #expect(ShellText.quoted("it's here") == "'it'\\''s here'")
        #expect(
            ShellText.line("mafin", "search", "my art", "--data", "$HOME", "who?")
                == "mafin search 'my art' --data '$HOME' 'who?'")
    }

    @Test func aPathThatBeginsWithADashIsNoFlag() {
        #expect(ShellText.path("-odd") == "./-odd")
        #expect(ShellText.path("plain/-odd") == "plain/-odd")
    }

    @Test func passwordsAreLeftOut() {
        #expect(ShellText.withoutPassword("https://me:secret@host/v1") == "https://…@host/v1")
    }
}
