import Foundation
import Testing

@testable import MafinText

/// Other settings than those of all-MiniLM, with a vocabulary of a few hundred tokens. Needs no model.
struct VariantTests {
    struct File: Decodable {
        struct Variant: Decodable {
            var name: String
            var files: [String: String]
            var cases: [EncodingCase]
        }

        var vocabulary: [String]
        var variants: [Variant]
    }

    @Test func idsAndOffsets() throws {
        let file = try GoldenFiles.read(File.self, "variants.json")
        #expect(file.variants.count > 25)
        let encoder = JSONEncoder()
        let members = try file.vocabulary.enumerated().map { id, token in
            "\(String(decoding: try encoder.encode(token), as: UTF8.self)):\(id)"
        }
        let object = "\"vocab\":{\(members.joined(separator: ","))}"
        for variant in file.variants {
            var files = variant.files
            files["tokenizer.json"] = files["tokenizer.json"]?.replacingOccurrences(of: "\"vocab\":{}", with: object)
            if files["vocab.txt"] != nil { files["vocab.txt"] = file.vocabulary.joined(separator: "\n") + "\n" }
            let tokenizer = try withTemporaryFolder(files: files) { try WordPieceTokenizer(modelFolder: $0) }
            for expected in variant.cases {
                let comment = Comment(rawValue: "\(variant.name): \(expected.text.debugDescription)")
                #expect(tokenizer.encode(expected.text) == expected.ids, comment)
                let encoding = tokenizer.encodeWithOffsets(expected.text)
                #expect(encoding.ids == expected.ids, comment)
                if let byteRanges = expected.byteRanges { #expect(encoding.byteRanges == byteRanges, comment) }
            }
        }
    }

    struct NormalizationGoldens: Decodable {
        var uncased: [String]
        var cased: [String]
        var stripped: [String]
        var lowered: [String]
    }

    @Test func everyScalarNormalized() throws {
        let goldens = try GoldenFiles.read(NormalizationGoldens.self, "scalars.json")
        let settings: [(NormalizerSettings, [String])] = [
            (NormalizerSettings(), goldens.uncased),
            (NormalizerSettings(splitsIdeographs: false, stripsAccents: false, lowercases: false), goldens.cased),
            (NormalizerSettings(cleansText: false, splitsIdeographs: false, lowercases: false), goldens.stripped),
            (NormalizerSettings(cleansText: false, stripsAccents: false), goldens.lowered),
        ]
        for (settings, hashes) in settings {
            for (block, hash) in hashes.enumerated() {
                // Neither letter joins a combining sequence, so one text can hold all cases of a block.
                var texts: [UInt32] = []
                for scalar in UInt32(block * 1024)..<UInt32(block * 1024 + 1024) where Unicode.Scalar(scalar) != nil {
                    texts += [0x61, scalar, 0x42]
                }
                var text = NormalizedText()
                text.append(texts[...], sources: nil, settings, .shared)
                var found = FNV()
                found.add(text.scalars.map { Int32(bitPattern: $0) })
                #expect(found.hexadecimal == hash, "\(settings), scalars from \(String(block * 1024, radix: 16))")
            }
        }
    }

    /// The table of the fast path against the steps of the stepwise encoder, for every scalar.
    @Test(arguments: [31, 15, 14, 13, 11, 7, 0, 24])
    func actionsEqualNormalization(bits: Int) {
        let unicode = UnicodeProperties.shared
        let settings = NormalizerSettings(
            cleansText: bits & 1 != 0, splitsIdeographs: bits & 2 != 0, stripsAccents: bits & 4 != 0,
            lowercases: bits & 8 != 0,
            lowercasesFirst: bits & 16 != 0)
        // The "token id" of an isolated scalar is the scalar, so that it can be read back from the action.
        let table = ScalarActions(settings: settings, unicode: unicode) { Int32(bitPattern: $0) }
        var examined = 0
        // Higher blocks have only tags, variation selectors and characters without special treatment.
        for scalar in UInt32(0)..<0x30000 where Unicode.Scalar(scalar) != nil {
            let action = table.actions[Int(table.blocks[Int(scalar >> 8)]) << 8 | Int(scalar & 0xFF)]
            var text: [UInt32] = []
            settings.forEachNormalized(scalar, unicode) { text.append($0) }
            let isWord = text.allSatisfy { unicode[$0].isDisjoint(with: [.whitespace, .punctuation]) }
            let payload = action.payload
            let isRight: Bool
            switch action.kind {
            case .copy: isRight = isWord && text == [scalar]
            case .substitute:
                isRight =
                    isWord
                    && text.flatMap(utf8Bytes)
                        == (0..<payload >> 24).map { UInt8(truncatingIfNeeded: payload >> (8 * $0)) }
            case .expand:
                let start = Int(payload) + 1
                isRight =
                    isWord && text.flatMap(utf8Bytes) == Array(table.pool[start..<start + Int(table.pool[start - 1])])
            case .decomposeHangul:
                isRight = text.count >= 2 && Character(Unicode.Scalar(scalar) ?? " ").unicodeScalars.count == 1
            case .isolate:
                let isIdeograph = settings.splitsIdeographs && unicode[scalar].contains(.ideograph)
                isRight = text == [payload] && (isIdeograph || unicode[payload].contains(.punctuation))
            case .separate: isRight = text.count == 1 && unicode[text[0]].contains(.whitespace)
            case .drop: isRight = text.isEmpty
            case .examine:
                // This path is correct but slow, so it must be rare.
                isRight = true
                examined += 1
            }
            if !isRight { Issue.record("\(settings), scalar \(String(scalar, radix: 16)): \(action.kind)") }
        }
        #expect(examined < 120)
    }
}
