import Foundation
import MafinNumerics
import MafinTestSupport
import Testing

@testable import MafinText

/// Ids equal those of Python `tokenizers` with the vocabulary of all-MiniLM-L6-v2.
@Suite(.enabled(if: TestModel.isAvailable, Comment(rawValue: TestModel.skipMessage)))
struct ParityTests {
    let tokenizer: WordPieceTokenizer

    init() throws { tokenizer = try GoldenFiles.miniLM.get() }

    @Test func generatedTexts() throws {
        let cases = try GoldenFiles.read([EncodingCase].self, "generated.json")
        #expect(cases.count > 1400)
        let batch = tokenizer.batchEncode(cases.map(\.text), maxLength: 256)
        for (row, expected) in cases.enumerated() {
            #expect(Array(batch[row]) == expected.ids, "\(expected.text.debugDescription)")
            #expect(tokenizer.encode(expected.text, maxLength: 256) == expected.ids)
        }
    }

    @Test func byteOffsets() throws {
        let cases = try GoldenFiles.read([EncodingCase].self, "generated.json").filter { $0.offsets != nil }
        #expect(cases.count > 400)
        for expected in cases {
            let encoding = tokenizer.encodeWithOffsets(expected.text, maxLength: 256)
            #expect(encoding.ids == expected.ids, "\(expected.text.debugDescription)")
            #expect(encoding.byteRanges == expected.byteRanges, "\(expected.text.debugDescription)")
        }
    }

    struct ScalarGoldens: Decodable {
        struct Long: Decodable {
            var unit: String
            var count: Int
            var tokens: Int
            var hash: String
        }

        var long: [Long]
        var ids: [String]
    }

    @Test func everyScalar() throws {
        let expected = try GoldenFiles.read(ScalarGoldens.self, "scalars.json").ids
        #expect(expected.count == 0x110000 / 1024)
        for (block, hash) in expected.enumerated() {
            let scalars = (UInt32(block * 1024)..<UInt32(block * 1024 + 1024)).compactMap(Unicode.Scalar.init)
            let batch = tokenizer.batchEncode(scalars.map { "a\($0)b \($0)" })
            var found = FNV()
            for row in 0..<batch.count { found.add(batch[row]) }
            #expect(found.hexadecimal == hash, "scalars from \(String(block * 1024, radix: 16))")
        }
    }

    @Test func longTexts() throws {
        for expected in try GoldenFiles.read(ScalarGoldens.self, "scalars.json").long {
            let text = String(repeating: expected.unit, count: expected.count)
            let ids = tokenizer.encode(text, maxLength: .max)
            var found = FNV()
            found.add(ids)
            #expect(ids.count == expected.tokens)
            #expect(found.hexadecimal == expected.hash)
            #expect(tokenizer.encodeWithOffsets(text, maxLength: .max).ids == ids)
        }
    }

    /// Random sequences of scalars: compares the fast path with the stepwise encoder. The golden files compare the
    /// stepwise encoder with Python.
    @Test(arguments: 1...6 as ClosedRange<UInt64>) func fastPathEqualsStepwiseEncoder(seed: UInt64) {
        var source = RandomGenerator(seed: seed)
        let seeds = ["word ", "[SEP]", " ", ".", "é", "e\u{301}", "東", "한", "\u{302E}", "\u{200D}", "[MA", "x"]
        for _ in 0..<500 {
            var text = ""
            for _ in 0..<Int.random(in: 0..<40, using: &source) {
                if Bool.random(using: &source) {
                    text += seeds.randomElement(using: &source) ?? ""
                } else if let scalar = Unicode.Scalar(
                    UInt32.random(in: 0..<(Bool.random(using: &source) ? 0x2FFF : 0x1FFFF), using: &source))
                {
                    text.unicodeScalars.append(scalar)
                }
            }
            let maximum = Int.random(in: 2..<40, using: &source)
            let fast = tokenizer.encode(text, maxLength: maximum)
            #expect(fast == tokenizer.encodeWithOffsets(text, maxLength: maximum).ids, "\(text.debugDescription)")
        }
    }

    @Test func truncationKeepsTheSeparator() {
        let text = String(repeating: "statins lower cholesterol ", count: 200)
        for maximum in [2, 3, 16, 128, 256, 10_000] {
            let ids = tokenizer.encode(text, maxLength: maximum)
            #expect(ids.first == 101 && ids.last == 102)
            #expect(ids.count == min(maximum, tokenizer.encode(text, maxLength: .max).count))
        }
        #expect(tokenizer.maxLength == 256)
        #expect(tokenizer.encode(text).count == 256)
        #expect(tokenizer.encode("a b c", addSpecialTokens: false, maxLength: 2) == [1037, 1038])
    }

    @Test func batchDoesNotDependOnThreads() throws {
        let texts = try GoldenFiles.read([EncodingCase].self, "generated.json").map(\.text)
        let one = tokenizer.batchEncode(texts, threads: 1)
        #expect(one.count == texts.count)
        #expect(tokenizer.batchEncode(texts, threads: 2) == one)
        #expect(tokenizer.batchEncode(texts, threads: 7) == one)
        #expect(tokenizer.batchEncode(texts) == one)
        for parts in 1...9 {
            let ranges = WordPieceTokenizer.evenRanges(of: texts, parts: parts)
            #expect(ranges.count <= parts && Array(ranges.joined()) == Array(texts.indices))
        }
        #expect(tokenizer.batchEncode([]).isEmpty)
        #expect(tokenizer.batchEncode([""]) == TokenBatch(rows: [[101, 102]]))
    }

    struct DecodingCase: Decodable {
        var ids: [Int32]
        var skip: Bool
        var text: String
    }

    @Test func decoding() throws {
        let cases = try GoldenFiles.read([DecodingCase].self, "decoding.json")
        #expect(cases.count > 100)
        for expected in cases {
            let text = tokenizer.decode(tokens: expected.ids, skipSpecialTokens: expected.skip)
            #expect(
                text.unicodeScalars.elementsEqual(expected.text.unicodeScalars), "\(expected.text.debugDescription)")
        }
    }

    @Test func tokensAndIdentifiers() {
        #expect(tokenizer.vocabularySize == 30522)
        #expect(tokenizer.specialTokenCount == 2)
        #expect(tokenizer.convertTokenToId("[SEP]") == 102)
        #expect(tokenizer.convertTokenToId("##ing") == 2075)
        #expect(tokenizer.convertTokenToId("ing") == 13749)
        #expect(tokenizer.convertTokenToId("notatoken") == nil)
        #expect(tokenizer.convertIdToToken(2075) == "##ing")
        #expect(tokenizer.convertIdToToken(30522) == nil)
        #expect(tokenizer.convertIdToToken(-1) == nil)
        for id in Int32(0)..<30522 {
            #expect(tokenizer.convertIdToToken(id).flatMap(tokenizer.convertTokenToId) == id)
        }
    }
}

/// The same for texts of the shared data sets.
@Suite(
    .enabled(if: TestModel.isAvailable, Comment(rawValue: TestModel.skipMessage)),
    .enabled(if: GoldenFiles.sharedData != nil, "the shared data sets were not found: set MAFIN_SHARED to their folder")
)
struct SharedParityTests {
    struct Golden: Decodable {
        var collection: String
        var file: String
        var id: String
        var textHash: String
        var length: Int
        var hash: String

        init(from decoder: any Decoder) throws {
            var fields = try decoder.unkeyedContainer()
            collection = try fields.decode(String.self)
            file = try fields.decode(String.self)
            id = try fields.decode(String.self)
            textHash = try fields.decode(String.self)
            length = try fields.decode(Int.self)
            hash = try fields.decode(String.self)
        }
    }

    struct Row: Decodable {
        var _id: String
        var title: String?
        var text: String
    }

    @Test func sharedTexts() throws {
        let tokenizer = try GoldenFiles.miniLM.get()
        let data = try #require(GoldenFiles.sharedData)
        let goldens = try GoldenFiles.read([Golden].self, "shared.json")
        #expect(goldens.count > 1000)
        for (path, group) in Dictionary(grouping: goldens, by: { "\($0.collection)/\($0.file).jsonl" }) {
            let wanted = Dictionary(uniqueKeysWithValues: group.map { ($0.id, $0) })
            var seen = 0
            for line in try Data(contentsOf: data.appendingPathComponent(path)).split(separator: UInt8(ascii: "\n")) {
                // Decodes only lines that may be needed.
                let row = try JSONDecoder().decode(Row.self, from: line)
                guard let golden = wanted[row._id] else { continue }
                seen += 1
                let text = ((row.title ?? "") + " " + row.text).trimmingCharacters(in: .whitespacesAndNewlines)
                var textHash = FNV()
                textHash.add(bytes: text.utf8)
                try #require(
                    textHash.hexadecimal == golden.textHash,
                    "\(path) \(row._id): not the text that the golden was made of")
                let ids = tokenizer.encode(text, maxLength: 256)
                var found = FNV()
                found.add(ids)
                #expect(ids.count == golden.length && found.hexadecimal == golden.hash, "\(path) \(row._id)")
            }
            #expect(seen == group.count)
        }
    }
}
