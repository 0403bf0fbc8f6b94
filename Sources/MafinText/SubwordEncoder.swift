/// Encodes texts one after the other with a ``SubwordTokenizer``. Each worker has its own encoder, which keeps its memory and
/// the words that it has met.
struct SubwordEncoder: ~Copyable {
    var output = IdentifierBuffer()
    /// For each id in `output`, the range of the text's bytes that it stands for. Empty if sources are not tracked.
    private(set) var sources: [Range<Int>] = []

    private let tokenizer: SubwordTokenizer
    private let tracksSources: Bool
    /// Whether a mark is put in front of what begins where the text begins, so that buffers have to keep sources.
    private let marksFirstOnly: Bool
    /// Whether the ids of a word do not depend on the words before it.
    private let keepsWords: Bool
    /// Results of the normalizer.
    private var first: ByteBuffer
    private var second: ByteBuffer
    /// The current word, if it is not a part of the normalized text.
    private var word: ByteBuffer
    private var pieces = WordPieces()
    private var cache = WordCache()
    private var lattice = UnigramModel.Lattice()
    private var workspace = BytePairModel.Workspace()
    /// Words are left out once `output` has this many ids.
    private var limit = Int.max

    init(_ tokenizer: SubwordTokenizer, tracksSources: Bool) {
        self.tokenizer = tokenizer
        self.tracksSources = tracksSources
        keepsWords = !tracksSources && !tokenizer.model.isContinuous
        // Locals, because `||` on a property of a noncopyable self that is not complete yet is compiled wrongly (Swift 6.3).
        let marksFirstOnly = tokenizer.words.marksFirstOnly
        let needsSources = tracksSources || marksFirstOnly
        self.marksFirstOnly = marksFirstOnly
        first = ByteBuffer(tracksSources: needsSources)
        second = ByteBuffer(tracksSources: needsSources)
        word = ByteBuffer(tracksSources: tracksSources)
    }

    /// Adds the ids of one text to `output`, without special tokens.
    ///
    /// - Parameter limit: the method may stop once `output` has this many ids.
    mutating func append(_ text: String, limit: Int) {
        self.limit = limit
        var text = text
        text.withUTF8 { bytes in
            guard let start = bytes.baseAddress, !bytes.isEmpty else { return }
            appendRaw(ByteView(bytes: start, count: bytes.count))
        }
    }

    private mutating func appendRaw(_ text: ByteView) {
        let patterns = tokenizer.addedTokens.raw
        guard patterns.trie.first(from: 0, in: text.buffer) != nil else { return appendNormalized(text) }
        for segment in tokenizer.addedTokens.segments(of: text.buffer, patterns) {
            if let token = segment.token {
                appendAdded(token, text, segment.range)
            } else {
                appendNormalized(text[segment.range])
            }
            if output.count >= limit { return }
        }
    }

    private mutating func appendNormalized(_ raw: ByteView) {
        let text = tokenizer.normalizer.normalize(raw, &first, &second)
        let patterns = tokenizer.addedTokens.normalized
        guard patterns.trie.first(from: 0, in: text.buffer) != nil else { return appendWords(text) }
        for segment in tokenizer.addedTokens.segments(of: text.buffer, patterns) {
            if let token = segment.token {
                appendAdded(token, text, segment.range)
            } else {
                appendWords(text[segment.range])
            }
            if output.count >= limit { return }
        }
    }

    private mutating func appendAdded(_ id: Int32, _ text: ByteView, _ range: Range<Int>) {
        output.reserve(1)
        output.append(id)
        if tracksSources { sources.append(text.source(range)) }
    }

    private mutating func appendWords(_ text: ByteView) {
        if text.isEmpty { return }
        lattice.restart()
        switch tokenizer.words {
        case .marks(let rule):
            if rule.splitsAtSpace { appendParts(text, rule) } else { appendPart(text, rule) }
        case .marked(splits: true):
            appendMarkedWords(text)
        case .marked(splits: false):
            appendWord(text)
        case .byteLevel(let addsSpace, let splits):
            var text = text
            if addsSpace, text.bytes[0] != 0x20 {
                word.count = 0
                word.append(0x20, replacing: 0..<0, of: text)
                word.append(text, 0..<text.count)
                text = word.view
            }
            if splits { appendByteLevelWords(text) } else { appendWord(text) }
        }
    }

    // MARK: Words by marks

    /// What lies between white space, each part for itself.
    private mutating func appendParts(_ text: ByteView, _ rule: SubwordTokenizer.MarkRule) {
        let classes = TextClasses.shared
        var start = 0
        var position = 0
        while position < text.count {
            let byte = text.bytes[position]
            var width = 1
            let isSpace: Bool
            if byte < 0x80 {
                isSpace = byte == 0x20 || byte &- 9 < 5
            } else {
                let scalar = decodeScalar(text.bytes + position)
                width = scalar.width
                isSpace = classes[scalar.scalar].contains(.space)
            }
            if isSpace {
                if position > start { appendPart(text[start..<position], rule) }
                if output.count >= limit { return }
                start = position &+ width
            }
            position &+= width
        }
        if position > start { appendPart(text[start..<position], rule) }
    }

    /// One part: spaces become marks, a mark is put in front, and each mark begins a word.
    private mutating func appendPart(_ part: ByteView, _ rule: SubwordTokenizer.MarkRule) {
        let mark = rule.mark
        word.count = 0
        let wantsMark = rule.prefix == .always || (marksFirstOnly && part.source(0).lowerBound == 0)
        if wantsMark, part.bytes[0] != 0x20, !mark.isAt(0, part) {
            word.append(mark: mark, replacing: 0..<0, of: part)
        }
        var position = 0
        while position < part.count {
            let start = position
            let firstOfMark = mark[0]
            while position < part.count, part.bytes[position] != 0x20, part.bytes[position] != firstOfMark {
                position &+= 1
            }
            word.append(part, start..<position)
            if position == part.count { break }
            let isSpace = part.bytes[position] == 0x20
            guard isSpace || mark.isAt(position, part) else {
                word.append(part, position..<position &+ 1)
                position &+= 1
                continue
            }
            if rule.splits, word.count > 0 {
                appendWord(word.view)
                if output.count >= limit { return }
                word.count = 0
            }
            if isSpace {
                word.append(mark: mark, replacing: position..<position &+ 1, of: part)
                position &+= 1
            } else {
                word.append(part, position..<position &+ mark.count)
                position &+= mark.count
            }
        }
        if word.count > 0 { appendWord(word.view) }
    }

    /// Words that begin at the marks of a normalized text.
    private mutating func appendMarkedWords(_ text: ByteView) {
        let mark = SpaceMark.standard
        var start = 0
        for position in 0..<text.count where position > start && mark.isAt(position, text) {
            appendWord(text[start..<position])
            if output.count >= limit { return }
            start = position
        }
        appendWord(text[start..<text.count])
    }

    // MARK: Words of GPT-2

    /// The matches of `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`.
    private mutating func appendByteLevelWords(_ text: ByteView) {
        let splitter = ByteLevelSplitter(text)
        var position = 0
        while position < text.count {
            let end = splitter.end(of: position)
            appendWord(text[position..<end])
            if output.count >= limit { return }
            position = end
        }
    }

    // MARK: Tokens of a word

    private mutating func appendWord(_ text: ByteView) {
        if text.isEmpty { return }
        let isKept = keepsWords && text.count <= WordCache.longestWord
        let hash = isKept ? WordCache.hash(text.bytes, text.count) : 0
        if isKept, cache.append(text.bytes, text.count, hash: hash, to: &output) { return }
        switch tokenizer.model {
        case .unigram(let model): model.split(text.bytes, text.count, &lattice, into: &pieces)
        case .bytePair(let model): model.split(text.bytes, text.count, &workspace, into: &pieces)
        }
        if isKept { cache.insert(text.bytes, text.count, hash: hash, pieces) }
        output.reserve(pieces.count)
        for index in 0..<pieces.count { output.append(pieces[index].id) }
        if tracksSources {
            for index in 0..<pieces.count {
                sources.append(source(Int(pieces[index].start), Int(pieces[index].end), text))
            }
        }
    }

    /// The original bytes of a token, without the spaces at its ends. A token of spaces stands for the place behind
    /// them.
    private func source(_ start: Int, _ end: Int, _ text: ByteView) -> Range<Int> {
        var (first, last) = (start, end)
        while first < last, text.bytes[first] == 0x20 { first += 1 }
        while last > first, text.bytes[last - 1] == 0x20 { last -= 1 }
        if first == last {
            let place = text.source(start..<end).upperBound
            return place..<place
        }
        return text.source(first..<last)
    }
}

/// Finds the words of GPT-2's expression in a text.
struct ByteLevelSplitter {
    private let text: ByteView
    private let classes = TextClasses.shared

    init(_ text: ByteView) { self.text = text }

    /// The end of the word that begins at a position inside the text.
    @inline(__always) func end(of start: Int) -> Int {
        let byte = text.bytes[start]
        if byte == 0x27, let length = contraction(at: start) { return start &+ length }
        // The space in front of a word.
        let from = byte == 0x20 ? start &+ 1 : start
        if from < text.count {
            let (kind, width) = self.kind(at: from)
            if kind != .space { return endOfRun(of: kind, from: from &+ width) }
        }
        return endOfSpaces(from: start)
    }

    /// The class that decides a run: letter, number, space, or none of them.
    @inline(__always) private func kind(at position: Int) -> (kind: TextClass, width: Int) {
        let byte = text.bytes[position]
        if byte < 0x80 {
            if (byte | 0x20) &- 0x61 < 26 { return (.letter, 1) }
            if byte &- 0x30 < 10 { return (.number, 1) }
            return (byte == 0x20 || byte &- 9 < 5 ? .space : [], 1)
        }
        let (scalar, width) = decodeScalar(text.bytes + position)
        return (classes[scalar].intersection([.letter, .number, .space]), width)
    }

    @inline(__always) private func endOfRun(of kind: TextClass, from start: Int) -> Int {
        var position = start
        while position < text.count {
            let next = self.kind(at: position)
            if next.kind != kind { break }
            position &+= next.width
        }
        return position
    }

    /// All white space at the end of the text. Elsewhere the last of several belongs to the next word.
    private func endOfSpaces(from start: Int) -> Int {
        var position = start
        var last = start
        while position < text.count {
            let next = kind(at: position)
            if next.kind != .space { break }
            last = position
            position &+= next.width
        }
        return position == text.count || last == start ? position : last
    }

    private func contraction(at start: Int) -> Int? {
        guard start &+ 1 < text.count else { return nil }
        let first = text.bytes[start &+ 1]
        switch first {
        case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"): return 2
        case UInt8(ascii: "r"), UInt8(ascii: "v"), UInt8(ascii: "l"):
            guard start &+ 2 < text.count else { return nil }
            let second = text.bytes[start &+ 2]
            return second == (first == UInt8(ascii: "l") ? first : UInt8(ascii: "e")) ? 3 : nil
        default: return nil
        }
    }
}
