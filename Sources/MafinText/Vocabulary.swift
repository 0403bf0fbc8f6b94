/// The tokens of a model, with look-up by id and by bytes, and the tries for matches in a text: one for WordPiece's words
/// and Unigram's pieces, and one for the rest of WordPiece's words.
///
/// It is a class, so that the trie has a fixed address. The inner loop uses it without bounds checks or reference
/// counting.
final class Vocabulary: @unchecked Sendable {
    // Sendable: nothing changes after `init`.

    private let entries: VocabularyEntries
    /// For each id, the index of the token in `entries`; -1 for an id without a token.
    private let entryOfIdentifier: [Int32]

    /// The units of ``DoubleArrayTrie``.
    let trie: UnsafePointer<UInt64>
    /// The base of the root for the start of a word. Its trie contains every token as it is written.
    let wordRoot: Int
    /// The base of the root for the rest of a word. Its trie contains the tokens that have the continuation prefix,
    /// without it.
    let continuationRoot: Int

    /// The id of the unknown token of WordPiece; -1 for other models.
    let unknownToken: Int32
    let maximumWordLength: Int

    struct Failure: Error {
        let reason: String
    }

    /// - Parameters:
    ///   - continuationPrefix: the prefix of each token that continues a word; `nil` for models without such tokens.
    ///   - unknownToken: the token for words that cannot be split into pieces. Must be among the entries. `nil` for
    ///     models that handle unknown text themselves.
    ///   - maximumWordLength: number of scalars, after normalization, above which a word is unknown as a whole.
    init(
        _ entries: VocabularyEntries, continuationPrefix: String? = nil, unknownToken: String? = nil,
        maximumWordLength: Int = 0
    ) throws(Failure) {
        self.entries = entries
        let size = Int(entries.ids.max() ?? -1) + 1
        // Ids may have gaps, but a table of mostly gaps is a damaged file.
        guard size <= 16 * (entries.count + 1024) else {
            throw Failure(reason: "\(entries.count) tokens have ids up to \(size - 1)")
        }
        var entryOfIdentifier = [Int32](repeating: -1, count: size)
        let prefix = continuationPrefix.map { Array($0.utf8) }
        var words: [DoubleArrayTrie.Key] = []
        var continuations: [DoubleArrayTrie.Key] = []
        words.reserveCapacity(entries.count)
        for entry in 0..<entries.count {
            let token = entries.token(entry)
            let id = entries.ids[entry]
            entryOfIdentifier[Int(id)] = Int32(entry)
            if token.isEmpty { continue }
            words.append(.init(start: token.startIndex, count: token.count, value: id))
            if let prefix, token.count > prefix.count, token.starts(with: prefix) {
                let rest = token.dropFirst(prefix.count)
                continuations.append(.init(start: rest.startIndex, count: rest.count, value: id))
            }
        }
        self.entryOfIdentifier = entryOfIdentifier

        var builder = DoubleArrayTrie()
        let roots = entries.bytes.withUnsafeBufferPointer { bytes in
            (builder.add(words, bytes: bytes), builder.add(continuations, bytes: bytes))
        }
        guard let wordRoot = roots.0, let continuationRoot = roots.1 else {
            throw Failure(reason: "the vocabulary is too large: more than 8 million trie nodes")
        }
        if let unknownToken {
            let found = builder.units.withUnsafeBufferPointer { units in
                units.baseAddress.flatMap { Self.find(unknownToken.utf8, $0, wordRoot) }
            }
            guard let found else {
                throw Failure(reason: "the unknown token '\(unknownToken)' is not in the vocabulary")
            }
            self.unknownToken = found
        } else {
            self.unknownToken = -1
        }
        self.wordRoot = wordRoot
        self.continuationRoot = continuationRoot
        self.maximumWordLength = maximumWordLength

        trie = fixedCopy(builder.units)
    }

    deinit { trie.deallocate() }

    /// One more than the largest id.
    var size: Int { entryOfIdentifier.count }

    /// The id of a token, which is given with its continuation prefix.
    func identifier(of token: some Sequence<UInt8>) -> Int32? { Self.find(token, trie, wordRoot) }

    /// The token with this id.
    func token(_ id: Int32) -> String? {
        guard entryOfIdentifier.indices.contains(Int(id)), entryOfIdentifier[Int(id)] >= 0 else { return nil }
        return String(decoding: entries.token(Int(entryOfIdentifier[Int(id)])), as: UTF8.self)
    }

    private static func find(_ token: some Sequence<UInt8>, _ trie: UnsafePointer<UInt64>, _ root: Int) -> Int32? {
        var base = root
        var value: Int32 = -1
        for byte in token {
            let unit = trie[base ^ Int(byte)]
            guard DoubleArrayTrie.label(unit) == UInt64(byte) else { return nil }
            base = DoubleArrayTrie.base(unit)
            value = DoubleArrayTrie.value(unit)
        }
        return value >= 0 ? value : nil
    }

    /// Splits a normalized word into the longest pieces from the left.
    ///
    /// - Parameters:
    ///   - word: `count` bytes of UTF-8; at least one.
    ///   - identifiers: memory for as many ids as the word has scalars; at least one.
    ///   - ends: receives the end of each piece in `word`; as many as `identifiers`. `nil` if they are not needed.
    /// - Returns: the number of pieces. It is 1, for the unknown token, if there is no such split or if the word is too
    ///   long.
    @inline(__always)
    func split(
        word: UnsafePointer<UInt8>, count: Int, into identifiers: UnsafeMutablePointer<Int32>,
        ends: UnsafeMutablePointer<Int>? = nil
    ) -> Int {
        let trie = trie
        var pieces = 0
        var start = 0
        var root = wordRoot
        if count <= maximumWordLength || scalarCount(word, count) <= maximumWordLength {
            while true {
                var base = root
                var longest: Int32 = -1
                var longestEnd = start
                var position = start
                repeat {
                    let byte = word[position]
                    let unit = trie[base ^ Int(byte)]
                    if DoubleArrayTrie.label(unit) != UInt64(byte) { break }
                    position &+= 1
                    let value = DoubleArrayTrie.value(unit)
                    if value >= 0 {
                        longest = value
                        longestEnd = position
                    }
                    base = DoubleArrayTrie.base(unit)
                } while position < count
                if longest < 0 { break }
                identifiers[pieces] = longest
                if let ends { ends[pieces] = longestEnd }
                pieces &+= 1
                if longestEnd == count { return pieces }
                start = longestEnd
                root = continuationRoot
            }
        }
        identifiers[0] = unknownToken
        if let ends { ends[0] = count }
        return 1
    }

    private func scalarCount(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int {
        var scalars = 0
        for index in 0..<count where bytes[index] & 0xC0 != 0x80 { scalars += 1 }
        return scalars
    }
}
