extension WordPieceTokenizer {
    /// Whether a token goes on with the word of the token before it, as `##ing` does.
    public func continuesWord(_ id: Int32) -> Bool {
        convertIdToToken(id)?.utf8.starts(with: settings.decoderPrefix.utf8) ?? false
    }
}
