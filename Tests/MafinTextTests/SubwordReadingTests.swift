import Foundation
import MafinNumerics
import Testing

@testable import MafinText

/// Folders with Unigram and byte-level BPE tokenizers, and the errors for damaged and unknown ones.
struct SubwordReadingTests {
    static let pieces = #"[["<s>",0],["<unk>",0],["▁a",-1.5],["b",-2],["é",-2e0],["e\u0301",-3]]"#

    static func unigram(
        model: String = #""unk_id":1"#, vocabulary: String = pieces, normalizer: String = "null",
        preTokenizer: String = #"{"type":"Metaspace","replacement":"▁","add_prefix_space":true}"#,
        processor: String = "null", added: String = "[]"
    ) -> [String: String] {
        [
            "tokenizer.json": """
            {"added_tokens":\(added),"normalizer":\(normalizer),"pre_tokenizer":\(preTokenizer),"post_processor":\(processor),
             "model":{"type":"Unigram",\(model),"vocab":\(vocabulary)}}
            """
        ]
    }

    static func bpe(
        model: String = #""unk_token":null"#, vocabulary: String = #"{"a":0,"b":1,"ab":2,"Ġ":3,"Ġab":4}"#,
        merges: String = #"["a b",["Ġ","ab"]]"#,
        preTokenizer: String = #"{"type":"ByteLevel","add_prefix_space":false}"#,
        rest: String = ""
    ) -> [String: String] {
        [
            "tokenizer.json": """
            {"added_tokens":[],"normalizer":null,"pre_tokenizer":\(preTokenizer),"post_processor":null,
             "model":{"type":"BPE",\(model),"vocab":\(vocabulary),"merges":\(merges)}\(rest)}
            """
        ]
    }

    static func read(_ files: [String: String], _ data: [String: Data] = [:]) throws -> any Tokenizer {
        try withTemporaryFolder(files: files, data: data) { try readTokenizer(modelFolder: $0) }
    }

    static func message(_ files: [String: String], _ data: [String: Data] = [:]) -> String {
        do {
            _ = try read(files, data)
            return "no error"
        } catch {
            return "\(error)"
        }
    }

    @Test func smallTokenizers() throws {
        let unigram = try Self.read(Self.unigram())
        // Unknown text is one token, and canonically equivalent pieces stay apart.
        #expect(unigram.encode("ab xyz a\u{E9}e\u{301}") == [2, 3, 1, 2, 4, 5])
        #expect(unigram.vocabularySize == 6 && unigram.specialTokenCount == 0 && unigram.maxLength == .max)
        let bpe = try Self.read(Self.bpe())
        #expect(bpe.encode("ab ab b xa") == [2, 4, 3, 1, 3, 0])
        #expect(bpe.vocabularySize == 5)
        #expect(!(bpe is WordPieceTokenizer))
        #expect(throws: TokenizerError.self) {
            try withTemporaryFolder(files: Self.bpe()) { try WordPieceTokenizer(modelFolder: $0) }
        }
    }

    @Test func wholeTokensAreKept() throws {
        // Without a merge for it, "abb" is a token only if whole tokens are kept.
        let vocabulary = #"{"a":0,"b":1,"ab":2,"abb":3}"#
        let merges = #"["a b"]"#
        #expect(try Self.read(Self.bpe(vocabulary: vocabulary, merges: merges)).encode("abb") == [2, 1])
        let kept = Self.bpe(model: #""ignore_merges":true"#, vocabulary: vocabulary, merges: merges)
        #expect(try Self.read(kept).encode("abb") == [3])
    }

    @Test func unknownComponentsAreNamed() {
        let charsmap = #"{"type":"Precompiled","precompiled_charsmap":"AAAA"}"#
        let cases: [(String, [String: String])] = [
            (
                "the normalizer is BertNormalizer, expected Precompiled",
                Self.unigram(normalizer: #"{"type":"BertNormalizer"}"#)
            ),
            (
                "the normalizer is Other",
                Self.unigram(normalizer: #"{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Other"}]}"#)
            ),
            (
                "the pattern of the normalizer's Replace is '\\s+'",
                Self.unigram(normalizer: #"{"type":"Replace","pattern":{"Regex":"\\s+"},"content":" "}"#)
            ),
            ("the pattern of the normalizer's Replace is missing", Self.unigram(normalizer: #"{"type":"Replace"}"#)),
            ("normalizer.precompiled_charsmap: the map of characters has 3 bytes", Self.unigram(normalizer: charsmap)),
            (
                "the pre-tokenizer is ByteLevel, expected Metaspace",
                Self.unigram(preTokenizer: #"{"type":"ByteLevel"}"#)
            ),
            ("the pre-tokenizer is Metaspace, expected ByteLevel", Self.bpe(preTokenizer: #"{"type":"Metaspace"}"#)),
            ("the pre-tokenizer is missing, expected ByteLevel", Self.bpe(preTokenizer: "null")),
            ("prepend_scheme is some", Self.unigram(preTokenizer: #"{"type":"Metaspace","prepend_scheme":"some"}"#)),
            (
                "expected one character, found 'ab'",
                Self.unigram(preTokenizer: #"{"type":"Metaspace","replacement":"ab"}"#)
            ),
            ("model.end_of_word_suffix is '</w>'", Self.bpe(model: #""end_of_word_suffix":"</w>""#)),
            ("model.dropout is '0.5'", Self.bpe(model: #""dropout":0.5"#)),
            ("model.byte_fallback is 'true'", Self.bpe(model: #""byte_fallback":true"#)),
        ]
        for (expected, files) in cases {
            let message = Self.message(files)
            #expect(message.contains(expected), "\(message)")
        }
    }

    @Test func damagedFilesAreNamed() {
        let cases: [(String, [String: String])] = [
            ("model.vocab: expected a list of tokens and scores", Self.unigram(vocabulary: "{}")),
            ("model.vocab: expected a list of tokens and scores", Self.unigram(vocabulary: "[]")),
            ("expected a token's score, a finite number", Self.unigram(vocabulary: #"[["a",1e999]]"#)),
            ("expected a token's score, a finite number", Self.unigram(vocabulary: #"[["a",null]]"#)),
            ("expected a pair of a token and its score", Self.unigram(vocabulary: #"[["a",1,2]]"#)),
            ("expected a pair of a token and its score", Self.unigram(vocabulary: #"[["a"]]"#)),
            (
                "model.unk_id: expected a place in the vocabulary of 6 tokens, found 6",
                Self.unigram(model: #""unk_id":6"#)
            ),
            (
                "model.unk_id: expected a place in the vocabulary of 6 tokens, found -1",
                Self.unigram(model: #""unk_id":-1"#)
            ),
            ("found none", Self.unigram(model: #""unk_id":null"#)),
            ("model.vocab: expected an object", Self.bpe(vocabulary: Self.pieces)),
            ("expected a token id", Self.bpe(vocabulary: #"{"a":-1}"#)),
            ("have ids up to 2000000000", Self.bpe(vocabulary: #"{"a":2000000000}"#, merges: "[]")),
            ("model.merges: expected a list", Self.bpe(merges: "{}")),
            ("model.merges: merge 0 needs 'bb'", Self.bpe(merges: #"["b b"]"#)),
            ("model.merges: merge 1 needs 'x", Self.bpe(merges: #"["a b","x a"]"#)),
            ("expected two tokens and a space", Self.bpe(merges: #"["ab"]"#)),
            ("expected two tokens and a space", Self.bpe(merges: #"["a  b"]"#)),
            ("expected a pair of tokens", Self.bpe(merges: #"[["a","b","c"]]"#)),
            (
                "'b' has id 7, but 3 in the vocabulary",
                Self.unigram(
                    added:
                        #"[{"id":7,"content":"b","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}]"#
                )
            ),
            (
                "'x' has the negative id -7",
                Self.unigram(
                    added:
                        #"[{"id":-7,"content":"x","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}]"#
                )
            ),
            (
                "the id 99 is not among the 6",
                Self.unigram(processor: #"{"type":"RobertaProcessing","sep":["</s>",99],"cls":["<s>",0]}"#)
            ),
            (
                "two steps add special tokens",
                Self.unigram(
                    processor:
                        #"{"type":"Sequence","processors":[{"type":"BertProcessing","sep":["a",1],"cls":["b",0]},{"type":"BertProcessing","sep":["a",1],"cls":["b",0]}]}"#
                )
            ),
            (
                "merges.txt, line 2: expected two tokens",
                ["vocab.json": #"{"<s>":0,"</s>":1,"a":2}"#, "merges.txt": "#version\na\n"]
            ),
            ("the classifier token '<s>' is not in the vocabulary", ["vocab.json": #"{"a":2}"#, "merges.txt": ""]),
            (
                "tokenizer_class is GPT2Tokenizer, expected one of RobertaTokenizer",
                [
                    "vocab.json": "{}", "merges.txt": "",
                    "tokenizer_config.json": #"{"tokenizer_class":"GPT2Tokenizer"}"#,
                ]
            ),
        ]
        for (expected, files) in cases {
            let message = Self.message(files)
            #expect(message.contains(expected), "\(message)")
        }
        // A file truncated at any byte is an error and never a crash.
        for files in [Self.unigram(), Self.bpe()] {
            let whole = Array((files["tokenizer.json"] ?? "").utf8)
            for length in stride(from: 0, to: whole.count, by: 3) {
                let part = String(decoding: whole[..<length], as: UTF8.self)
                #expect(Self.message(["tokenizer.json": part]) != "no error")
            }
        }
    }

    /// Tokens and ids that occur twice are no error: the last counts, as for a dictionary.
    @Test func repeatedTokensAndIdentifiers() throws {
        let unigram = Self.unigram(vocabulary: #"[["<unk>",0],["<unk>",0],["▁a",-1],["▁a",-3]]"#)
        #expect(try Self.read(unigram).encode("a") == [3])
        #expect(try Self.read(Self.bpe(vocabulary: #"{"a":0,"b":0,"ab":2,"Ġ":3,"Ġab":4}"#)).encode("ab") == [2])
    }

    // MARK: SentencePiece

    static let family = ["tokenizer_config.json": #"{"tokenizer_class":"XLMRobertaTokenizer"}"#]

    @Test func sentencePieceModelsAreRead() throws {
        let file = try SentencePieceFile([UInt8](GoldenFiles.data("bytes.model")))
        #expect(file.modelName == "Unigram" && file.fallsBackToBytes && !file.removesExtraSpaces)
        #expect(file.pieces.count == file.scores.count && file.pieces.count > 1000)
        #expect(file.places(of: .unknown) == [0] && file.places(of: .control) == [1, 2])
        #expect(file.places(of: .byte).count == 256 && file.places(of: .userDefined).count == 3)
        let model = try GoldenFiles.data("unigram.model")
        let tokenizer = try Self.read(Self.family, ["sentencepiece.bpe.model": model])
        let count = try SentencePieceFile([UInt8](model)).pieces.count
        #expect(tokenizer.vocabularySize == count + 2)
        #expect(tokenizer.frame == TokenFrame(prefix: [0], suffix: [2]))
        #expect(tokenizer.encode("<mask> </s>", addSpecialTokens: false).first == Int32(count + 1))
        // Without tokenizer_config.json, config.json says which family it is.
        let byConfiguration = try Self.read(
            ["config.json": #"{"model_type":"t5"}"#], ["spiece.model": model])
        #expect(byConfiguration.frame == TokenFrame(suffix: [2]))
    }

    @Test func damagedSentencePieceModelsAreErrors() throws {
        let whole = [UInt8](try GoldenFiles.data("bytes.model"))
        func message(_ bytes: some Sequence<UInt8>, _ files: [String: String] = Self.family) -> String {
            Self.message(files, ["sentencepiece.bpe.model": Data(bytes)])
        }
        #expect(message(whole) == "no error")
        #expect(message(whole, [:]).contains("tokenizer_class is missing, expected one of XLMRobertaTokenizer"))
        #expect(
            message(whole, ["tokenizer_config.json": #"{"tokenizer_class":"AlbertTokenizer"}"#])
                .contains("tokenizer_class is AlbertTokenizer"))
        #expect(message([]).contains("the file has no pieces"))
        #expect(message([0x0A, 0x05, 0x0A]).contains("field 1 has 5 bytes, more than the file"))
        #expect(message([0x0F]).contains("the unknown wire type 7"))
        #expect(message([0x0A] + [UInt8](repeating: 0xFF, count: 11)).contains("more than ten bytes"))
        // One piece "a" of the type 9; one that is not UTF-8; one without a piece for unknown text; a BPE model.
        #expect(message([0x0A, 0x05, 0x0A, 0x01, 0x61, 0x18, 0x09]).contains("piece 0 has the unknown type 9"))
        #expect(message([0x0A, 0x03, 0x0A, 0x01, 0xFF]).contains("piece 0 is not UTF-8"))
        #expect(message([0x0A, 0x03, 0x0A, 0x01, 0x61]).contains("no piece for unknown text"))
        #expect(
            message([0x0A, 0x05, 0x0A, 0x01, 0x61, 0x18, 0x02, 0x12, 0x02, 0x18, 0x02])
                .contains("trainer_spec.model_type is BPE, expected Unigram"))
        // Truncated and damaged files never crash, and whatever is read encodes text.
        var source = RandomGenerator(seed: 5)
        for _ in 0..<60 {
            var bytes = whole
            for _ in 0..<5 {
                bytes[Int.random(in: bytes.indices, using: &source)] = UInt8.random(in: 0...255, using: &source)
            }
            bytes.removeLast(Int.random(in: 0..<bytes.count / 2, using: &source))
            let tokenizer = try? Self.read(Self.family, ["sentencepiece.bpe.model": Data(bytes)])
            _ = tokenizer?.encode("Die Straße  ü<u1> x字😀\u{301}")
        }
    }

    /// A map of characters is data from a stranger: any bytes are either refused or can be used.
    @Test func damagedMapsOfCharacters() throws {
        let map = try SentencePieceFile([UInt8](GoldenFiles.data("unigram.model"))).characterMap
        var source = RandomGenerator(seed: 6)
        let text = "Ａ ﬁ ½ e\u{301} \u{AC}\r\n㍿ ﷺ 字 ｶﾞ a\u{200D}"
        var used = 0
        for _ in 0..<40 {
            var bytes = Array(map)
            for _ in 0..<2000 {
                bytes[Int.random(in: 4..<bytes.count / 3, using: &source)] = UInt8.random(in: 0...255, using: &source)
            }
            guard let damaged = try? CharacterMap(bytes) else { continue }
            used += 1
            let fixed = try PatternTrie([])
            for step: NormalizationStep in [
                .precompiled(PrecompiledStep(damaged)),
                .sentencePiece(
                    SentencePieceNormalizer(
                        map: damaged, fixed: fixed, addsDummyPrefix: true, removesExtraSpaces: true,
                        escapesSpaces: true)),
            ] {
                let bytes = TextNormalizer(steps: [step]).normalized(text)
                #expect(String(validating: bytes, as: UTF8.self) != nil)
            }
        }
        #expect(used == 40)
        for length in 0..<20 { #expect((try? CharacterMap(Array(map.prefix(length)))) == nil) }
    }
}
