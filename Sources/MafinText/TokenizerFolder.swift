import Foundation
import MafinNumerics

/// Reads a tokenizer from the files of a checkpoint.
struct TokenizerFolder {
    let folder: URL

    /// Classes of transformers that are BERT's tokenizer under another name.
    private static let bertClasses = ["Bert", "DistilBert", "Electra", "MobileBert"].flatMap {
        ["\($0)Tokenizer", "\($0)TokenizerFast"]
    }

    /// Reads `tokenizer.json` if it exists, otherwise `vocab.txt` and `tokenizer_config.json`.
    func read() throws -> (settings: TokenizerSettings, vocabulary: Vocabulary) {
        let configuration = try decode(TokenizerConfigurationFile.self, "tokenizer_config.json")
        var settings: TokenizerSettings
        let entries: VocabularyEntries
        let path: String
        if let file = try bytes("tokenizer.json") {
            path = self.path("tokenizer.json")
            (settings, entries) = try readTokenizer(file, path)
        } else if let file = try bytes("vocab.txt") {
            path = self.path("vocab.txt")
            entries = VocabularyEntries(lines: file)
            settings = try settingsOfVocabulary(configuration)
        } else {
            throw TokenizerError.noTokenizer(folder: folder.path)
        }
        guard settings.maximumWordLength > 0 else {
            throw malformed(
                path, "max_input_chars_per_word", "expected at least 1, found \(settings.maximumWordLength)")
        }
        let vocabulary: Vocabulary
        do {
            vocabulary = try Vocabulary(
                entries, continuationPrefix: settings.continuationPrefix, unknownToken: settings.unknownToken,
                maximumWordLength: settings.maximumWordLength)
        } catch {
            throw malformed(path, "vocabulary", error.reason)
        }
        if path.hasSuffix("vocab.txt") { try addSpecialTokens(&settings, configuration, vocabulary) }
        for token in settings.addedTokens {
            if let id = vocabulary.identifier(of: token.content.utf8), id != token.id {
                throw malformed(
                    path, "added_tokens", "'\(token.content)' has id \(token.id), but \(id) in the vocabulary")
            }
        }
        try readLimits(&settings, configuration)
        return (settings, vocabulary)
    }

    // MARK: The two sources

    private func readTokenizer(_ file: [UInt8], _ path: String) throws -> (TokenizerSettings, VocabularyEntries) {
        let rest: [UInt8]
        let entries: VocabularyEntries?
        do {
            (rest, entries) = try VocabularyEntries.separate(file)
        } catch let error as JSONSyntaxError {
            throw malformed(path, "byte \(error.offset)", error.reason)
        }
        let settings = try decode(TokenizerFile.self, Data(rest), path).settings(path: path)
        guard let entries else { throw malformed(path, "model.vocab", "expected an object of tokens and ids") }
        return (settings, entries)
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
        if FileManager.default.fileExists(atPath: self.path("added_tokens.json")), configuration?.addedTokens == nil {
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
        settings.prefix = [try id(of: classifier, "classifier token")]
        settings.suffix = [try id(of: separator, "separator token")]

        for (key, var fields) in configuration?.addedTokens ?? [:] {
            guard let id = Int32(key) else {
                throw malformed(path("tokenizer_config.json"), "added_tokens_decoder", "'\(key)' is not an id")
            }
            fields.token.id = id
            settings.addedTokens.append(fields.token)
        }
        settings.addedTokens.sort { $0.id < $1.id }
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

    /// Reads the limit of the text length, with the precedence of sentence-transformers. It is at most the number of
    /// the encoder's positions.
    private func readLimits(_ settings: inout TokenizerSettings, _ configuration: TokenizerConfigurationFile?) throws {
        let encoder = try decode(SentenceEncoderFile.self, "sentence_bert_config.json")
        let limits = try decode(EncoderLimitsFile.self, "config.json")
        if encoder?.lowercases == true { settings.normalizer.lowercasesFirst = true }
        if let side = configuration?.truncationSide { settings.truncatesLeft = side == "left" }
        if let length = encoder?.maximumLength {
            settings.maximumLength = length
        } else if let length = configuration?.maximumLength, length < Double(Int32.max) {
            settings.maximumLength = Int(max(length, 0))
        }
        if let positions = limits?.maximumPositions, positions > 0 {
            settings.maximumLength = min(settings.maximumLength, positions)
        }
        let needed = settings.prefix.count + settings.suffix.count
        guard settings.maximumLength >= needed else {
            throw malformed(
                folder.path, "maximum length",
                "\(settings.maximumLength) tokens have no room for the \(needed) special ones")
        }
    }

    // MARK: Files

    private func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

    private func malformed(_ path: String, _ location: String, _ reason: String) -> TokenizerError {
        .malformed(path: path, location: location, reason: reason)
    }

    /// The bytes of a file; `nil` if it does not exist.
    private func bytes(_ name: String) throws -> [UInt8]? {
        let path = self.path(name)
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        do {
            return [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        } catch {
            throw TokenizerError.unreadable(path: path, reason: error.localizedDescription)
        }
    }

    private func decode<File: Decodable>(_ type: File.Type, _ name: String) throws -> File? {
        guard let bytes = try bytes(name) else { return nil }
        return try decode(type, Data(bytes), path(name))
    }

    private func decode<File: Decodable>(_ type: File.Type, _ data: Data, _ path: String) throws -> File {
        do {
            return try JSONDecoder().decode(type, from: data)
        } catch let error as DecodingError {
            let (field, reason) = error.fault
            throw malformed(path, field.isEmpty ? "JSON" : field, reason)
        }
    }
}
