/// The parts of `tokenizer.json` that WordPiece, Unigram and byte-level BPE have, without vocabulary and merges.
struct TokenizerFile: Decodable {
    var truncation: Truncation?
    var addedTokens: [AddedToken]?
    var normalizer: Normalizer?
    var preTokenizer: PreTokenizer?
    var postProcessor: PostProcessor?
    var decoder: Decoder?
    var model: Model

    enum CodingKeys: String, CodingKey {
        case truncation, normalizer, decoder, model
        case addedTokens = "added_tokens"
        case preTokenizer = "pre_tokenizer"
        case postProcessor = "post_processor"
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
        /// The steps of a `Sequence`.
        var steps: [Normalizer]?
        // BertNormalizer
        var cleansText: Bool?
        var splitsIdeographs: Bool?
        var stripsAccents: Bool?
        var lowercases: Bool?
        /// `Precompiled`, in base64.
        var characterMap: String?
        // Strip
        var stripsLeft: Bool?
        var stripsRight: Bool?
        // Replace
        var pattern: Pattern?
        var content: String?
        /// `Prepend`
        var prepended: String?

        enum CodingKeys: String, CodingKey {
            case type, pattern, content
            case cleansText = "clean_text"
            case splitsIdeographs = "handle_chinese_chars"
            case stripsAccents = "strip_accents"
            case lowercases = "lowercase"
            case steps = "normalizers"
            case characterMap = "precompiled_charsmap"
            case stripsLeft = "strip_left"
            case stripsRight = "strip_right"
            case prepended = "prepend"
        }

        struct Pattern: Decodable {
            var text: String?
            var expression: String?

            enum CodingKeys: String, CodingKey {
                case text = "String"
                case expression = "Regex"
            }
        }

        /// The steps, with those of sequences in their place.
        var flattened: [Normalizer] { type == "Sequence" ? (steps ?? []).flatMap(\.flattened) : [self] }
    }

    struct PreTokenizer: Decodable {
        var type: String
        /// The steps of a `Sequence`.
        var steps: [PreTokenizer]?
        // Metaspace and ByteLevel
        var addsPrefixSpace: Bool?
        // Metaspace
        var replacement: String?
        var prefixRule: String?
        var splits: Bool?
        /// `ByteLevel`
        var usesExpression: Bool?

        enum CodingKeys: String, CodingKey {
            case type, replacement
            case steps = "pretokenizers"
            case addsPrefixSpace = "add_prefix_space"
            case prefixRule = "prepend_scheme"
            case splits = "split"
            case usesExpression = "use_regex"
        }

        /// The steps, with those of sequences in their place.
        var flattened: [PreTokenizer] { type == "Sequence" ? (steps ?? []).flatMap(\.flattened) : [self] }
    }

    struct PostProcessor: Decodable {
        var type: String
        /// The steps of a `Sequence`.
        var steps: [PostProcessor]?
        // TemplateProcessing
        var single: [Piece]?
        var specialTokens: [String: SpecialToken]?
        // BertProcessing and RobertaProcessing
        var separator: TokenAndIdentifier?
        var classifier: TokenAndIdentifier?

        enum CodingKeys: String, CodingKey {
            case type, single
            case steps = "processors"
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

        /// The steps, with those of sequences in their place.
        var flattened: [PostProcessor] { type == "Sequence" ? (steps ?? []).flatMap(\.flattened) : [self] }
    }

    struct Decoder: Decodable {
        var type: String
        var prefix: String?
        var cleanup: Bool?
    }

    struct Model: Decodable {
        var type: String?
        // WordPiece and BPE
        var unknownToken: String?
        var continuationPrefix: String?
        /// `WordPiece`
        var maximumWordLength: Int?
        // Unigram and BPE
        var fallsBackToBytes: Bool?
        /// `Unigram`
        var unknownIdentifier: Int?
        // BPE
        var endOfWordSuffix: String?
        var dropout: Double?
        var fusesUnknown: Bool?
        var ignoresMerges: Bool?

        enum CodingKeys: String, CodingKey {
            case type, dropout
            case unknownToken = "unk_token"
            case continuationPrefix = "continuing_subword_prefix"
            case maximumWordLength = "max_input_chars_per_word"
            case fallsBackToBytes = "byte_fallback"
            case unknownIdentifier = "unk_id"
            case endOfWordSuffix = "end_of_word_suffix"
            case fusesUnknown = "fuse_unk"
            case ignoresMerges = "ignore_merges"
        }
    }

    /// The kinds of models that can be read.
    enum Kind: String, CaseIterable {
        case wordPiece = "WordPiece"
        case unigram = "Unigram"
        case bytePair = "BPE"
    }
}

extension TokenizerFile {
    /// The kind of the model. Throws an error that names any other kind.
    func kind(path: String) throws -> Kind {
        // Older files have no type. Only WordPiece has a word length.
        if model.type == nil, model.maximumWordLength != nil { return .wordPiece }
        guard let kind = model.type.flatMap(Kind.init) else {
            throw unsupported(
                path, "the model", model.type, expected: Kind.allCases.map(\.rawValue).joined(separator: ", "))
        }
        return kind
    }

    func unsupported(_ path: String, _ component: String, _ found: String?, expected: String) -> TokenizerError {
        .unsupported(path: path, component: component, found: found ?? "missing", expected: expected)
    }

    /// The special tokens around a text, and where the file cuts it.
    func frame(path: String) throws -> TokenFrame {
        var frame = TokenFrame()
        if let truncation {
            frame.maximumLength = truncation.maximumLength
            frame.truncatesLeft = truncation.direction == "Left"
        }
        // `ByteLevel` only changes offsets.
        for processor in postProcessor?.flattened ?? [] where processor.type != "ByteLevel" {
            guard frame.prefix.isEmpty, frame.suffix.isEmpty else {
                throw TokenizerError.malformed(
                    path: path, location: "post_processor", reason: "two steps add special tokens")
            }
            (frame.prefix, frame.suffix) = try specialTokens(processor, path: path)
        }
        return frame
    }

    private func specialTokens(_ processor: PostProcessor, path: String) throws -> ([Int32], [Int32]) {
        switch processor.type {
        case "BertProcessing", "RobertaProcessing":
            guard let first = processor.classifier, let last = processor.separator else { break }
            return ([first.id], [last.id])
        case "TemplateProcessing":
            var parts: [[Int32]] = [[]]
            for piece in processor.single ?? [] {
                if let name = piece.specialToken {
                    guard let token = processor.specialTokens?[name.id] else {
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
            throw unsupported(
                path, "the post-processor", processor.type,
                expected: "TemplateProcessing, BertProcessing, RobertaProcessing, ByteLevel or a Sequence of them")
        }
        throw TokenizerError.malformed(
            path: path, location: "post_processor",
            reason: "expected special tokens around one sequence in \(processor.type)")
    }
}
