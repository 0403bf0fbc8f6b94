import ArgumentParser
import Foundation
import MafinBlackBox
import MafinNumerics
import MafinPipeline
import MafinProviderWorkflows
import MafinProviders
import MafinTestSupport
import MafinWorkflows
import Testing

@testable import MafinCLI
@testable import MafinCommandLine

@Suite struct BlackBoxOptionsTests {
    private let quiet: SharedOptions

    init() throws {
        quiet = try SharedOptions.parse(["--quiet"])
    }

    private func message(_ arguments: String...) throws -> String {
        let error = try #require(throws: (any Error).self) { try BlackBoxOptions.parse(arguments) }
        #expect(BlackBoxOptions.exitCode(for: error).rawValue == CommandStatus.usage.rawValue)
        return BlackBoxOptions.message(for: error)
    }

    // MARK: - Parsing

    @Test func flagsBecomeASource() throws {
        let options = try BlackBoxOptions.parse([
            "--black-box", "openai:nomic-embed-text:latest", "--base-url", "http://localhost:11434/v1", "--dimensions",
            "256", "--query-prefix", "search_query: ", "--document-prefix", "", "--black-box-batch", "32",
            "--concurrency", "2", "--cache", "c.sqlite",
        ])
        #expect(
            options.source
                == BlackBoxSource(
                    .openAI(model: "nomic-embed-text:latest"), baseURL: "http://localhost:11434/v1", dimensions: 256,
                    queryPrefix: "search_query: ", documentPrefix: ""))
        #expect(options.asking.blackBoxBatch == 32 && options.asking.concurrency == 2 && options.cache == "c.sqlite")
        #expect(
            try BlackBoxOptions.parse(["--black-box", "local:org/name"]).source?.specification
                == .local(folder: "org/name"))
    }

    @Test func faultyFlagsAreRefused() throws {
        #expect(try message("--black-box", "pigeon:x").contains("there is no provider 'pigeon'"))
        #expect(try message("--black-box", "vectors").contains("a kind and a colon are missing"))
        #expect(try message("--concurrency", "0").contains("--concurrency must be at least 1, found 0"))
        #expect(try message("--dimensions", "-1").contains("--dimensions"))
        #expect(try message("--black-box-batch", "0").contains("--black-box-batch"))
        for flags in [
            ["--base-url", "http://x/v1"], ["--dimensions", "8"], ["--query-prefix", "q"], ["--document-prefix", "d"],
        ] {
            let error = try #require(throws: (any Error).self) {
                try BlackBoxOptions.parse(["--black-box", "vectors:v"] + flags)
            }
            #expect(BlackBoxOptions.message(for: error).contains("\(flags[0]) cannot be used with vectors:v"))
        }
        #expect(
            try message("--black-box", "local:m", "--dimensions", "8").contains(
                "--dimensions cannot be used with local:m")
        )
        _ = try BlackBoxOptions.parse(["--black-box", "local:m", "--query-prefix", "query: "])
    }

    @Test func artefactsOwnBlackBoxIsTheDefault() throws {
        let stored = BlackBoxSource(.openAI(model: "m"), baseURL: "http://old/v1", dimensions: 8, queryPrefix: "q ")
        let none = try BlackBoxOptions.parse([])
        #expect(none.source == nil)
        var own = stored
        own.baseURL = "https://api.openai.com/v1/"
        var source = stored
        source.baseURL = nil
        #expect(try none.source(default: own) == source)
        #expect(throws: ValidationError.self) { try none.source(default: nil) }

        var moved = stored
        moved.baseURL = "http://new/v1"
        #expect(try BlackBoxOptions.parse(["--base-url", "http://new/v1"]).source(default: stored) == moved)
        #expect(throws: ValidationError.self) {
            try BlackBoxOptions.parse(["--base-url", "http://new/v1"]).source(
                default: BlackBoxSource(.vectors(path: "v")))
        }
        let other = try BlackBoxOptions.parse(["--black-box", "vectors:v"])
        #expect(try other.source(default: stored).specification == .vectors(path: "v"))
    }

    /// An artefact may come from a stranger: its address is used only where it is the provider's own.
    @Test(arguments: [
        "http://127.0.0.1:1/v1", "https://api.openai.com.example.org/v1", "http://api.openai.com/v1",
        "https://api.openai.com:8443/v1", "https://api.openai.com/v1/other",
    ])
    func addressesOfArtefactsAreNotUsed(address: String) throws {
        let stored = BlackBoxSource(.openAI(model: "m"), baseURL: address)
        #expect(throws: ProviderError.untrustedAddress(address, provider: "openai")) {
            try BlackBoxOptions.parse([]).source(default: stored)
        }
        #expect(try BlackBoxOptions.parse(["--base-url", address]).source(default: stored).baseURL == address)
    }

    /// Every user of this provider has an address of their own: an artefact's is anybody's.
    @Test func anAddressOfAProviderWithoutOneIsNotUsed() throws {
        let stored = BlackBoxSource(.provider("azure", model: "m"), baseURL: "https://h.openai.azure.com/openai/v1")
        #expect(throws: ProviderError.self) { try BlackBoxOptions.parse([]).source(default: stored) }
    }

    // MARK: - Making

    @Test func storedVectorsAreFoundAgain() async throws {
        try await TemporaryFolder.with { folder in
            let file = try folder.write(
                #"{"id": "a", "vector": [1, 0]}"# + "\n" + #"{"id": "b", "vector": [0, 1]}"# + "\n", to: "v.jsonl")
            let given = try BlackBoxOptions.parse(["--black-box", "vectors:\(file.path)"])
            let vectors = try await given.make(shared: quiet).embed(
                [EmbeddingItem(id: "b", text: "")], as: .document)
            #expect(vectors.values == [0, 1])

            let again = try await BlackBoxOptions.parse([]).make(shared: quiet, default: given.source)
            #expect(again.identity.dimension == 2)
            try FileManager.default.removeItem(at: file)
            let moved = await #expect(throws: BlackBoxError.self) {
                try await BlackBoxOptions.parse([]).make(shared: quiet, default: given.source)
            }
            #expect(moved?.description.contains("pass --black-box vectors:PATH") ?? false)
            let missing = await #expect(throws: BlackBoxError.self) { try await given.make(shared: quiet) }
            #expect(missing.map { ErrorReport($0).status } == .data)
            #expect(missing?.description == "\(file.path): not found; expected a folder or file of stored vectors")
        }
    }

    @Test func serversAreAskedOnceAndWithTheKey() async throws {
        try await TemporaryFolder.with { folder in
            let server = try StubHTTPServer { request in
                let texts = request.json?["input"] as? [String] ?? []
                let rows = texts.enumerated().map { #"{"index": \#($0), "embedding": [\#($1.utf8.count), 0]}"# }
                return .text(#"{"data": [\#(rows.joined(separator: ","))]}"#)
            }
            defer { server.stop() }
            let options = try BlackBoxOptions.parse([
                "--black-box", "openai:m", "--base-url", server.url, "--query-prefix", "q: ", "--black-box-batch", "1",
                "--cache", folder.url.appendingPathComponent("cache.sqlite").path,
            ])
            let items = ["one", "two", "one"].enumerated().map { EmbeddingItem(id: "\($0)", text: $1) }
            for key in ["sk-secret", nil] {  // no key is needed for what is in the cache
                let blackBox = try await options.make(
                    shared: quiet, environment: key.map { ["OPENAI_API_KEY": $0] } ?? [:])
                let vectors = try await blackBox.embed(items, as: .query)
                #expect(vectors.rows == 3 && vectors.values == [1, 0, 1, 0, 1, 0])
                #expect(blackBox.identity.endpoint == "\(server.url)/v1" && blackBox.identity.model == "m")
            }
            #expect(server.requests.count == 2)
            #expect(server.requests.allSatisfy { $0.headers["authorization"] == "Bearer sk-secret" })
            #expect(
                Set(server.requests.compactMap { ($0.json?["input"] as? [String])?.first }) == ["q: one", "q: two"])
        }
    }

    @Test func aMissingKeyIsAnErrorWhenThereIsSomethingToAsk() async throws {
        try await TemporaryFolder.with { folder in
            let options = try BlackBoxOptions.parse([
                "--black-box", "openai:text-embedding-3-small", "--cache",
                folder.url.appendingPathComponent("cache.sqlite").path,
            ])
            let blackBox = try await options.make(shared: quiet, environment: [:])
            #expect(try await blackBox.embed([], as: .query).rows == 0)
            let error = await #expect(throws: ProviderError.self) {
                try await blackBox.embed([EmbeddingItem(id: "1", text: "text")], as: .query)
            }
            #expect(
                error?.description.hasPrefix("https://api.openai.com/v1 requires an API key: set ") ?? false)
        }
    }

    @Test func absentEncodersSayWhatToPull() async throws {
        try await TemporaryFolder.with { folder in
            let options = try BlackBoxOptions.parse(["--black-box", "local:org/strong"])
            let error = await #expect(throws: ModelError.self) {
                try await options.make(
                    shared: quiet,
                    environment: ["HF_HOME": folder.url.path, "MAFIN_MODELS": folder.url.path, "HOME": folder.url.path])
            }
            #expect(error?.description.hasSuffix("pull it with: mafin model pull org/strong") ?? false)
            #expect(error.map { ErrorReport($0).status } == .usage)
        }
    }

    @Test(.enabled(if: TestModel.isAvailable, Comment(rawValue: TestModel.skipMessage)))
    func localEncodersAreCached() async throws {
        let model = try #require(TestModel.folder())
        try await TemporaryFolder.with { folder in
            let cache = folder.url.appendingPathComponent("cache.sqlite")
            let options = try BlackBoxOptions.parse([
                "--black-box", "local:\(model.path)", "--query-prefix", "query: ", "--cache", cache.path,
            ])
            let blackBox = try await options.make(shared: quiet)
            let vectors = try await blackBox.embed([EmbeddingItem(id: "1", text: "a text")], as: .query)
            #expect(vectors.rows == 1 && vectors.columns == 384)
            #expect(blackBox.identity.provider == "local" && blackBox.identity.queryPrefix == "query: ")
            #expect(try await EmbeddingCache(file: cache).count() == 1)
        }
    }
}

@Suite struct AskingProgressTests {
    @Test func barCountsCachedAskedAndRemaining() {
        let written = Written()
        let progress = AskingProgress(
            WorkflowContext(beginProgress: {
                ProgressBar(
                    title: $0, total: $1, unit: $2, output: .init(terminal: .none, write: written.append))
            }))
        progress.update(EmbeddingCounts(texts: 5, distinct: 5, cached: 5))
        #expect(written.text.isEmpty)  // nothing had to be asked
        progress.update(EmbeddingCounts(texts: 9, distinct: 8, cached: 3))
        progress.update(EmbeddingCounts(texts: 9, distinct: 8, cached: 3, asked: 2))
        progress.update(EmbeddingCounts(texts: 9, distinct: 8, cached: 3, asked: 5))
        #expect(written.text.hasPrefix("Black box: 8 texts in "))
        #expect(written.text.hasSuffix("3 cached, 5 asked, 0 remaining\n"))
    }
}
