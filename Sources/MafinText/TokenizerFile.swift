/// The parts of `tokenizer.json` that a BERT WordPiece tokenizer has.
struct TokenizerFile: Decodable {
    var truncation: Truncation?
    var addedTokens: [AddedToken]?
    var normalizer: Normalizer?
    var preTokenizer: Component?
    var postProcessor: PostProcessor?
    var decoder: Decoder?
    var model: Model

    enum CodingKeys: String, CodingKey {
        case truncation, normalizer, decoder, model
        case addedTokens = "added_tokens"
        case preTokenizer = "pre_tokenizer"
        case postProcessor = "post_processor"
    }

    struct Component: Decodable {
        var type: String
    }

    struct Truncation: Decodable {
        var direction: String?
        var maximumLength: Int

        enum CodingKeys: String, CodingKey {
            case direction
            case maximumLength = "max_length"
        }
    }

    struct Normalizer: Decodable {
        var type: String
        var cleansText: Bool?
        var splitsIdeographs: Bool?
        var stripsAccents: Bool?
        var lowercases: Bool?
        /// The steps of a `Sequence`.
        var steps: [Normalizer]?

        enum CodingKeys: String, CodingKey {
            case type
            case cleansText = "clean_text"
            case splitsIdeographs = "handle_chinese_chars"
            case stripsAccents = "strip_accents"
            case lowercases = "lowercase"
            case steps = "normalizers"
        }
    }

    struct PostProcessor: Decodable {
        var type: String
        // TemplateProcessing
        var single: [Piece]?
        var specialTokens: [String: SpecialToken]?
        // BertProcessing
        var separator: TokenAndIdentifier?
        var classifier: TokenAndIdentifier?

        enum CodingKeys: String, CodingKey {
            case type, single
            case specialTokens = "special_tokens"
            case separator = "sep"
            case classifier = "cls"
        }

        /// Either a special token or the place of the text.
        struct Piece: Decodable {
            var specialToken: Name?
            var sequence: Name?

            enum CodingKeys: String, CodingKey {
                case specialToken = "SpecialToken"
                case sequence = "Sequence"
            }
        }

        struct Name: Decodable {
            var id: String
        }

        struct SpecialToken: Decodable {
            var ids: [Int32]
        }

        /// A pair in an array: `["[SEP]", 102]`.
        struct TokenAndIdentifier: Decodable {
            var id: Int32

            init(from decoder: any Swift.Decoder) throws {
                var pair = try decoder.unkeyedContainer()
                _ = try pair.decode(String.self)
                id = try pair.decode(Int32.self)
            }
        }
    }

    struct Decoder: Decodable {
        var type: String
        var prefix: String?
        var cleanup: Bool?
    }

    struct Model: Decodable {
        var type: String?
        var unknownToken: String?
        var continuationPrefix: String?
        var maximumWordLength: Int?

        enum CodingKeys: String, CodingKey {
            case type
            case unknownToken = "unk_token"
            case continuationPrefix = "continuing_subword_prefix"
            case maximumWordLength = "max_input_chars_per_word"
        }
    }
}

extension TokenizerFile {
    /// The settings of a BERT WordPiece tokenizer. Throws an error that names any other component.
    func settings(path: String) throws -> TokenizerSettings {
        func unsupported(_ component: String, _ found: String?, expected: String) -> TokenizerError {
            .unsupported(path: path, component: component, found: found ?? "missing", expected: expected)
        }
        // Older files have no type. Only WordPiece has a word length.
        guard model.type == "WordPiece" || (model.type == nil && model.maximumWordLength != nil) else {
            throw unsupported("the model", model.type, expected: "WordPiece")
        }
        guard preTokenizer?.type == "BertPreTokenizer" else {
            throw unsupported("the pre-tokenizer", preTokenizer?.type, expected: "BertPreTokenizer")
        }
        var settings = TokenizerSettings()
        settings.normalizer = try normalizerSettings(path: path)
        settings.addedTokens = addedTokens ?? []
        settings.unknownToken = model.unknownToken ?? settings.unknownToken
        settings.continuationPrefix = model.continuationPrefix ?? settings.continuationPrefix
        settings.maximumWordLength = model.maximumWordLength ?? settings.maximumWordLength
        if let truncation {
            settings.maximumLength = truncation.maximumLength
            settings.truncatesLeft = truncation.direction == "Left"
        }
        if let decoder {
            guard decoder.type == "WordPiece" else {
                throw unsupported("the decoder", decoder.type, expected: "WordPiece")
            }
            settings.decoderPrefix = decoder.prefix ?? settings.decoderPrefix
            settings.cleansDecodedText = decoder.cleanup ?? settings.cleansDecodedText
        }
        (settings.prefix, settings.suffix) = try specialTokens(path: path)
        return settings
    }

    private func normalizerSettings(path: String) throws -> NormalizerSettings {
        var steps = normalizer.map { $0.type == "Sequence" ? $0.steps ?? [] : [$0] } ?? []
        let bert = steps.popLast()
        guard let bert, bert.type == "BertNormalizer", steps.allSatisfy({ $0.type == "Lowercase" }) else {
            let found = (steps + (bert.map { [$0] } ?? [])).map(\.type).joined(separator: ", ")
            throw TokenizerError.unsupported(
                path: path, component: "the normalizer", found: found.isEmpty ? "missing" : found,
                expected: "BertNormalizer, or Lowercase and BertNormalizer")
        }
        let lowercases = bert.lowercases ?? true
        return NormalizerSettings(
            cleansText: bert.cleansText ?? true, splitsIdeographs: bert.splitsIdeographs ?? true,
            stripsAccents: bert.stripsAccents ?? lowercases, lowercases: lowercases, lowercasesFirst: !steps.isEmpty)
    }

    private func specialTokens(path: String) throws -> (prefix: [Int32], suffix: [Int32]) {
        guard let postProcessor else { return ([], []) }
        switch postProcessor.type {
        case "BertProcessing":
            guard let first = postProcessor.classifier, let last = postProcessor.separator else { break }
            return ([first.id], [last.id])
        case "TemplateProcessing":
            var parts: [[Int32]] = [[]]
            for piece in postProcessor.single ?? [] {
                if let name = piece.specialToken {
                    guard let token = postProcessor.specialTokens?[name.id] else {
                        throw TokenizerError.missingToken(path: path, token: name.id, role: "token of the template")
                    }
                    parts[parts.count - 1] += token.ids
                } else {
                    parts.append([])
                }
            }
            guard parts.count == 2 else { break }
            return (parts[0], parts[1])
        default:
            throw TokenizerError.unsupported(
                path: path, component: "the post-processor", found: postProcessor.type,
                expected: "TemplateProcessing or BertProcessing")
        }
        throw TokenizerError.malformed(
            path: path, location: "post_processor",
            reason: "expected special tokens around one sequence in \(postProcessor.type)")
    }
}
