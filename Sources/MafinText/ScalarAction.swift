/// What the tokenizer does with one scalar: four bits for the kind, 28 bits for the payload.
///
/// All steps of BertNormalizer and BertPreTokenizer, except the sorting of combining marks, treat each scalar
/// separately. Their combined effect is computed once, when a tokenizer is read. A text then takes one pass instead of
/// five.
struct ScalarAction: Equatable, Sendable {
    var rawValue: UInt32

    enum Kind: UInt32 {
        /// Belongs to a word unchanged.
        case copy
        /// Belongs to a word as other bytes; payload: 1 to 3 UTF-8 bytes, the first lowest, and their number in bits 24-27.
        case substitute
        /// Belongs to a word as more than 3 bytes; payload: the position of its length and bytes in the pool.
        case expand
        /// Belongs to a word as the jamo of a Hangul syllable.
        case decomposeHangul
        /// A word of its own; payload: its token id.
        case isolate
        /// Ends a word.
        case separate
        /// Ignored.
        case drop
        /// Depends on neighbouring scalars, or needs several of the other actions. ``StepwiseEncoder`` then encodes the
        /// text.
        case examine
    }

    init(_ kind: Kind, payload: UInt32 = 0) {
        rawValue = kind.rawValue | payload << 4
    }

    init(rawValue: UInt32) { self.rawValue = rawValue }

    @inline(__always) var kind: Kind { Kind(rawValue: rawValue & 15) ?? .examine }
    @inline(__always) var payload: UInt32 { rawValue >> 4 }
}

/// The action of every scalar under one checkpoint's settings, in two stages: scalar / 256 selects a block. Most blocks are shared
/// (whole scripts are copied, private-use planes are dropped).
struct ScalarActions {
    private(set) var blocks: [UInt16] = []
    private(set) var actions: [ScalarAction] = []
    /// For each scalar that expands, the number of its bytes and the bytes.
    private(set) var pool: [UInt8] = []

    /// - Parameter isolatedToken: gives the id of the word that consists only of this scalar, or that of the unknown
    ///   token if there is none.
    init(settings: NormalizerSettings, unicode: UnicodeProperties, isolatedToken: (UInt32) -> Int32) {
        let size = 256
        let blockCount = Int(UnicodeProperties.scalarCount) / size
        blocks.reserveCapacity(blockCount)
        var shared: [UInt32: UInt16] = [:]

        for block in 0..<blockCount {
            let first = block * size
            if unicode.areUniform(first..<first + size) {
                let action = self.action(of: UInt32(first), settings, unicode, isolatedToken)
                if action.kind == .isolate {
                    // Each ideograph has an id of its own, so the actions of the block differ.
                    blocks.append(UInt16(actions.count / size))
                    for scalar in first..<first + size {
                        actions.append(ScalarAction(.isolate, payload: UInt32(isolatedToken(UInt32(scalar)))))
                    }
                } else if let known = shared[action.rawValue] {
                    blocks.append(known)
                } else {
                    shared[action.rawValue] = UInt16(actions.count / size)
                    blocks.append(UInt16(actions.count / size))
                    actions.append(contentsOf: repeatElement(action, count: size))
                }
                continue
            }
            blocks.append(UInt16(actions.count / size))
            for scalar in first..<first + size {
                actions.append(action(of: UInt32(scalar), settings, unicode, isolatedToken))
            }
        }
    }

    private mutating func action(
        of scalar: UInt32, _ settings: NormalizerSettings, _ unicode: UnicodeProperties,
        _ isolatedToken: (UInt32) -> Int32
    ) -> ScalarAction {
        if unicode[scalar].isEmpty { return ScalarAction(.copy) }
        if settings.stripsAccents, UnicodeProperties.hangulSyllables.contains(scalar) {
            return ScalarAction(.decomposeHangul)
        }
        var isIdeograph = false
        var isMoved = false
        var output: [UInt32] = []
        settings.forEachBeforeStripping(scalar, unicode) { clean in
            if settings.splitsIdeographs, unicode[clean].contains(.ideograph) { isIdeograph = true }
            guard settings.stripsAccents else { return }
            unicode.forEachDecomposed(of: clean) { part in
                // This mark is kept and may be sorted among its neighbours.
                if unicode[part].contains(.combining), !unicode[part].contains(.nonspacingMark) { isMoved = true }
            }
        }
        settings.forEachNormalized(scalar, unicode) { output.append($0) }

        if isMoved { return ScalarAction(.examine) }
        guard let first = output.first else { return ScalarAction(.drop) }
        if output.count == 1 {
            if unicode[first].contains(.whitespace) { return ScalarAction(.separate) }
            if isIdeograph || unicode[first].contains(.punctuation) {
                return ScalarAction(.isolate, payload: UInt32(isolatedToken(first)))
            }
            if first == scalar { return ScalarAction(.copy) }
        } else if isIdeograph || output.contains(where: { !unicode[$0].isDisjoint(with: [.whitespace, .punctuation]) })
        {
            return ScalarAction(.examine)
        }
        return wordAction(bytes: output.flatMap(utf8Bytes))
    }

    private mutating func wordAction(bytes: [UInt8]) -> ScalarAction {
        if bytes.count <= 3 {
            var payload = UInt32(bytes.count) << 24
            for (index, byte) in bytes.enumerated() { payload |= UInt32(byte) << UInt32(8 * index) }
            return ScalarAction(.substitute, payload: payload)
        }
        let start = pool.count
        pool.append(UInt8(bytes.count))
        pool += bytes
        return ScalarAction(.expand, payload: UInt32(start))
    }
}

/// A scalar in UTF-8, without an array. A surrogate, which no text has, becomes U+FFFD.
func encodedScalar(_ scalar: UInt32) -> UTF8.EncodedScalar {
    Unicode.Scalar(scalar).flatMap(UTF8.encode) ?? UTF8.encodedReplacementCharacter
}

/// The UTF-8 bytes of a scalar. A surrogate, which no text has, becomes U+FFFD.
func utf8Bytes(_ scalar: UInt32) -> [UInt8] { Array(encodedScalar(scalar)) }
