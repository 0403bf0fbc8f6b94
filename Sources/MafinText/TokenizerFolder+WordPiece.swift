import Foundation

extension TokenizerFolder {
    /// Classes of transformers that are BERT's tokenizer under another name.
    private static let bertClasses = ["Bert", "DistilBert", "Electra", "MobileBert"].flatMap {
        ["\($0)Tokenizer", "\($0)TokenizerFast"]
    }

    func wordPieceTokenizer(
        _ given: TokenizerSettings, _ entries: VocabularyEntries, _ path: String,
        _ configuration: TokenizerConfigurationFile?
    ) throws -> WordPieceTokenizer {
        var settings = given
        guard settings.maximumWordLength > 0 else {
            throw malformed(
                path, "max_input_chars_per_word", "expected at least 1, found \(settings.maximumWordLength)")
        }
        do {
            let vocabulary = try Vocabulary(
                entries, continuationPrefix: settings.continuationPrefix, unknownToken: settings.unknownToken,
                maximumWordLength: settings.maximumWordLength)
            if path.hasSuffix("vocab.txt") { try addSpecialTokens(&settings, configuration, vocabulary) }
            try check(settings.addedTokens, vocabulary, path)
            if try readLimits(&settings.frame, configuration) { settings.normalizer.lowercasesFirst = true }
            return try WordPieceTokenizer(settings: settings, vocabulary: vocabulary)
        } catch let failure as Vocabulary.Failure {
            throw malformed(path, "vocabulary", failure.reason)
        }
    }

    /// Reads `vocab.txt`, with the settings of `tokenizer_config.json`.
    func readWordList(_ file: [UInt8], _ path: String, _ configuration: TokenizerConfigurationFile?) throws
        -> WordPieceTokenizer
    {
        try wordPieceTokenizer(
            settingsOfVocabulary(configuration), VocabularyEntries(lines: file), path, configuration)
    }

    private func settingsOfVocabulary(_ configuration: TokenizerConfigurationFile?) throws -> TokenizerSettings {
        func unsupported(_ component: String, _ found: String, expected: String) -> TokenizerError {
            .unsupported(
                path: path("tokenizer_config.json"), component: component, found: found, expected: expected)
        }
        // Without tokenizer_config.json, the defaults of BERT's own tokenizer apply.
        if let name = configuration?.tokenizerClass, !Self.bertClasses.contains(name) {
            let known = Self.bertClasses.joined(separator: ", ")
            throw unsupported("tokenizer_class", name, expected: "one of \(known)")
        }
        if configuration?.splitsBasically == false {
            throw unsupported("do_basic_tokenize", "false", expected: "true")
        }
        if let words = configuration?.neverSplit, !words.isEmpty {
            throw unsupported(
                "never_split", words.joined(separator: ", "), expected: "nothing (or tokenizer.json)")
        }
        if exists("added_tokens.json"), configuration?.addedTokens == nil {
            throw TokenizerError.unsupported(
                path: self.path("added_tokens.json"), component: "the list of added tokens",
                found: "a file without their properties",
                expected: "tokenizer.json, or added_tokens_decoder in tokenizer_config.json")
        }
        var settings = TokenizerSettings()
        let lowercases = configuration?.lowercases ?? true
        settings.normalizer = NormalizerSettings(
            splitsIdeographs: configuration?.splitsIdeographs ?? true,
            stripsAccents: configuration?.stripsAccents ?? lowercases, lowercases: lowercases)
        settings.unknownToken = configuration?.unknownToken?.content ?? "[UNK]"
        return settings
    }

    /// With `vocab.txt` the ids of the special tokens come from the vocabulary.
    private func addSpecialTokens(
        _ settings: inout TokenizerSettings, _ configuration: TokenizerConfigurationFile?, _ vocabulary: Vocabulary
    ) throws {
        func id(of token: String, _ role: String) throws -> Int32 {
            guard let id = vocabulary.identifier(of: token.utf8) else {
                throw TokenizerError.missingToken(path: path("vocab.txt"), token: token, role: role)
            }
            return id
        }
        let classifier = configuration?.classifierToken?.content ?? "[CLS]"
        let separator = configuration?.separatorToken?.content ?? "[SEP]"
        settings.frame.prefix = [try id(of: classifier, "classifier token")]
        settings.frame.suffix = [try id(of: separator, "separator token")]

        settings.addedTokens = try addedTokens(configuration)
        let padding = configuration?.paddingToken?.content ?? "[PAD]"
        let mask = configuration?.maskToken?.content ?? "[MASK]"
        for token in [settings.unknownToken, separator, padding, classifier, mask]
        where !settings.addedTokens.contains(where: { $0.content.utf8.elementsEqual(token.utf8) }) {
            // Padding and masks are not needed to encode a text, so a vocabulary may lack them.
            if let id = vocabulary.identifier(of: token.utf8) {
                settings.addedTokens.append(AddedToken(content: token, id: id))
            }
        }
    }

    /// The tokens of `added_tokens_decoder`, by id.
    func addedTokens(_ configuration: TokenizerConfigurationFile?) throws -> [AddedToken] {
        var tokens: [AddedToken] = []
        for (key, var fields) in configuration?.addedTokens ?? [:] {
            guard let id = Int32(key) else {
                throw malformed(path("tokenizer_config.json"), "added_tokens_decoder", "'\(key)' is not an id")
            }
            fields.token.id = id
            tokens.append(fields.token)
        }
        return tokens.sorted { $0.id < $1.id }
    }
}
