import Foundation
import MafinProviders
import MafinTestSupport
import Testing

@Suite("API keys") struct APIKeyTests {
    private let openAI: ProviderProfile

    init() throws { openAI = try ProfileCatalog.builtIn.profile("openai") }

    private func key(_ source: APIKeySource, _ environment: [String: String]) throws -> APIKey? {
        try source.key(of: openAI, environment: environment)
    }

    @Test func theUsualVariableIsRead() throws {
        #expect(try key(APIKeySource(), ["OPENAI_API_KEY": " sk-1\n"]) == APIKey("sk-1"))
        #expect(try key(APIKeySource(), ["CO_API_KEY": "sk-1"]) == nil)
    }

    @Test func aNamedVariableMustBeSet() throws {
        let source = APIKeySource(variable: "MY_KEY")
        #expect(try key(source, ["MY_KEY": "a", "OPENAI_API_KEY": "b"]) == APIKey("a"))
        let error = #expect(throws: ProviderError.self) { try key(source, ["OPENAI_API_KEY": "b"]) }
        #expect(error?.description.contains("MY_KEY") ?? false)
    }

    @Test func aFileGoesBeforeVariables() throws {
        let folder = try TemporaryFolder()
        defer { try? FileManager.default.removeItem(at: folder.url) }
        let file = try folder.write("sk-from-file\r\n", to: "key")
        #expect(try key(APIKeySource(file: file), ["OPENAI_API_KEY": "b"]) == APIKey("sk-from-file"))
        let missing = APIKeySource(file: URL(fileURLWithPath: "/nonexistent/key"))
        #expect(throws: ProviderError.badKey(source: "/nonexistent/key", reason: "cannot be read")) {
            try key(missing, [:])
        }
    }

    @Test func faultyKeysAreRefusedWithoutShowingThem() throws {
        for text in ["  \n", "secret word", "secret\r\nX-Other: 1", "secrét"] {
            let error = #expect(throws: ProviderError.self) { try key(APIKeySource(), ["OPENAI_API_KEY": text]) }
            #expect(
                error.map { !$0.description.contains("secr") && $0.description.contains("OPENAI_API_KEY") } ?? false)
        }
    }
}
