import Foundation
import MafinNumerics

/// Reads a tokenizer from the files of a checkpoint.
struct TokenizerFolder {
    let folder: URL

    /// Reads the first of the kinds in the table of ``readTokenizer(modelFolder:)`` whose files exist.
    func read() throws -> any Tokenizer {
        let configuration = try decode(TokenizerConfigurationFile.self, "tokenizer_config.json")
        let tokenizer: any Tokenizer
        if let file = try bytes("tokenizer.json") {
            tokenizer = try readTokenizerFile(file, path("tokenizer.json"), configuration)
        } else if let file = try bytes("vocab.txt") {
            tokenizer = try readWordList(file, path("vocab.txt"), configuration)
        } else if let vocabulary = try bytes("vocab.json"), let merges = try bytes("merges.txt") {
            tokenizer = try readMergeList(vocabulary, merges, configuration)
        } else if let name = TokenizerFiles.sentencePieceModels.first(where: exists), let file = try bytes(name) {
            tokenizer = try readSentencePiece(file, path(name), configuration)
        } else {
            throw TokenizerError.noTokenizer(folder: folder.path)
        }
        for id in tokenizer.frame.prefix + tokenizer.frame.suffix where id < 0 || id >= tokenizer.vocabularySize {
            throw malformed(
                folder.path, "special tokens",
                "the id \(id) is not among the \(tokenizer.vocabularySize) of the vocabulary")
        }
        return tokenizer
    }

    /// Reads `tokenizer.json`.
    private func readTokenizerFile(
        _ file: [UInt8], _ path: String, _ configuration: TokenizerConfigurationFile?
    ) throws -> any Tokenizer {
        let parts: SeparatedModel
        do {
            parts = try SeparatedModel(file)
        } catch let error as JSONSyntaxError {
            throw malformed(path, "byte \(error.offset)", error.reason)
        }
        let settings = try decode(TokenizerFile.self, Data(parts.settings), path)
        let kind = try settings.kind(path: path)
        guard kind != .wordPiece else {
            let settings = try settings.wordPieceSettings(path: path)
            guard let entries = parts.vocabulary, parts.scores == nil else {
                throw malformed(path, "model.vocab", "expected an object of tokens and ids")
            }
            return try wordPieceTokenizer(settings, entries, path, configuration)
        }
        let words: SubwordTokenizer.WordRule
        let model: SubwordTokenizer.Model
        let normalizer = try settings.textNormalizer(path: path)
        if kind == .unigram {
            words = try settings.unigramWords(path: path)
            model = .unigram(try settings.unigramModel(parts, path: path))
        } else {
            words = try settings.bytePairWords(path: path)
            model = .bytePair(try settings.bytePairModel(parts, path: path))
        }
        return try subwordTokenizer(
            settings.frame(path: path), settings.addedTokens ?? [], normalizer, words, model, path, configuration)
    }

    // MARK: What all kinds share

    /// Checks the ids of added tokens against the vocabulary.
    func check(_ tokens: [AddedToken], _ vocabulary: Vocabulary, _ path: String) throws {
        for token in tokens {
            if token.id < 0 {
                throw malformed(path, "added_tokens", "'\(token.content)' has the negative id \(token.id)")
            }
            if let id = vocabulary.identifier(of: token.content.utf8), id != token.id {
                throw malformed(
                    path, "added_tokens", "'\(token.content)' has id \(token.id), but \(id) in the vocabulary")
            }
        }
    }

    /// Reads the limit of the text length, with the precedence of sentence-transformers. It is at most the number of
    /// the encoder's positions.
    /// - Returns: whether sentence-transformers lower-cases before everything else.
    func readLimits(_ frame: inout TokenFrame, _ configuration: TokenizerConfigurationFile?) throws -> Bool {
        let encoder = try decode(SentenceEncoderFile.self, "sentence_bert_config.json")
        let limits = try decode(EncoderLimitsFile.self, "config.json")
        if let side = configuration?.truncationSide { frame.truncatesLeft = side == "left" }
        if let length = encoder?.maximumLength {
            frame.maximumLength = length
        } else if let length = configuration?.maximumLength, length < Double(Int32.max) {
            frame.maximumLength = Int(max(length, 0))
        }
        if let positions = limits?.usablePositions, positions > 0 {
            frame.maximumLength = min(frame.maximumLength, positions)
        }
        let needed = frame.prefix.count + frame.suffix.count
        guard frame.maximumLength >= needed else {
            throw malformed(
                folder.path, "maximum length",
                "\(frame.maximumLength) tokens have no room for the \(needed) special ones")
        }
        return encoder?.lowercases == true
    }

    // MARK: Files

    func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

    func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path(name)) }

    func malformed(_ path: String, _ location: String, _ reason: String) -> TokenizerError {
        .malformed(path: path, location: location, reason: reason)
    }

    /// The bytes of a file; `nil` if it does not exist.
    private func bytes(_ name: String) throws -> [UInt8]? {
        guard exists(name) else { return nil }
        do {
            return [UInt8](try Data(contentsOf: URL(fileURLWithPath: path(name))))
        } catch {
            throw TokenizerError.unreadable(path: path(name), reason: error.localizedDescription)
        }
    }

    func decode<File: Decodable>(_ type: File.Type, _ name: String) throws -> File? {
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
