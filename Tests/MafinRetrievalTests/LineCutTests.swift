import Foundation
import MafinNumerics
import Testing

@testable import MafinRetrieval

/// Parts of a file, cut at line ends.
@Suite struct LineCutTests {
    private func parts(of text: String, into count: Int) throws -> [[String]] {
        try withFiles(["file": text]) { folder in
            let file = folder.appendingPathComponent("file")
            var end = 0
            return try (0..<count).map { part in
                let bytes = try LineCut.bytes(ofPart: part, of: count, in: file)
                #expect(bytes.lowerBound == end)
                end = bytes.upperBound
                if part == count - 1 { #expect(end == text.utf8.count) }
                let reader = try LineReader(contentsOf: file, bytes: bytes, expected: "text", bufferSize: 3)
                var lines: [String] = []
                while let line = try reader.next({ String(decoding: $0, as: UTF8.self) }) { lines.append(line) }
                return lines
            }
        }
    }

    @Test(arguments: [1, 2, 3, 7, 16, 200]) func everyLineIsInOnePart(count: Int) throws {
        let words = (0..<60).map { String(repeating: "x", count: $0 * 7 % 23) + "\($0)" }
        for text in [
            "", "a", "a\n", "a\nb", "\n\n\n", words.joined(separator: "\n"), words.joined(separator: "\r\n") + "\r\n",
            "\u{FEFF}" + words.joined(separator: "\n"), String(repeating: "long", count: 50) + "\nb\nc\n",
        ] {
            let whole = try parts(of: text, into: 1).flatMap { $0 }
            #expect(try parts(of: text, into: count).flatMap { $0 } == whole)
        }
        #expect(try parts(of: words.joined(separator: "\n"), into: 1)[0] == words)
    }

    /// Parts have about the same bytes.
    @Test func partsAreAboutEqual() throws {
        var random = RandomGenerator(seed: 1)
        let lines = (0..<5000).map { _ in String(repeating: "y", count: Int.random(in: 0..<200, using: &random)) }
        let text = lines.joined(separator: "\n")
        let sizes = try parts(of: text, into: 8).map { $0.reduce(0) { $0 + $1.utf8.count + 1 } }
        #expect(sizes.allSatisfy { abs($0 - text.utf8.count / 8) < 400 }, "\(sizes)")
    }

    @Test func textsOfAPartAreThoseOfItsLines() throws {
        let lines = (0..<20).map { "{\"_id\": \"d\($0)\", \"text\": \"t\($0)\"}\n" }.joined()
        try withFiles(["corpus.jsonl": lines]) { folder in
            var ids: [String] = []
            for part in 0..<3 {
                let file = CheckedTexts.file(of: folder, as: .document)
                #expect(file.lastPathComponent == "corpus.jsonl")
                let bytes = try LineCut.bytes(ofPart: part, of: 3, in: file)
                var texts = try CheckedTexts(partOf: folder, bytes: bytes, as: .document)
                while let text = try texts.next() { ids.append(text.id) }
                // A part may be empty.
                var none = try CheckedTexts(partOf: folder, bytes: 0..<0, as: .document)
                #expect(try none.next() == nil)
            }
            #expect(ids == (0..<20).map { "d\($0)" })
        }
    }

    @Test func compressedFilesAreRefused() throws {
        try withFiles(["file": Data([0x1f, 0x8b, 8, 0])]) { folder in
            let file = folder.appendingPathComponent("file")
            let error = try #require(throws: RetrievalError.self) { try LineCut.bytes(ofPart: 0, of: 2, in: file) }
            #expect("\(error)".contains("gzip"))
        }
    }
}
