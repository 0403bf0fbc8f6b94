import MafinBlackBox
import Testing

@Suite struct BlackBoxSpecificationTests {
    @Test(arguments: [
        ("vectors:../shared/vectors/nfcorpus", BlackBoxSpecification.vectors(path: "../shared/vectors/nfcorpus")),
        ("openai:text-embedding-3-small", .openAI(model: "text-embedding-3-small")),
        ("openai:nomic-embed-text:latest", .openAI(model: "nomic-embed-text:latest")),
        ("cohere:embed-v4.0", .provider("cohere", model: "embed-v4.0")),
        ("local:/models/e5", .local(folder: "/models/e5")),
    ])
    func readsWhatIsWritten(text: String, expected: BlackBoxSpecification) throws {
        #expect(try BlackBoxSpecification(parsing: text) == expected)
        #expect(expected.description == text)
    }

    @Test(arguments: [
        ("nfcorpus", "a kind and a colon are missing"),
        ("openai:", "nothing follows 'openai:'"),
        ("Cohere!:embed-v4", "'Cohere!' is no kind of black box"),
    ])
    func saysWhatIsWrong(text: String, reason: String) {
        let error = #expect(throws: BlackBoxError.self) { try BlackBoxSpecification(parsing: text) }
        #expect(error?.description.contains(reason) == true)
        #expect(error?.description.contains("write vectors:FOLDER_OR_FILE") == true)
    }

    @Test func differencesAreNamed() {
        let trained = BlackBoxIdentity(provider: "openai", model: "a", endpoint: "https://one/v1", dimension: 768)
        var asked = trained
        #expect(asked.differences(from: trained).isEmpty)
        asked.dimension = nil  // known only after the first answer
        #expect(asked.differences(from: trained).isEmpty)
        asked.model = "b"
        asked.dimension = 512
        asked.queryPrefix = "query: "
        #expect(
            asked.differences(from: trained) == [
                "model 'b' instead of 'a'", "dimension 512 instead of 768", "query prefix 'query: ' instead of ''",
            ])
    }

    @Test func renamedFilesOfTheSameContentAreTheSame() {
        let trained = BlackBoxIdentity(provider: "vectors", model: "old name", dimension: 2, contentHash: "ab")
        let moved = BlackBoxIdentity(provider: "vectors", model: "new name", dimension: 2, contentHash: "ab")
        #expect(moved.differences(from: trained).isEmpty)
        let other = BlackBoxIdentity(provider: "vectors", model: "old name", dimension: 2, contentHash: "cd")
        #expect(other.differences(from: trained) == ["content hash 'cd' instead of 'ab'"])
    }
}
