import ArgumentParser
import Foundation
import MafinEncoder
import MafinPipeline
import MafinTestSupport
import MafinWorkflows
import Testing

@testable import MafinCommandLine

@Suite struct EncoderOptionsTests {
    private func folders(_ folder: TemporaryFolder) -> ModelFolders {
        ModelFolders(
            cache: folder.url.appendingPathComponent("hub"), plain: [folder.url.appendingPathComponent("models")])
    }

    @Test func defaults() throws {
        let options = try EncoderOptions.parse([])
        #expect(options.encoder == "sentence-transformers/all-MiniLM-L6-v2" && options.encoderRevision == nil)
        #expect(options.maxLength == nil && options.freezeLayers == 0 && !options.freezeEmbeddings)
    }

    @Test(arguments: [["--max-length", "2"], ["--freeze-layers=-1"], ["--encoder", ""], ["--lora", "0"]])
    func faultyFlagsAreRefused(_ flags: [String]) {
        let error = #expect(throws: (any Error).self) { try EncoderOptions.parse(flags) }
        #expect(error.map { EncoderOptions.exitCode(for: $0) } == .validationFailure)
    }

    @Test func flagsAreHandedOn() throws {
        let choice = try EncoderOptions.parse([
            "--encoder", "BAAI/bge-small-en-v1.5", "--encoder-revision", "v1.5", "--encoder-query-prefix", "",
            "--encoder-document-prefix=--passage: ", "--max-length", "128", "--freeze-layers", "2",
            "--freeze-embeddings", "--lora", "8",
        ]).choice
        #expect(choice.name == "BAAI/bge-small-en-v1.5" && choice.revision == "v1.5")
        #expect(choice.queryPrefix == "" && choice.documentPrefix == "--passage: ")
        #expect(choice.maximumLength == 128 && choice.trained.frozenLayers == 2 && choice.trained.freezesEmbeddings)
        #expect(choice.trained.lowRank == LowRankOptions(rank: 8))
    }

    @Test func anAbsentEncoderSaysWhatToPull() async throws {
        try await TemporaryFolder.with { folder in
            let plain = #expect(throws: ModelError.self) {
                try EncoderOptions.parse([]).choice.resolve(in: folders(folder))
            }
            #expect(
                plain?.description.hasSuffix(
                    "not on this machine; pull it with: mafin model pull sentence-transformers/all-MiniLM-L6-v2")
                    ?? false)
            let revised = #expect(throws: ModelError.self) {
                try EncoderOptions.parse(["--encoder", "org/name", "--encoder-revision", "v2"]).choice.resolve(
                    in: folders(folder))
            }
            #expect(revised?.description.hasSuffix("mafin model pull org/name --revision v2") ?? false)
        }
    }

    @Test func prefixesNotGivenAreTheCheckpoints() async throws {
        try await TemporaryFolder.with { folder in
            try folder.write("{}", to: "models/e5/config.json")
            try folder.write("x", to: "models/e5/model.safetensors")
            try folder.write(
                #"{"prompts": {"query": "query: ", "passage": "passage: "}}"#,
                to: "models/e5/config_sentence_transformers.json")
            func resolve(_ flags: String...) throws -> ReleasedEncoder {
                try EncoderOptions.parse(["--encoder", "org/e5"] + flags).choice.resolve(in: folders(folder))
            }
            let plain = try resolve()
            #expect(plain.name == "org/e5" && plain.folder.lastPathComponent == "e5" && plain.prefixes == nil)
            let given = try resolve("--encoder-query-prefix", "").prefixes
            #expect(given == TextPrefixes(query: "", document: "passage: "))
        }
    }
}
