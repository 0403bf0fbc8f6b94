import HTTPTypes
import MafinBlackBox
import MafinEncoder
import MafinImages
import MafinText

/// How items of one role become the inputs of the local encoder.
struct RoleReader: Sendable {
    private let reader: ItemReader
    private let prefix: String
    /// `nil` for an encoder of images.
    let tokenizer: RoleTokenizer?

    init(_ encoder: TextEncoder, _ role: TextRole) {
        reader = encoder.reader
        prefix = role == .query ? encoder.prefixes.query : encoder.prefixes.document
        tokenizer = encoder.readsImages ? nil : RoleTokenizer(encoder, role)
    }

    var readsImages: Bool { reader.readsImages }

    /// - Parameter parameter: the field of the request that holds the items.
    /// - Throws: ``ServiceError`` for an item that the encoder cannot read. A picture that cannot be decoded is found when it is encoded.
    func inputs(of items: [Item], parameter: String) throws -> ItemBatch {
        if let place = items.firstIndex(where: { !reader.reads($0) }) {
            let name = items.count == 1 ? parameter : "\(parameter)[\(place)]"
            throw ServiceError(
                .unprocessableContent, .invalidRequest,
                reader.readsImages
                    ? "\(name) is a text, and the local encoder of this artefact reads images: send a picture as a data URL"
                    : "\(name) is an image, and the local encoder of this artefact reads texts",
                parameter: parameter)
        }
        return try reader.inputs(of: items, prefix: prefix)
    }

    /// An input for a check whether vectors are made.
    var probe: ItemBatch {
        guard let tokenizer, tokenizer.maximumLength > 0 else {
            let tokens = reader.maximumLength
            guard case .images(let processor) = reader.kind else { return .tokens(TokenBatch()) }
            let blank = [Float](repeating: 0, count: 3 * processor.side * processor.side)
            return .images(
                ImageBatch([ImageBatch.Row(content: "blank") { _ in blank }], tokensPerImage: tokens))
        }
        return .tokens(TokenBatch(rows: [tokenizer.tokens("ready")]))
    }
}

/// How texts of one role become tokens of the local encoder.
struct RoleTokenizer: Sendable {
    let tokenizer: any Tokenizer
    let prefix: String
    let maximumLength: Int

    init(_ encoder: TextEncoder, _ role: TextRole) {
        tokenizer = encoder.tokenizer
        prefix = role == .query ? encoder.prefixes.query : encoder.prefixes.document
        maximumLength = encoder.maximumLength
    }

    /// The tokens of a text that the encoder reads.
    func tokens(_ text: String) -> [Int32] { tokenizer.encode(prefix + text, maxLength: maximumLength) }

    /// Tokens that the encoder would read if it cut nothing off.
    func fullLength(of text: String) -> Int { tokenizer.encode(prefix + text, maxLength: .max).count }
}

/// How many tokens texts have, for budgets and bounds.
enum TokenCount: Sendable {
    /// As the local encoder counts.
    case local(RoleTokenizer)
    /// A token for every 4 bytes of UTF-8, rounded up. For an artefact without a local encoder.
    case estimated

    private static let bytes = 4

    /// Tokens of a text by itself.
    func count(_ text: String) -> Int {
        switch self {
        case .local(let own): own.tokenizer.encode(text, addSpecialTokens: false, maxLength: .max).count
        case .estimated: (text.utf8.count + Self.bytes - 1) / Self.bytes
        }
    }

    /// The longest beginning of a text that has at most `tokens` tokens and ends at the end of a word. Without a word that ends there, the
    /// estimate cuts after a character.
    func beginning(of text: String, tokens: Int) -> String {
        switch self {
        case .local(let own): own.beginning(of: text, tokens: tokens)
        case .estimated: Self.beginning(of: text, bytes: max(0, tokens) * Self.bytes)
        }
    }

    private static func beginning(of text: String, bytes: Int) -> String {
        guard text.utf8.count > bytes else { return text }
        var (used, end, wordEnd) = (0, text.startIndex, text.startIndex)
        var isInWord = false
        for index in text.indices {
            let character = text[index]
            if character.isWhitespace, isInWord { wordEnd = index }
            isInWord = !character.isWhitespace
            used += character.utf8.count
            guard used <= bytes else { break }
            end = text.index(after: index)
        }
        return String(text[..<(wordEnd > text.startIndex ? wordEnd : end)])
    }
}

extension RoleTokenizer {
    /// The longest beginning of a text that has at most `tokens` tokens and ends at the end of a word.
    fileprivate func beginning(of text: String, tokens: Int) -> String {
        let encoding = tokenizer.encodeWithOffsets(text, addSpecialTokens: false, maxLength: .max)
        guard encoding.ids.count > tokens else { return text }
        guard tokens > 0 else { return "" }
        var last = tokens
        while last > 0, encoding.continuesWord[last] { last -= 1 }
        guard last > 0 else { return "" }
        let end = encoding.byteRanges[last - 1].upperBound
        return String(decoding: Array(text.utf8.prefix(end)), as: UTF8.self)
    }
}
