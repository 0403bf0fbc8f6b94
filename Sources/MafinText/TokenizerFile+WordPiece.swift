extension TokenizerFile {
    /// The settings of a BERT WordPiece tokenizer. Throws an error that names any other component.
    func wordPieceSettings(path: String) throws -> TokenizerSettings {
        guard preTokenizer?.type == "BertPreTokenizer" else {
            throw unsupported(path, "the pre-tokenizer", preTokenizer?.type, expected: "BertPreTokenizer")
        }
        var settings = TokenizerSettings()
        settings.normalizer = try bertNormalizer(path: path)
        settings.addedTokens = addedTokens ?? []
        settings.unknownToken = model.unknownToken ?? settings.unknownToken
        settings.continuationPrefix = model.continuationPrefix ?? settings.continuationPrefix
        settings.maximumWordLength = model.maximumWordLength ?? settings.maximumWordLength
        if let decoder {
            guard decoder.type == "WordPiece" else {
                throw unsupported(path, "the decoder", decoder.type, expected: "WordPiece")
            }
            settings.decoderPrefix = decoder.prefix ?? settings.decoderPrefix
            settings.cleansDecodedText = decoder.cleanup ?? settings.cleansDecodedText
        }
        settings.frame = try frame(path: path)
        return settings
    }

    private func bertNormalizer(path: String) throws -> NormalizerSettings {
        var steps = normalizer?.flattened ?? []
        let bert = steps.popLast()
        guard let bert, bert.type == "BertNormalizer", steps.allSatisfy({ $0.type == "Lowercase" }) else {
            let found = (steps + (bert.map { [$0] } ?? [])).map(\.type).joined(separator: ", ")
            throw unsupported(
                path, "the normalizer", found.isEmpty ? nil : found,
                expected: "BertNormalizer, or Lowercase and BertNormalizer")
        }
        let lowercases = bert.lowercases ?? true
        return NormalizerSettings(
            cleansText: bert.cleansText ?? true, splitsIdeographs: bert.splitsIdeographs ?? true,
            stripsAccents: bert.stripsAccents ?? lowercases, lowercases: lowercases, lowercasesFirst: !steps.isEmpty)
    }
}
