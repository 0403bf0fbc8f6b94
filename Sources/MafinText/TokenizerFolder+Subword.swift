import Foundation
import MafinNumerics

extension TokenizerFolder {
    func subwordTokenizer(
        _ givenFrame: TokenFrame, _ tokens: [AddedToken], _ givenNormalizer: TextNormalizer,
        _ words: SubwordTokenizer.WordRule, _ model: SubwordTokenizer.Model, _ path: String,
        _ configuration: TokenizerConfigurationFile?
    ) throws -> SubwordTokenizer {
        var (frame, normalizer) = (givenFrame, givenNormalizer)
        try check(tokens, model.vocabulary, path)
        if try readLimits(&frame, configuration) { normalizer.steps.insert(.lowercase, at: 0) }
        do {
            return SubwordTokenizer(
                frame: frame, addedTokens: try AddedTokens(tokens, normalize: normalizer.normalized),
                normalizer: normalizer, words: words, model: model)
        } catch {
            throw malformed(path, "added_tokens", error.reason)
        }
    }

    /// Reads `vocab.json` and `merges.txt` of RoBERTa.
    func readMergeList(
        _ vocabularyFile: [UInt8], _ mergesFile: [UInt8], _ configuration: TokenizerConfigurationFile?
    ) throws -> SubwordTokenizer {
        try requireClass(["RobertaTokenizer", "RobertaTokenizerFast"], "roberta", configuration)
        let path = self.path("vocab.json")
        let vocabulary: Vocabulary
        do {
            vocabulary = try Vocabulary(VocabularyEntries(json: vocabularyFile))
        } catch let error as JSONSyntaxError {
            throw malformed(path, "byte \(error.offset)", error.reason)
        } catch let failure as Vocabulary.Failure {
            throw malformed(path, "vocabulary", failure.reason)
        }
        var merges = VocabularyEntries()
        let lines = mergesFile.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        for (number, given) in lines.enumerated() {
            let line = given.last == UInt8(ascii: "\r") ? given.dropLast() : given
            if line.starts(with: "#version".utf8) || (line.isEmpty && number == lines.count - 1) { continue }
            guard merges.append(merge: line) else {
                throw malformed(
                    self.path("merges.txt"), "line \(number + 1)", "expected two tokens and a space between them")
            }
        }
        let model = try BytePairModel(
            vocabulary, merges, unknownToken: nil, fusesUnknown: false, keepsWholeTokens: false,
            failure: { malformed(self.path("merges.txt"), "merges", $0) })

        func token(_ name: TokenizerConfigurationFile.TokenName?, _ standard: String, _ role: String) throws
            -> AddedToken
        {
            let content = name?.content ?? standard
            guard let id = vocabulary.identifier(of: content.utf8) else {
                throw TokenizerError.missingToken(path: path, token: content, role: role)
            }
            return AddedToken(content: content, id: id)
        }
        let classifier = try token(configuration?.classifierToken, "<s>", "classifier token")
        let separator = try token(configuration?.separatorToken, "</s>", "separator token")
        let padding = try? token(configuration?.paddingToken, "<pad>", "padding token")
        let unknown = try? token(configuration?.unknownToken, "<unk>", "unknown token")
        let mask = try? token(configuration?.maskToken, "<mask>", "mask token")
        let tokens = try added([classifier, separator, padding, unknown, mask].compactMap { $0 }, configuration)
        return try subwordTokenizer(
            TokenFrame(prefix: [classifier.id], suffix: [separator.id]), tokens, TextNormalizer(),
            .byteLevel(addsSpace: configuration?.addsPrefixSpace ?? false, splits: true), .bytePair(model), path,
            configuration)
    }

    /// Reads a SentencePiece model of XLM-RoBERTa or T5.
    ///
    /// XLM-RoBERTa's ids are those of fairseq: 0 to 3 are `<s>`, `<pad>`, `</s>` and `<unk>`, the pieces from place 3 on
    /// have their place plus 1, and `<mask>` comes last. T5's ids are the places.
    func readSentencePiece(_ bytes: [UInt8], _ path: String, _ configuration: TokenizerConfigurationFile?) throws
        -> SubwordTokenizer
    {
        let names = ["XLMRoberta", "T5"].flatMap { ["\($0)Tokenizer", "\($0)TokenizerFast"] }
        let isT5 = try requireClass(names, nil, configuration).hasPrefix("T5")
        let file: SentencePieceFile
        do {
            file = try SentencePieceFile(bytes)
        } catch {
            throw malformed(path, "byte \(error.offset)", error.reason)
        }
        guard file.modelName == "Unigram" else {
            throw TokenizerError.unsupported(
                path: path, component: "trainer_spec.model_type", found: file.modelName, expected: "Unigram")
        }
        guard !file.putsSpacesBehind else {
            throw TokenizerError.unsupported(
                path: path, component: "trainer_spec.treat_whitespace_as_suffix", found: "true", expected: "false")
        }
        let tokens: [AddedToken]
        let frame: TokenFrame
        if isT5 {
            let special = (file.places(of: .control) + file.places(of: .unknown)).map { place in
                AddedToken(content: String(decoding: file.pieces.token(place), as: UTF8.self), id: Int32(place))
            }
            guard let end = special.first(where: { $0.content == "</s>" }) else {
                throw TokenizerError.missingToken(path: path, token: "</s>", role: "end token")
            }
            (tokens, frame) = (try added(special, configuration), TokenFrame(suffix: [end.id]))
        } else {
            let first = ["<s>", "<pad>", "</s>", "<unk>"].enumerated().map {
                AddedToken(content: $0.element, id: Int32($0.offset))
            }
            let special = first + [AddedToken(content: "<mask>", id: Int32(file.pieces.count + 1))]
            (tokens, frame) = (try added(special, configuration), TokenFrame(prefix: [0], suffix: [2]))
        }
        do {
            let (model, splits) = try file.model { place in
                if isT5 { return Int32(place) }
                return file.kinds[place] == .unknown ? 3 : Int32(place + 1)
            }
            return try subwordTokenizer(
                frame, tokens, TextNormalizer(steps: [.sentencePiece(try file.normalizer())]), .marked(splits: splits),
                .unigram(model), path, configuration)
        } catch let failure as SentencePieceFile.Failure {
            throw malformed(path, failure.field, failure.reason)
        }
    }

    /// The tokens of `added_tokens_decoder`, and those of a list that are not among them.
    private func added(_ tokens: [AddedToken], _ configuration: TokenizerConfigurationFile?) throws -> [AddedToken] {
        let named = try addedTokens(configuration)
        return named + tokens.filter { token in !named.contains { $0.content.utf8.elementsEqual(token.content.utf8) } }
    }

    /// The class in `tokenizer_config.json`, else the class of the encoder in `config.json`, which must be known.
    ///
    /// - Parameter standard: the type of encoder if neither file names one; `nil`: one must.
    @discardableResult
    private func requireClass(
        _ names: [String], _ standard: String?, _ configuration: TokenizerConfigurationFile?
    ) throws -> String {
        var file = "tokenizer_config.json"
        var found = configuration?.tokenizerClass
        if found == nil {
            let type = try decode(EncoderLimitsFile.self, "config.json")?.modelType ?? standard
            file = "config.json"
            found =
                ["roberta": "RobertaTokenizer", "xlm-roberta": "XLMRobertaTokenizer", "t5": "T5Tokenizer"][type ?? ""]
                ?? type
        }
        guard let found, names.contains(found) else {
            throw TokenizerError.unsupported(
                path: path(file), component: "tokenizer_class", found: found ?? "missing",
                expected: "one of \(names.joined(separator: ", "))")
        }
        return found
    }
}
