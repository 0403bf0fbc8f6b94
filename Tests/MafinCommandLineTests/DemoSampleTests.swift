import Foundation
import MafinTestSupport
import Testing

@testable import MafinCommandLine

@Suite struct DemoSampleTests {
    @Test func theSampleIsThatOfTheRepositoryOrTheInstalledOne() async throws {
        try await TemporaryFolder.with { folder in
            let program = folder.url.appendingPathComponent("prefix/bin/mafin")
            func found(_ given: String? = nil) throws -> String {
                try DemoCommand.sample(given, inRepository: folder.url.path + "/repository", program: program)
            }
            #expect(throws: (any Error).self) { try found() }
            try folder.write("{}", to: "prefix/share/mafin/handbook/corpus.jsonl")
            #expect(try found() == folder.url.path + "/prefix/share/mafin/handbook")
            try folder.write("{}", to: "repository/corpus.jsonl")
            #expect(try found() == folder.url.path + "/repository")
            #expect(throws: (any Error).self) { try found(folder.url.path + "/none") }
        }
    }
}
