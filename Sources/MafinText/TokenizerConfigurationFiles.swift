/// The parts of `tokenizer_config.json` that are needed beside `tokenizer.json` or instead of it.
struct TokenizerConfigurationFile: Decodable {
    var tokenizerClass: String?
    var lowercases: Bool?
    var stripsAccents: Bool?
    var splitsIdeographs: Bool?
    var splitsBasically: Bool?
    var addsPrefixSpace: Bool?
    var neverSplit: [String]?
    /// A floating-point number, because transformers writes 1e30 for "no limit".
    var maximumLength: Double?
    var truncationSide: String?
    var unknownToken: TokenName?
    var separatorToken: TokenName?
    var paddingToken: TokenName?
    var classifierToken: TokenName?
    var maskToken: TokenName?
    var addedTokens: [String: AddedTokenFields]?

    enum CodingKeys: String, CodingKey {
        case tokenizerClass = "tokenizer_class"
        case lowercases = "do_lower_case"
        case stripsAccents = "strip_accents"
        case splitsIdeographs = "tokenize_chinese_chars"
        case splitsBasically = "do_basic_tokenize"
        case addsPrefixSpace = "add_prefix_space"
        case neverSplit = "never_split"
        case maximumLength = "model_max_length"
        case truncationSide = "truncation_side"
        case unknownToken = "unk_token"
        case separatorToken = "sep_token"
        case paddingToken = "pad_token"
        case classifierToken = "cls_token"
        case maskToken = "mask_token"
        case addedTokens = "added_tokens_decoder"
    }

    /// Either a string or an object with `content`.
    struct TokenName: Decodable {
        var content: String

        private struct Fields: Decodable {
            var content: String
        }

        init(from decoder: any Decoder) throws {
            if let name = try? decoder.singleValueContainer().decode(String.self) {
                content = name
            } else {
                content = try Fields(from: decoder).content
            }
        }
    }

    /// A token, whose id is its key.
    struct AddedTokenFields: Decodable {
        var token: AddedToken

        init(from decoder: any Decoder) throws {
            let fields = try decoder.container(keyedBy: AddedToken.CodingKeys.self)
            func flag(_ key: AddedToken.CodingKeys) throws -> Bool? {
                try fields.decodeIfPresent(Bool.self, forKey: key)
            }
            token = AddedToken(content: try fields.decode(String.self, forKey: .content), id: -1)
            token.isSpecial = try flag(.isSpecial) ?? false
            token.isNormalized = try flag(.isNormalized) ?? !token.isSpecial
            token.isSingleWord = try flag(.isSingleWord) ?? false
            token.stripsLeft = try flag(.stripsLeft) ?? false
            token.stripsRight = try flag(.stripsRight) ?? false
        }
    }
}

/// `sentence_bert_config.json`, which takes precedence over the tokenizer's own files in sentence-transformers.
struct SentenceEncoderFile: Decodable {
    var maximumLength: Int?
    var lowercases: Bool?

    enum CodingKeys: String, CodingKey {
        case maximumLength = "max_seq_length"
        case lowercases = "do_lower_case"
    }
}

/// The parts of the encoder's `config.json` that limit the length of a text, and that say which encoder it is.
struct EncoderLimitsFile: Decodable {
    var modelType: String?
    var maximumPositions: Int?
    var paddingToken: Int?

    enum CodingKeys: String, CodingKey {
        case modelType = "model_type"
        case maximumPositions = "max_position_embeddings"
        case paddingToken = "pad_token_id"
    }

    /// The number of positions that tokens can have. Encoders of RoBERTa's family count from behind the padding token.
    var usablePositions: Int? {
        let isOffset = ["roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "mpnet"].contains(modelType ?? "")
        return maximumPositions.map { isOffset ? $0 - max(0, paddingToken ?? 1) - 1 : $0 }
    }
}
