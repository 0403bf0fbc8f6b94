import Foundation
import MafinNumerics
import Testing

@testable import MafinText

/// The small tokenizers and texts of Tools/write_subword_goldens.py.
struct SubwordGoldens {
    /// A tokenizer, and what Python makes of the texts with it.
    struct Variant: Decodable, CustomTestStringConvertible {
        var name: String
        var files: [String: String]
        /// For each text 16 bits of the hash of its ids, in base64; 0 where nothing is expected.
        var hashes: Data
        /// For some texts by index: the start and the end of each token; -1 for tokens that stand for nothing.
        var offsets: [String: [Int]]?
        /// Which of the vocabularies `tokenizer.json` has. `lacking`: characters whose tokens and merges are left out.
        var vocabulary: String?
        var lacking: String?
        /// How many merges it has; `nil`: all.
        var merges: Int?
        /// The name of a SentencePiece model.
        var model: String?

        var testDescription: String { name }
    }

    let texts: [String]
    let variants: [Variant]
    /// The vocabularies as they are written, by name.
    private let vocabularies: [String: String]
    private let merges: [String]
    private let characterMap: String

    static let shared = Result { try SubwordGoldens() }

    private init() throws {
        texts = try GoldenFiles.read([String].self, "subword-texts.json")
        variants = try GoldenFiles.read([Variant].self, "subword.json")
        let file = [UInt8](try GoldenFiles.data("subword-lists.json"))
        var vocabularies: [String: String] = [:]
        var merges: [String] = []
        try file.withUnsafeBufferPointer { bytes in
            var scanner = JSONScanner(bytes)
            try scanner.members { scanner, name in
                if name == "merges" {
                    merges = try scanner.strings()
                } else {
                    vocabularies[name] = String(decoding: file[try scanner.rangeOfValue()], as: UTF8.self)
                }
            }
        }
        (self.vocabularies, self.merges) = (vocabularies, merges)
        let model = try SentencePieceFile([UInt8](GoldenFiles.data("unigram.model")))
        characterMap = Data(model.characterMap).base64EncodedString()
    }

    func variant(_ name: String) throws -> Variant { try #require(variants.first { $0.name == name }) }

    /// Reads the tokenizer of a variant from a folder.
    func tokenizer(_ variant: Variant) throws -> any Tokenizer {
        var files = variant.files
        if let file = files["tokenizer.json"] {
            files["tokenizer.json"] =
                file.replacingOccurrences(of: "CHARSMAP", with: characterMap)
                .replacingOccurrences(of: #""vocab":[]"#, with: #""vocab":"# + vocabulary(variant))
                .replacingOccurrences(of: #""vocab":{}"#, with: #""vocab":"# + vocabulary(variant))
                .replacingOccurrences(of: #""merges":[]"#, with: #""merges":"# + list(merges(variant)))
        } else if variant.vocabulary != nil {
            files["vocab.json"] = vocabulary(variant)
            files["merges.txt"] = "#version: 0.2\n" + merges(variant).map { $0 + "\n" }.joined()
        }
        var data: [String: Data] = [:]
        if let model = variant.model { data["sentencepiece.bpe.model"] = try GoldenFiles.data("\(model).model") }
        return try withTemporaryFolder(files: files, data: data) { try readTokenizer(modelFolder: $0) }
    }

    private func vocabulary(_ variant: Variant) -> String {
        let text = vocabularies[variant.vocabulary ?? ""] ?? ""
        guard let lacking = variant.lacking,
            let all = try? JSONDecoder().decode([String: Int].self, from: Data(text.utf8))
        else { return text }
        let rest = all.filter { !$0.key.contains(where: lacking.contains) }
        return (try? String(decoding: JSONEncoder().encode(rest), as: UTF8.self)) ?? ""
    }

    private func merges(_ variant: Variant) -> [String] {
        let lacking = variant.lacking ?? ""
        return merges.prefix(variant.merges ?? merges.count).filter { !$0.contains(where: lacking.contains) }
    }

    private func list(_ strings: [String]) -> String {
        (try? String(decoding: JSONEncoder().encode(strings), as: UTF8.self)) ?? ""
    }
}

extension TokenBatch {
    /// The rows whose hash is not that of a golden, and the number of rows that were compared.
    func rowsThatDiffer(from hashes: Data) throws -> (rows: [Int], compared: Int) {
        try #require(hashes.count == 2 * count)
        var (rows, compared) = ([Int](), 0)
        for row in 0..<count {
            let expected =
                UInt64(hashes[hashes.startIndex + 2 * row]) | UInt64(hashes[hashes.startIndex + 2 * row + 1]) << 8
            if expected == 0 { continue }
            compared += 1
            var hash = FNV()
            hash.add(self[row])
            if hash.state & 0xFFFF != expected { rows.append(row) }
        }
        return (rows, compared)
    }
}
