import Foundation
import MafinNumerics
import MafinTestSupport
import Testing

@Suite struct MappedFileTests {
    @Test func givesTheBytes() async throws {
        try await TemporaryFolder.with { folder in
            let url = try folder.write("forty-two", to: "text")
            let file = try MappedFile(url)
            #expect(file.count == 9)
            // Another file may get the name meanwhile.
            try AtomicFile.write(Data("other".utf8), to: url)
            #expect(file.withUnsafeBytes { String(decoding: $0, as: UTF8.self) } == "forty-two")
            #expect(try MappedFile(folder.write("", to: "empty")).withUnsafeBytes { $0.isEmpty })
        }
    }

    @Test func namesWhatCannotBeMapped() async throws {
        try await TemporaryFolder.with { folder in
            let missing = #expect(throws: NumericsError.self) {
                try MappedFile(folder.url.appendingPathComponent("missing"))
            }
            #expect(missing?.description.hasSuffix("missing: cannot be read: no such file") == true)
            let directory = #expect(throws: NumericsError.self) { try MappedFile(folder.url) }
            #expect(directory?.description.hasSuffix("cannot be read: it is no file") == true)
        }
    }
}
