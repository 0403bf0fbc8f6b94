import Foundation
import MafinBlackBox
import MafinTestSupport
import Testing

@Suite struct BlackBoxSourceTests {
    @Test func comesBackFromJSONAsItWas() throws {
        let sources = [
            BlackBoxSource(.vectors(path: "vectors/one")),
            BlackBoxSource(
                .openAI(model: "nomic-embed-text:latest"), baseURL: "http://localhost:8080/v1", dimensions: 256,
                queryPrefix: "", documentPrefix: "passage: ", overflow: .splitMean),
            BlackBoxSource(.local(folder: "org/name"), queryPrefix: "query: "),
        ]
        let data = try JSONEncoder().encode(sources)
        #expect(try JSONDecoder().decode([BlackBoxSource].self, from: data) == sources)
    }

    @Test func specificationIsTheTextOfTheCommandLine() throws {
        let data = try JSONEncoder().encode(BlackBoxSource(.openAI(model: "m:latest")))
        let object = try #require(try JSONSerialization.jsonObject(with: data) as? [String: String])
        #expect(object == ["specification": "openai:m:latest"])
        #expect(throws: DecodingError.self) {
            try JSONDecoder().decode(BlackBoxSource.self, from: Data(#"{"specification": "pigeon"}"#.utf8))
        }
    }

    @Test func vectorsAreFoundFromAnotherFolder() async throws {
        try await TemporaryFolder.with { folder in
            try folder.write("x", to: "project/vectors/corpus.npy")
            let project = folder.url.appendingPathComponent("project")
            let source = BlackBoxSource(.vectors(path: "../project/vectors"), workingDirectory: project)
            #expect(source.specification == .vectors(path: "../project/vectors"))
            #expect(source.resolvedPath == project.appendingPathComponent("vectors").path)
            #expect(try source.currentPath(workingDirectory: folder.url) == source.resolvedPath)
        }
    }

    @Test func vectorsThatMovedAlongAreFoundAsGiven() async throws {
        try await TemporaryFolder.with { folder in
            let there = BlackBoxSource(
                .vectors(path: "vectors"), workingDirectory: folder.url.appendingPathComponent("old"))
            try folder.write("x", to: "new/vectors/corpus.npy")
            let new = folder.url.appendingPathComponent("new")
            #expect(try there.currentPath(workingDirectory: new) == new.appendingPathComponent("vectors").path)
            let error = #expect(throws: BlackBoxError.self) { try there.currentPath(workingDirectory: folder.url) }
            #expect(
                error?.description == folder.url.path
                    + "/old/vectors: not found; expected the black box's stored vectors; if they moved, pass --black-box vectors:PATH"
            )
        }
    }

    @Test func encodersAreFoldersOrNames() async throws {
        try await TemporaryFolder.with { folder in
            try folder.write("{}", to: "model/config.json")
            let local = BlackBoxSource(.local(folder: "model"), workingDirectory: folder.url)
            #expect(local.resolvedPath == folder.url.appendingPathComponent("model").path)
            #expect(try local.currentPath(workingDirectory: URL(fileURLWithPath: "/")) == local.resolvedPath)
            try FileManager.default.removeItem(at: folder.url.appendingPathComponent("model"))
            let error = #expect(throws: BlackBoxError.self) { try local.currentPath(workingDirectory: folder.url) }
            #expect(error?.description.hasSuffix("pass --black-box local:PATH") ?? false)

            let named = BlackBoxSource(.local(folder: "org/model"), workingDirectory: folder.url)
            #expect(try named.resolvedPath == nil && named.currentPath(workingDirectory: folder.url) == nil)
            let served = BlackBoxSource(.openAI(model: "model"), workingDirectory: folder.url)
            #expect(try served.resolvedPath == nil && served.currentPath(workingDirectory: folder.url) == nil)
        }
    }

    @Test func tildeIsTheHomeFolder() {
        let source = BlackBoxSource(.vectors(path: "~/vectors"), workingDirectory: URL(fileURLWithPath: "/tmp"))
        #expect(source.resolvedPath == NSString(string: "~/vectors").expandingTildeInPath)
    }
}
