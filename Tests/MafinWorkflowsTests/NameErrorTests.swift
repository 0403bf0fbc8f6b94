import MafinWorkflows
import Testing

@Suite struct NameErrorTests {
    @Test(arguments: [
        ("opnai", "openai"), ("OpenAI", "openai"), ("cohree", "cohere"), ("mistal", "mistral"), ("azur", "azure"),
    ])
    func aMisspeltNameGetsTheClosest(_ name: String, _ meant: String) {
        let known = ["openai", "azure", "cohere", "mistral", "tei"]
        #expect(NameError.closest(to: name, among: known) == meant)
        #expect(
            NameError("provider", name, known: known).description
                == "there is no provider '\(name)'; did you mean '\(meant)'? known: openai, azure, cohere, mistral, tei"
        )
    }

    @Test(arguments: ["", "banana", "x", "llamafile"])
    func aVeryDifferentNameGetsNoSuggestion(_ name: String) {
        #expect(NameError.closest(to: name, among: ["openai", "cohere"]) == nil)
    }

    @Test func listsNameTheirFault() throws {
        func list(_ text: String) throws -> [String] {
            let known = ["bm25", "black-box"]
            return try NameError.list(text, of: "system", known: known) { known.contains($0) ? $0 : nil }
        }
        #expect(try list("bm25, black-box") == ["bm25", "black-box"])
        #expect(throws: RepeatedNameError.self) { try list("bm25,bm25") }
        for text in ["", "bm25,", "bm52", ","] { #expect(throws: NameError.self) { try list(text) } }
    }
}
