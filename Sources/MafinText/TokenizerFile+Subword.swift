import Foundation

extension TokenizerFile {
    /// The normalizer of a Unigram or BPE tokenizer. Throws an error that names a step that is not known.
    func textNormalizer(path: String) throws -> TextNormalizer {
        TextNormalizer(steps: try (normalizer?.flattened ?? []).compactMap { try step($0, path) })
    }

    private func step(_ step: Normalizer, _ path: String) throws -> NormalizationStep? {
        if let form = UnicodeForm.named(step.type) { return .form(form) }
        switch step.type {
        case "Precompiled":
            // A map that is null changes nothing.
            guard let text = step.characterMap else { return nil }
            guard let blob = Data(base64Encoded: text) else {
                throw malformed(path, "normalizer.precompiled_charsmap", "expected base64")
            }
            do {
                return .precompiled(PrecompiledStep(try CharacterMap([UInt8](blob))))
            } catch {
                throw malformed(path, "normalizer.precompiled_charsmap", error.reason)
            }
        case "Lowercase": return .lowercase
        case "Strip": return .strip(left: step.stripsLeft ?? true, right: step.stripsRight ?? true)
        case "Replace":
            let content = Array((step.content ?? "").utf8)
            if let text = step.pattern?.text, !text.isEmpty { return .replace(Array(text.utf8), with: content) }
            guard step.pattern?.expression == " {2,}" else {
                throw unsupported(
                    path, "the pattern of the normalizer's Replace",
                    step.pattern.map { "'\($0.expression ?? $0.text ?? "")'" },
                    expected: "a String, or the Regex ' {2,}'")
            }
            return .replaceSpaces(with: content)
        case "Prepend": return .prepend(Array((step.prepended ?? "").utf8))
        default:
            throw unsupported(
                path, "the normalizer", step.type,
                expected:
                    "Precompiled, NFC, NFD, NFKC, NFKD, Lowercase, Strip, Replace, Prepend or a Sequence of them")
        }
    }

    /// How a Unigram tokenizer splits a text into words.
    func unigramWords(path: String) throws -> SubwordTokenizer.WordRule {
        var steps = preTokenizer?.flattened ?? []
        if steps.isEmpty { return .marked(splits: false) }
        var rule = SubwordTokenizer.MarkRule()
        if steps.first?.type == "WhitespaceSplit" {
            rule.splitsAtSpace = true
            steps.removeFirst()
        }
        guard steps.count == 1, let step = steps.first, step.type == "Metaspace" else {
            throw unsupported(
                path, "the pre-tokenizer", preTokenizer?.flattened.map(\.type).joined(separator: ", "),
                expected: "Metaspace, or WhitespaceSplit and Metaspace")
        }
        if let text = step.replacement {
            guard let mark = text.unicodeScalars.first, text.unicodeScalars.count == 1 else {
                throw malformed(path, "pre_tokenizer.replacement", "expected one character, found '\(text)'")
            }
            rule.mark = SpaceMark(mark)
        }
        if let name = step.prefixRule {
            guard let prefix = SubwordTokenizer.MarkRule.Prefix(rawValue: name) else {
                throw unsupported(path, "prepend_scheme", name, expected: "always, first or never")
            }
            rule.prefix = prefix
        } else if step.addsPrefixSpace == false {
            rule.prefix = .never
        }
        rule.splits = step.splits ?? true
        return .marks(rule)
    }

    /// How a BPE tokenizer splits a text into words.
    func bytePairWords(path: String) throws -> SubwordTokenizer.WordRule {
        let steps = preTokenizer?.flattened ?? []
        guard steps.count == 1, let step = steps.first, step.type == "ByteLevel" else {
            throw unsupported(
                path, "the pre-tokenizer", steps.isEmpty ? nil : steps.map(\.type).joined(separator: ", "),
                expected: "ByteLevel")
        }
        return .byteLevel(addsSpace: step.addsPrefixSpace ?? true, splits: step.usesExpression ?? true)
    }

    /// The Unigram model of a list of tokens and scores.
    func unigramModel(_ parts: SeparatedModel, path: String) throws -> UnigramModel {
        guard let entries = parts.vocabulary, let scores = parts.scores, let least = scores.min() else {
            throw malformed(path, "model.vocab", "expected a list of tokens and scores of a Unigram model")
        }
        guard let unknown = model.unknownIdentifier, scores.indices.contains(unknown) else {
            throw malformed(
                path, "model.unk_id",
                "expected a place in the vocabulary of \(scores.count) tokens, found \(model.unknownIdentifier.map(String.init) ?? "none")"
            )
        }
        let vocabulary = try vocabulary(entries, path)
        let bytes = (0..<256).map { vocabulary.identifier(of: SentencePieceFile.byteToken($0).utf8) ?? -1 }
        return UnigramModel(
            vocabulary: vocabulary, scores: scores, unknown: Int32(unknown), leastScore: least,
            byteTokens: model.fallsBackToBytes == true ? bytes : nil, isContinuous: false)
    }

    /// The BPE model of a vocabulary and merges.
    func bytePairModel(_ parts: SeparatedModel, path: String) throws -> BytePairModel {
        for (field, found) in [
            ("model.continuing_subword_prefix", model.continuationPrefix ?? ""),
            ("model.end_of_word_suffix", model.endOfWordSuffix ?? ""),
            ("model.dropout", model.dropout.map { $0 == 0 ? "" : "\($0)" } ?? ""),
            ("model.byte_fallback", model.fallsBackToBytes == true ? "true" : ""),
        ] where !found.isEmpty {
            throw unsupported(path, field, "'\(found)'", expected: "none")
        }
        guard let entries = parts.vocabulary, parts.scores == nil else {
            throw malformed(path, "model.vocab", "expected an object of tokens and ids of a BPE model")
        }
        guard let merges = parts.merges else {
            throw malformed(path, "model.merges", "expected a list of pairs of tokens")
        }
        return try BytePairModel(
            vocabulary(entries, path), merges, unknownToken: model.unknownToken,
            fusesUnknown: model.fusesUnknown ?? false, keepsWholeTokens: model.ignoresMerges ?? false,
            failure: { malformed(path, "model.merges", $0) })
    }

    private func vocabulary(_ entries: VocabularyEntries, _ path: String) throws -> Vocabulary {
        do {
            return try Vocabulary(entries)
        } catch {
            throw malformed(path, "model.vocab", error.reason)
        }
    }

    private func malformed(_ path: String, _ location: String, _ reason: String) -> TokenizerError {
        .malformed(path: path, location: location, reason: reason)
    }
}

extension BytePairModel {
    /// A model whose merges are tokens as they are written in the vocabulary, two for each merge.
    ///
    /// - Parameter failure: the error for a reason why the merges are wrong.
    convenience init(
        _ vocabulary: Vocabulary, _ merges: VocabularyEntries, unknownToken: String?, fusesUnknown: Bool,
        keepsWholeTokens: Bool, failure: (String) -> TokenizerError
    ) throws {
        func identifier(_ token: ArraySlice<UInt8>, _ place: Int) throws -> Int32 {
            if let id = vocabulary.identifier(of: token) { return id }
            let text = String(decoding: token, as: UTF8.self)
            throw failure("merge \(place / 2) needs '\(text)', which is not in the vocabulary")
        }
        var ids: [(left: Int32, right: Int32, merged: Int32)] = []
        ids.reserveCapacity(merges.count / 2)
        for place in stride(from: 0, to: merges.count - 1, by: 2) {
            let (left, right) = (merges.token(place), merges.token(place + 1))
            let merged = try identifier(left + right, place)
            ids.append((try identifier(left, place), try identifier(right, place), merged))
        }
        // Vocabularies with all bytes name unknown tokens that they do not have.
        let unknown = unknownToken.flatMap { vocabulary.identifier(of: $0.utf8) }
        self.init(
            vocabulary: vocabulary, merges: ids, unknown: unknown, fusesUnknown: fusesUnknown,
            keepsWholeTokens: keepsWholeTokens)
    }
}
