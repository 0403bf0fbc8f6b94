/// The Unigram model of SentencePiece: of all splits of a text into pieces, the one with the largest sum of scores (Kudo,
/// "Subword regularization", ACL 2018, section 3.2).
///
/// Ids and ties are those of `unigram/model.rs` in `tokenizers`, or of `unigram_model.cc` in SentencePiece. They differ
/// in the precision of sums, which decides some ties.
final class UnigramModel: @unchecked Sendable {
    // Sendable: nothing changes after `init`.

    let vocabulary: Vocabulary
    /// For each id, the score of its piece.
    private let scores: UnsafePointer<Double>
    private let unknown: Int32
    /// The score of a scalar that is no piece: the least score minus 10.
    private let unknownScore: Double
    /// For each byte, the id of its token, which replaces unknown text; -1 without one. `nil` without byte fallback.
    private let byteTokens: [Int32]?
    /// Whether sums are rounded to 32 bits and go on from word to word, and adjacent unknown words are one token, as in
    /// SentencePiece, which splits no text into words.
    let isContinuous: Bool

    /// - Parameters:
    ///   - scores: for each id; ids without a piece have any value.
    ///   - unknown: the id for text without pieces.
    ///   - leastScore: the least score of all pieces.
    init(
        vocabulary: Vocabulary, scores: [Double], unknown: Int32, leastScore: Double, byteTokens: [Int32]?,
        isContinuous: Bool
    ) {
        self.vocabulary = vocabulary
        self.scores = fixedCopy(scores)
        self.unknown = unknown
        let penalized = leastScore - 10
        unknownScore = isContinuous ? Double(Float(penalized)) : penalized
        self.byteTokens = byteTokens
        self.isContinuous = isContinuous
    }

    deinit { scores.deallocate() }

    /// Memory for one word, and what one word leaves for the next of the same text.
    struct Lattice: ~Copyable {
        /// For each byte, the last piece of the best path that ends there.
        fileprivate struct Node {
            var score: Double
            /// -1 if no path ends there.
            var start: Int32
            var id: Int32
        }

        fileprivate var nodes: UnsafeMutablePointer<Node>
        private var capacity = 256
        fileprivate var score = 0.0
        fileprivate var endsUnknown = false

        init() { nodes = .allocate(capacity: capacity) }
        deinit { nodes.deallocate() }

        /// Begins another text.
        mutating func restart() {
            score = 0
            endsUnknown = false
        }

        fileprivate mutating func reserve(_ count: Int) {
            guard count > capacity else { return }
            capacity = max(2 * capacity, count)
            nodes.deallocate()
            nodes = .allocate(capacity: capacity)
        }
    }

    /// The best pieces of a word.
    ///
    /// - Parameter word: valid UTF-8, not empty.
    /// - Complexity: O(`count` · longest piece).
    func split(
        _ word: UnsafePointer<UInt8>, _ count: Int, _ lattice: inout Lattice, into pieces: inout WordPieces
    ) {
        lattice.reserve(count + 1)
        let nodes = lattice.nodes
        nodes[0] = Lattice.Node(score: isContinuous ? lattice.score : 0, start: 0, id: 0)
        for index in 1...count { nodes[index].start = -1 }
        if isContinuous {
            findPaths(word, count, nodes) { Double(Float($0)) }
            lattice.score = nodes[count].score
        } else {
            findPaths(word, count, nodes) { $0 }
        }
        collect(word, count, nodes, &lattice.endsUnknown, into: &pieces)
    }

    /// - Parameter rounded: the precision of sums.
    @inline(__always)
    private func findPaths(
        _ word: UnsafePointer<UInt8>, _ count: Int, _ nodes: UnsafeMutablePointer<Lattice.Node>,
        rounded: (Double) -> Double
    ) {
        let trie = vocabulary.trie
        let root = vocabulary.wordRoot
        let scores = scores
        var start = 0
        while start < count {
            let scoreUntilHere = nodes[start].score
            let next = start &+ scalarWidth(word[start])
            var hasScalar = false
            var base = root
            var end = start
            while end < count {
                let byte = word[end]
                let unit = trie[base ^ Int(byte)]
                if DoubleArrayTrie.label(unit) != UInt64(byte) { break }
                end &+= 1
                let id = DoubleArrayTrie.value(unit)
                if id >= 0 {
                    let score = rounded(scores[Int(id)] + scoreUntilHere)
                    if nodes[end].start < 0 || score > nodes[end].score {
                        nodes[end] = Lattice.Node(score: score, start: Int32(truncatingIfNeeded: start), id: id)
                    }
                    if end == next { hasScalar = true }
                }
                base = DoubleArrayTrie.base(unit)
            }
            if !hasScalar {
                let score = rounded(unknownScore + scoreUntilHere)
                if nodes[next].start < 0 || score > nodes[next].score {
                    nodes[next] = Lattice.Node(
                        score: score, start: Int32(truncatingIfNeeded: start), id: unknown)
                }
            }
            start = next
        }
    }

    /// Follows the best path back, and makes runs of unknown scalars one piece, or their bytes.
    private func collect(
        _ word: UnsafePointer<UInt8>, _ count: Int, _ nodes: UnsafeMutablePointer<Lattice.Node>,
        _ endsUnknown: inout Bool, into pieces: inout WordPieces
    ) {
        pieces.clear(capacity: count)
        var end = count
        // The nodes of the path, in order, replace the first nodes: a path has at most as many pieces as bytes.
        var place = count
        while end > 0 {
            let node = nodes[end]
            let start = Int(node.start)
            // Nodes from `place` on are behind `end`, or are the one that has just been read.
            nodes[place] = Lattice.Node(score: 0, start: node.start, id: node.id)
            place -= 1
            end = start
        }
        // Without words, only neighbours in the same word are fused.
        var isAfterUnknown = isContinuous && endsUnknown
        for index in (place + 1)...count {
            let (start, id) = (Int(nodes[index].start), nodes[index].id)
            let end = index < count ? Int(nodes[index + 1].start) : count
            if id != unknown {
                pieces.append(id, start, end)
                isAfterUnknown = false
            } else if appendBytes(word, start, end, to: &pieces) {
                isAfterUnknown = false
            } else {
                if !isAfterUnknown {
                    pieces.append(unknown, start, end)
                } else if pieces.count > 0 {
                    pieces.extendLast(to: end)
                }
                isAfterUnknown = true
            }
        }
        endsUnknown = isAfterUnknown
    }

    /// Appends the tokens of the bytes of an unknown scalar, if there are all of them.
    private func appendBytes(_ word: UnsafePointer<UInt8>, _ start: Int, _ end: Int, to pieces: inout WordPieces)
        -> Bool
    {
        guard let byteTokens else { return false }
        for index in start..<end where byteTokens[Int(word[index])] < 0 { return false }
        for index in start..<end { pieces.append(byteTokens[Int(word[index])], start, end) }
        return true
    }
}
