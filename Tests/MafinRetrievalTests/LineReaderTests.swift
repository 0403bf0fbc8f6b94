import Foundation
import Testing

@testable import MafinRetrieval

@Suite struct LineReaderTests {
    private func lines(of text: String, bufferSize: Int) throws -> [String] {
        try withFiles(["file": text]) { folder in
            let reader = try LineReader(
                contentsOf: folder.appendingPathComponent("file"), expected: "text", bufferSize: bufferSize)
            var lines: [String] = []
            while let line = try reader.next({ String(decoding: $0, as: UTF8.self) }) {
                lines.append(line)
                #expect(reader.line == lines.count)
            }
            return lines
        }
    }

    @Test(arguments: [1, 2, 3, 7, 64, 1 << 16])
    func linesAreThoseOfTheText(bufferSize: Int) throws {
        #expect(try lines(of: "", bufferSize: bufferSize) == [])
        #expect(try lines(of: "\n", bufferSize: bufferSize) == [""])
        #expect(try lines(of: "a", bufferSize: bufferSize) == ["a"])
        #expect(
            try lines(of: "\u{FEFF}a\r\n\r\nbcdefgh\n\n\u{FEFF}é", bufferSize: bufferSize) == [
                "a", "", "bcdefgh", "", "\u{FEFF}é",
            ])
        let long = (0..<50).map { String(repeating: "x", count: $0 * 7 % 41) }
        #expect(try lines(of: long.joined(separator: "\n") + "\n", bufferSize: bufferSize) == long)
    }

    @Test func foldersAndMissingFilesAreRefused() throws {
        try withFiles([:] as [String: String]) { folder in
            #expect(throws: RetrievalError.unreadableFile(path: folder.path, reason: "it is a folder")) {
                try LineReader(contentsOf: folder, expected: "text")
            }
            let missing = folder.appendingPathComponent("missing")
            #expect(throws: RetrievalError.missingFile(path: missing.path, expected: "text")) {
                try LineReader(contentsOf: missing, expected: "text")
            }
        }
    }

    /// A corpus several times larger than the memory that reading may use. It runs in a separate process, because other
    /// tests in this one use memory, too.
    @Test func streamingTakesBoundedMemory() async {
        await #expect(processExitsWith: .success) { try Self.streamInBoundedMemory() }
    }

    private static func streamInBoundedMemory() throws {
        try withFiles([:] as [String: String]) { folder in
            let file = folder.appendingPathComponent("corpus.jsonl")
            let text = String(repeating: "lorem ipsum dolor \\u00e9 ", count: 40)
            let chunk = Data(
                (0..<1_000).map { "{\"_id\": \"\($0)\", \"title\": \"\", \"text\": \"\(text)\"}\n" }.joined().utf8)
            try Data().write(to: file)
            let handle = try FileHandle(forWritingTo: file)
            for _ in 0..<64 { try handle.write(contentsOf: chunk) }
            try handle.close()

            var reader = try DocumentReader(contentsOf: file)
            _ = try reader.next()
            let before = try residentBytes()
            var count = 1
            while try reader.next() != nil { count += 1 }
            let growth = try residentBytes() - before
            try #require(count == 64_000)
            try #require(growth < 16 << 20, "reading \(64 * chunk.count >> 20) MiB took \(growth >> 20) MiB")
        }
    }

    private static func residentBytes() throws -> Int {
        #if os(Linux)
            let fields = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")
            return try #require(Int(fields[1])) * Int(sysconf(Int32(_SC_PAGESIZE)))
        #else
            var usage = rusage()
            getrusage(RUSAGE_SELF, &usage)
            return usage.ru_maxrss
        #endif
    }
}
