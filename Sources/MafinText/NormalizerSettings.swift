/// The settings of BertNormalizer in a checkpoint.
struct NormalizerSettings: Sendable, Equatable {
    /// Drop control characters, and turn each kind of white space into a space.
    var cleansText = true
    /// Make each ideograph a word of its own.
    var splitsIdeographs = true
    /// Decompose, and drop nonspacing marks.
    var stripsAccents = true
    /// Lower-case, after everything else.
    var lowercases = true
    /// Lower-case before everything else: a `Lowercase` step in front of BertNormalizer, or `do_lower_case` in
    /// `sentence_bert_config.json`, which sentence-transformers turns into such a step.
    var lowercasesFirst = false

    /// Calls `body` with the scalars to which one scalar is normalized; with none if it is dropped. Does not sort
    /// combining marks, because that depends on neighbouring scalars (``NormalizedText``).
    func forEachNormalized(_ scalar: UInt32, _ unicode: UnicodeProperties, _ body: (UInt32) -> Void) {
        forEachBeforeStripping(scalar, unicode) { clean in
            if stripsAccents {
                unicode.forEachDecomposed(of: clean) { part in
                    if !unicode[part].contains(.nonspacingMark) { finish(part, unicode, body) }
                }
            } else {
                finish(clean, unicode, body)
            }
        }
    }

    /// The first steps: the `Lowercase` step before BertNormalizer, and cleaning.
    func forEachBeforeStripping(_ scalar: UInt32, _ unicode: UnicodeProperties, _ body: (UInt32) -> Void) {
        func clean(_ scalar: UInt32) {
            guard cleansText else { return body(scalar) }
            let properties = unicode[scalar]
            if properties.contains(.removed) { return }
            body(properties.contains(.whitespace) ? 0x20 : scalar)
        }
        if lowercasesFirst { unicode.forEachLowercase(of: scalar, clean) } else { clean(scalar) }
    }

    /// The last step: lower case.
    func finish(_ scalar: UInt32, _ unicode: UnicodeProperties, _ body: (UInt32) -> Void) {
        if lowercases { unicode.forEachLowercase(of: scalar, body) } else { body(scalar) }
    }
}
