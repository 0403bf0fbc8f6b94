import Foundation
import Testing

@testable import MafinText

/// Folders with a BERT WordPiece tokenizer, and errors.
struct ReadingTests {
    static let vocabulary =
        ###"{"[PAD]":0,"[UNK]":1,"[CLS]":2,"[SEP]":3,"[MASK]":4,"a":5,"##b":6,"\u00e9":7,"e\u0301":8,"\ud83d\ude00":9,"\"":10}"###

    static func file(
        model: String =
            ###""type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":100"###,
        vocabulary: String = vocabulary, normalizer: String = #"{"type":"BertNormalizer","lowercase":false}"#,
        preTokenizer: String = #"{"type":"BertPreTokenizer"}"#,
        processor: String = #"{"type":"BertProcessing","sep":["[SEP]",3],"cls":["[CLS]",2]}"#, rest: String = ""
    ) -> String {
        """
        {"version":"1.0","added_tokens":[],"normalizer":\(normalizer),"pre_tokenizer":\(preTokenizer),"post_processor":\(processor),
         "model":{\(model),"vocab":\(vocabulary)}\(rest)}
        """
    }

    static func read(_ files: [String: String]) throws -> WordPieceTokenizer {
        try withTemporaryFolder(files: files) { try WordPieceTokenizer(modelFolder: $0) }
    }

    static func message(_ files: [String: String]) -> String {
        do {
            _ = try read(files)
            return "no error"
        } catch {
            return "\(error)"
        }
    }

    @Test func canonicallyEquivalentTokensStayApart() throws {
        let tokenizer = try Self.read(["tokenizer.json": Self.file()])
        #expect(tokenizer.encode("\u{E9} e\u{301} 😀 ab \"") == [2, 7, 8, 9, 5, 6, 10, 3])
        #expect(tokenizer.vocabularySize == 11)
    }

    @Test func olderFilesNameNoModelType() throws {
        let model = ###""unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":100"###
        #expect(try Self.read(["tokenizer.json": Self.file(model: model)]).encode("ab") == [2, 5, 6, 3])
    }

    @Test func otherTokenizersAreNamed() {
        let cases: [(String, [String: String])] = [
            ("the model is WordLevel", ["tokenizer.json": Self.file(model: #""type":"WordLevel""#)]),
            ("the model is missing", ["tokenizer.json": Self.file(model: #""unk_token":"[UNK]""#)]),
            ("the normalizer is NFC", ["tokenizer.json": Self.file(normalizer: #"{"type":"NFC"}"#)]),
            ("the normalizer is missing", ["tokenizer.json": Self.file(normalizer: "null")]),
            (
                "the normalizer is Replace, BertNormalizer",
                [
                    "tokenizer.json": Self.file(
                        normalizer: #"{"type":"Sequence","normalizers":[{"type":"Replace"},{"type":"BertNormalizer"}]}"#
                    )
                ]
            ),
            ("the pre-tokenizer is ByteLevel", ["tokenizer.json": Self.file(preTokenizer: #"{"type":"ByteLevel"}"#)]),
            (
                "the post-processor is Other",
                ["tokenizer.json": Self.file(processor: #"{"type":"Other"}"#)]
            ),
            ("the decoder is Metaspace", ["tokenizer.json": Self.file(rest: #","decoder":{"type":"Metaspace"}"#)]),
            (
                "tokenizer_class is XLMRobertaTokenizer",
                [
                    "vocab.txt": "[UNK]\n[CLS]\n[SEP]\n",
                    "tokenizer_config.json": #"{"tokenizer_class":"XLMRobertaTokenizer"}"#,
                ]
            ),
        ]
        for (expected, files) in cases {
            let message = Self.message(files)
            #expect(message.contains(expected) && message.contains("expected"), "\(message)")
        }
    }

    @Test func damagedFilesAreNamed() {
        let cases: [(String, [String: String])] = [
            ("no tokenizer found", [:]),
            ("tokenizer.json, byte ", ["tokenizer.json": #"{"model":{"vocab":{"a":1"#]),
            ("tokenizer.json, byte ", ["tokenizer.json": Self.file(vocabulary: #"{"a":-1}"#)]),
            ("tokenizer.json, byte ", ["tokenizer.json": Self.file(vocabulary: #"{"a":99999999999}"#)]),
            ("unknown token '[UNK]'", ["tokenizer.json": Self.file(vocabulary: #"{"a":1}"#)]),
            ("unknown token '[UNK]'", ["tokenizer.json": Self.file(vocabulary: "{}")]),
            ("have ids up to 2000000000", ["tokenizer.json": Self.file(vocabulary: #"{"[UNK]":2000000000}"#)]),
            ("classifier token '[CLS]'", ["vocab.txt": "[UNK]\n[SEP]\n"]),
            ("tokenizer.json, byte ", ["tokenizer.json": Self.file() + "}"]),
            (
                "tokenizer_config.json, do_lower_case",
                ["tokenizer.json": Self.file(), "tokenizer_config.json": #"{"do_lower_case":"yes"}"#]
            ),
            ("no room", ["tokenizer.json": Self.file(), "sentence_bert_config.json": #"{"max_seq_length":1}"#]),
            (
                "the id -3 is not among the 11",
                [
                    "tokenizer.json": Self.file(
                        processor: #"{"type":"BertProcessing","sep":["[SEP]",-3],"cls":["[CLS]",2]}"#)
                ]
            ),
            (
                "do_basic_tokenize",
                ["vocab.txt": "[UNK]\n[CLS]\n[SEP]\n", "tokenizer_config.json": #"{"do_basic_tokenize":false}"#]
            ),
        ]
        for (expected, files) in cases {
            let message = Self.message(files)
            #expect(message.contains(expected), "\(message)")
        }
        // A file truncated at any byte is an error and never a crash.
        let whole = Array(Self.file().utf8)
        for length in stride(from: 0, to: whole.count, by: 5) {
            #expect(Self.message(["tokenizer.json": String(decoding: whole[..<length], as: UTF8.self)]) != "no error")
        }
    }

    @Test func lengthLimits() throws {
        let tokenizer = Self.file()
        #expect(
            Self.message(["tokenizer.json": tokenizer, "tokenizer_config.json": #"{"model_max_length":-1e300}"#])
                .contains("0 tokens have no room for the 2 special ones"))
        let truncated = Self.file(
            rest: #","truncation":{"direction":"Right","max_length":128,"strategy":"LongestFirst","stride":0}"#)
        let configuration = #"{"model_max_length":512}"#
        let unlimited = #"{"model_max_length":1000000000000000019884624838656}"#
        let cases: [(Int, [String: String])] = [
            (.max, ["tokenizer.json": tokenizer]),
            (128, ["tokenizer.json": truncated]),
            (128, ["tokenizer.json": truncated, "tokenizer_config.json": unlimited]),
            (512, ["tokenizer.json": truncated, "tokenizer_config.json": configuration]),
            (
                256,
                [
                    "tokenizer.json": truncated, "tokenizer_config.json": configuration,
                    "sentence_bert_config.json": #"{"max_seq_length":256}"#,
                ]
            ),
            (
                512,
                [
                    "tokenizer.json": tokenizer, "tokenizer_config.json": unlimited,
                    "config.json": #"{"max_position_embeddings":512}"#,
                ]
            ),
            (
                64,
                [
                    "tokenizer.json": tokenizer, "tokenizer_config.json": configuration,
                    "config.json": #"{"max_position_embeddings":64}"#,
                ]
            ),
        ]
        for (expected, files) in cases { #expect(try Self.read(files).maxLength == expected) }
    }

    /// bge's checkpoints set it although their tokenizer lower-cases already; sentence-transformers then does both.
    @Test func lowercasingBySentenceTransformers() throws {
        let files = ["tokenizer.json": Self.file(), "sentence_bert_config.json": #"{"do_lower_case":true}"#]
        #expect(try Self.read(files).encode("A \u{C9}") == [2, 5, 7, 3])
    }

    /// RoBERTa's family counts positions from behind the padding token.
    @Test func positionsBehindThePadding() throws {
        let config = #"{"max_position_embeddings":514,"pad_token_id":1,"model_type":"mpnet"}"#
        let roberta = #"{"type":"RobertaProcessing","sep":["[SEP]",3],"cls":["[CLS]",2]}"#
        let tokenizer = try Self.read(["tokenizer.json": Self.file(processor: roberta), "config.json": config])
        #expect(tokenizer.maxLength == 512 && tokenizer.encode("a") == [2, 5, 3])
    }

    @Test func vocabularyWithCarriageReturns() throws {
        let tokenizer = try Self.read(["vocab.txt": "[PAD]\r\n[UNK]\r\n[CLS]\r\n[SEP]\r\na\r\n##b"])
        #expect(tokenizer.encode("AB [SEP] c") == [2, 4, 5, 3, 1, 3])
    }
}
