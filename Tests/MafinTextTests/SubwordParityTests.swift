import Foundation
import MafinNumerics
import MafinTestSupport
import Testing

@testable import MafinText

/// Ids of Unigram and byte-level BPE equal those of Python `tokenizers`, `sentencepiece` and `transformers`.
struct SubwordParityTests {
    let goldens: SubwordGoldens

    init() throws { goldens = try SubwordGoldens.shared.get() }

    @Test func goldensAreLargeEnough() {
        #expect(goldens.texts.count >= 2000)
        #expect(goldens.variants.count > 25)
    }

    @Test(arguments: try SubwordGoldens.shared.get().variants)
    func idsEqualPython(variant: SubwordGoldens.Variant) throws {
        let tokenizer = try goldens.tokenizer(variant)
        let batch = tokenizer.batchEncode(goldens.texts)
        let (rows, compared) = try batch.rowsThatDiffer(from: variant.hashes)
        for row in rows {
            Issue.record("\(variant.name): \(goldens.texts[row].debugDescription) became \(Array(batch[row]))")
        }
        #expect(compared > 2000)
    }

    /// Tracking offsets, alone and without the memory of words, changes no id. Offsets are ordered and lie in the text.
    @Test(arguments: try SubwordGoldens.shared.get().variants)
    func offsetsBelongToTheSameIds(variant: SubwordGoldens.Variant) throws {
        let tokenizer = try goldens.tokenizer(variant)
        for text in goldens.texts.enumerated().filter({ $0.offset % 5 == 0 || $0.offset > 1600 }).map(\.element) {
            let encoding = tokenizer.encodeWithOffsets(text)
            #expect(encoding.ids == tokenizer.encode(text), "\(text.debugDescription)")
            #expect(encoding.byteRanges.count == encoding.ids.count)
            #expect(encoding.continuesWord.count == encoding.ids.count)
            let size = text.utf8.count
            #expect(encoding.byteRanges.allSatisfy { $0.upperBound <= size }, "\(text.debugDescription)")
        }
    }

    @Test func byteOffsets() throws {
        var compared = 0
        for variant in goldens.variants {
            guard let offsets = variant.offsets else { continue }
            let tokenizer = try goldens.tokenizer(variant)
            for (index, expected) in offsets {
                let text = goldens.texts[try #require(Int(index))]
                let found = tokenizer.encodeWithOffsets(text, addSpecialTokens: false, maxLength: .max).byteRanges
                try #require(2 * found.count == expected.count)
                for (place, range) in found.enumerated() where expected[2 * place] >= 0 {
                    compared += 1
                    let (start, end) = (expected[2 * place], expected[2 * place + 1])
                    #expect(range == start..<end, "\(variant.name): \(text.debugDescription), token \(place)")
                }
            }
        }
        #expect(compared > 2500)
    }

    @Test(arguments: ["modernbert", "xlm-roberta", "SentencePiece of XLM-RoBERTa"])
    func batchDoesNotDependOnThreads(name: String) throws {
        let tokenizer = try goldens.tokenizer(goldens.variant(name))
        let one = tokenizer.batchEncode(goldens.texts, threads: 1)
        #expect(one.count == goldens.texts.count)
        #expect(tokenizer.batchEncode(goldens.texts, threads: 2) == one)
        #expect(tokenizer.batchEncode(goldens.texts, threads: 7) == one)
        #expect(tokenizer.batchEncode(goldens.texts) == one)
        for (row, text) in goldens.texts.enumerated().filter({ $0.offset % 9 == 0 }) {
            #expect(tokenizer.encode(text) == Array(one[row]))
        }
    }

    @Test(arguments: ["modernbert", "xlm-roberta", "SentencePiece of XLM-RoBERTa"])
    func truncationKeepsTheSpecialTokens(name: String) throws {
        let tokenizer = try goldens.tokenizer(goldens.variant(name))
        let text = goldens.texts[..<60].joined(separator: " \n")
        let whole = tokenizer.encode(text, maxLength: .max)
        for maximum in [2, 3, 16, 100, whole.count - 1, whole.count, whole.count + 1] {
            let ids = tokenizer.encode(text, maxLength: maximum)
            #expect(ids.count == min(maximum, whole.count))
            #expect(ids.dropLast() == whole.prefix(ids.count - 1) && ids.last == whole.last)
            #expect(tokenizer.encodeWithOffsets(text, maxLength: maximum).ids == ids)
        }
        #expect(tokenizer.specialTokenCount == 2)
        #expect(tokenizer.encode("", addSpecialTokens: false).isEmpty)
    }

    @Test(arguments: ["modernbert", "xlm-roberta", "SentencePiece of XLM-RoBERTa"])
    func wordsAreKnown(name: String) throws {
        let tokenizer = try goldens.tokenizer(goldens.variant(name))
        let text = "Unbelievably, microscopes! 字国 été"
        let encoding = tokenizer.encodeWithOffsets(text, addSpecialTokens: false)
        let bytes = Array(text.utf8)
        var words: [String] = []
        for (range, continues) in zip(encoding.byteRanges, encoding.continuesWord) where !range.isEmpty {
            // Tokens of one character share its range.
            let piece = String(decoding: bytes[range], as: UTF8.self)
            if !continues {
                words.append(piece)
            } else if !words[words.count - 1].hasSuffix(piece) {
                words[words.count - 1] += piece
            }
        }
        #expect(words == ["Unbelievably", ",", "microscopes", "!", "字", "国", "été"])
    }

    struct RealTokenizer: Decodable {
        var sha256: String
        var hashes: Data
    }

    private static let realFolder = TestModel.repository.appendingPathComponent(".cache/tokenizers")

    /// Whole tokenizers, which are not committed: each folder in `.cache/tokenizers` that the goldens know.
    @Test(
        .enabled(
            if: FileManager.default.fileExists(atPath: realFolder.path),
            "no whole tokenizers were found: put their folders into .cache/tokenizers"))
    func realTokenizers() throws {
        for (name, golden) in try GoldenFiles.read([String: RealTokenizer].self, "real-tokenizers.json") {
            let folder = Self.realFolder.appendingPathComponent(name)
            let file = folder.appendingPathComponent("tokenizer.json")
            guard FileManager.default.fileExists(atPath: file.path) else { continue }
            try #require(try ContentHash.sha256(of: file) == golden.sha256, "\(name): not the file of the goldens")
            let batch = try readTokenizer(modelFolder: folder).batchEncode(goldens.texts, maxLength: .max)
            for row in try batch.rowsThatDiffer(from: golden.hashes).rows {
                Issue.record("\(name): \(goldens.texts[row].debugDescription) became \(Array(batch[row]))")
            }
        }
    }
}
