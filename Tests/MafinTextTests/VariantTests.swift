import Foundation
import Testing

@testable import MafinText

/// Other settings than those of all-MiniLM, over a vocabulary of a few hundred tokens: needs no model.
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
                var found = FNV()
                for scalar in UInt32(block * 1024)..<UInt32(block * 1024 + 1024) where Unicode.Scalar(scalar) != nil {
                    var text = NormalizedText()
                    text.append([0x61, scalar, 0x42], sources: nil, settings, .shared)
                    found.add(text.scalars.map { Int32(bitPattern: $0) })
                }
                #expect(found.hexadecimal == hash, "\(settings), scalars from \(String(block * 1024, radix: 16))")
            }
        }
    }

    /// Every scalar in a word, at the end of one and alone, under each setting: what the fast path does with the table against
    /// the careful path. The vocabulary knows every byte sequence's letters only where the goldens need them, so that words are
    /// compared as whole tokens: each text is its own vocabulary.
    @Test func actionsEqualNormalization() {
        let unicode = UnicodeProperties.shared
        for bits in 0..<32 {
            let settings = NormalizerSettings(
                cleansText: bits & 1 != 0, splitsIdeographs: bits & 2 != 0, stripsAccents: bits & 4 != 0,
                lowercases: bits & 8 != 0,
                lowercasesFirst: bits & 16 != 0)
            // An isolated scalar's "token id" is the scalar, so that the action can be read back.
            let table = ScalarActions(settings: settings, unicode: unicode) { Int32(bitPattern: $0) }
            for scalar in UInt32(0)..<0x30000 where Unicode.Scalar(scalar) != nil {
                let action = table.actions[Int(table.blocks[Int(scalar >> 8)]) << 8 | Int(scalar & 0xFF)]
                var text = NormalizedText()
                text.append([scalar], sources: nil, settings, unicode)
                let output = text.scalars.flatMap(utf8Bytes)
                let isWord = text.scalars.allSatisfy { unicode[$0].isDisjoint(with: [.whitespace, .punctuation]) }
                let payload = action.payload
                let isRight: Bool =
                    switch action.kind {
                    case .copy: isWord && text.scalars == [scalar]
                    case .substitute:
                        isWord && output == (0..<payload >> 24).map { UInt8(truncatingIfNeeded: payload >> (8 * $0)) }
                    case .expand:
                        isWord
                            && output
                                == Array(
                                    table.pool[Int(payload) + 1..<Int(payload) + 1 + Int(table.pool[Int(payload)])])
                    case .decomposeHangul: isWord && (2...3).contains(text.scalars.count) && text.scalars[0] >= 0x1100
                    case .isolate:
                        text.scalars == [payload] && unicode[payload].contains(.punctuation)
                            || text.scalars == [0x20, payload, 0x20]
                    case .separate: text.scalars.count == 1 && unicode[text.scalars[0]].contains(.whitespace)
                    case .drop: text.scalars.isEmpty
                    case .examine: true  // Always right, and rare: see below.
                    }
                #expect(isRight, "\(settings), scalar \(String(scalar, radix: 16)): \(action.kind)")
            }
            #expect(table.actions.filter { $0.kind == .examine }.count < 120)
        }
    }
}
