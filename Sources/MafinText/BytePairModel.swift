/// Byte-level byte-pair encoding: a word starts as its bytes, and the adjacent pair that comes first in the list of merges
/// becomes one token, until no pair is in the list (Sennrich et al., "Neural machine translation of rare words with
/// subword units", ACL 2016; on bytes as in GPT-2). The order of merges is that of `bpe/word.rs` in `tokenizers`.
final class BytePairModel: @unchecked Sendable {
    // Sendable: nothing changes after `init`.

    /// Tokens as they are written in the file: each byte as a printable character (``ByteAlphabet``).
    let vocabulary: Vocabulary
    /// For each byte, the id of its token; -1 if there is none.
    private let byteTokens: UnsafePointer<Int32>
    /// The id for bytes without a token. Without one these bytes are left out.
    private let unknown: Int32?
    /// Whether adjacent unknown bytes are one token.
    private let fusesUnknown: Bool
    /// Whether a word that is a token is not split, whatever the merges are.
    private let keepsWholeTokens: Bool

    /// The pairs of ids that are merged, in a hash table with open addressing: the pair, and its rank. An empty slot has
    /// the rank ``none``.
    private let pairs: UnsafePointer<(pair: UInt64, rank: UInt32)>
    private let mask: Int
    /// For each rank, the id of the merged token.
    private let merged: UnsafePointer<Int32>
    private static let none = UInt32.max

    /// - Parameter merges: ids of the left, the right and the merged token, the most important first. Of equal pairs the
    ///   last counts.
    init(
        vocabulary: Vocabulary, merges: [(left: Int32, right: Int32, merged: Int32)], unknown: Int32?,
        fusesUnknown: Bool, keepsWholeTokens: Bool
    ) {
        self.vocabulary = vocabulary
        self.unknown = unknown
        self.fusesUnknown = fusesUnknown
        self.keepsWholeTokens = keepsWholeTokens
        byteTokens = fixedCopy(
            (0..<256).map { vocabulary.identifier(of: ByteAlphabet.character(of: UInt8($0))) ?? -1 })
        var size = 16
        while size < 2 * merges.count { size *= 2 }
        var pairs = [(pair: UInt64, rank: UInt32)](repeating: (0, Self.none), count: size)
        for (rank, merge) in merges.enumerated() {
            let pair = Self.pair(merge.left, merge.right)
            var slot = Self.slot(pair) & (size - 1)
            while pairs[slot].rank != Self.none, pairs[slot].pair != pair { slot = (slot + 1) & (size - 1) }
            pairs[slot] = (pair, UInt32(rank))
        }
        mask = size - 1
        self.pairs = fixedCopy(pairs)
        merged = fixedCopy(merges.map(\.merged))
    }

    deinit {
        byteTokens.deallocate()
        pairs.deallocate()
        merged.deallocate()
    }

    @inline(__always) private static func pair(_ left: Int32, _ right: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    }

    @inline(__always) private static func slot(_ pair: UInt64) -> Int {
        Int(truncatingIfNeeded: (pair &* 0x9E37_79B9_7F4A_7C15) >> 32)
    }

    /// The rank of a pair; ``none`` if it is not merged.
    @inline(__always) private func rank(_ left: Int32, _ right: Int32) -> UInt32 {
        let pair = Self.pair(left, right)
        var slot = Self.slot(pair) & mask
        while pairs[slot].rank != Self.none {
            if pairs[slot].pair == pair { return pairs[slot].rank }
            slot = (slot &+ 1) & mask
        }
        return Self.none
    }

    /// Memory for the merges of one word.
    struct Workspace: ~Copyable {
        fileprivate struct Symbol {
            var id: Int32
            /// The neighbours; -1 at the ends.
            var previous: Int32
            var next: Int32
            /// The bytes of the word that it stands for. Empty once it is part of the symbol before it.
            var start: Int32
            var end: Int32
        }

        fileprivate var symbols: UnsafeMutablePointer<Symbol>
        /// A heap of pairs, the smallest first: the rank, and below it the index of the left symbol.
        fileprivate var heap: UnsafeMutablePointer<UInt64>
        fileprivate var heapCount = 0
        private var capacity = 128

        init() {
            symbols = .allocate(capacity: capacity)
            heap = .allocate(capacity: 3 * capacity)
        }

        deinit {
            symbols.deallocate()
            heap.deallocate()
        }

        fileprivate mutating func reserve(_ count: Int) {
            guard count > capacity else { return }
            capacity = max(2 * capacity, count)
            symbols.deallocate()
            heap.deallocate()
            symbols = .allocate(capacity: capacity)
            // The first pairs, and two new ones for each merge.
            heap = .allocate(capacity: 3 * capacity)
        }

        @inline(__always) fileprivate mutating func push(_ rank: UInt32, _ symbol: Int) {
            let value = UInt64(rank) << 32 | UInt64(UInt32(truncatingIfNeeded: symbol))
            var place = heapCount
            heapCount &+= 1
            while place > 0 {
                let parent = (place &- 1) >> 1
                if heap[parent] <= value { break }
                heap[place] = heap[parent]
                place = parent
            }
            heap[place] = value
        }

        @inline(__always) fileprivate mutating func pop() -> UInt64? {
            guard heapCount > 0 else { return nil }
            let top = heap[0]
            heapCount &-= 1
            let value = heap[heapCount]
            var place = 0
            while true {
                var child = 2 &* place &+ 1
                if child >= heapCount { break }
                if child &+ 1 < heapCount, heap[child &+ 1] < heap[child] { child &+= 1 }
                if heap[child] >= value { break }
                heap[place] = heap[child]
                place = child
            }
            heap[place] = value
            return top
        }
    }

    /// The tokens of a word.
    ///
    /// - Complexity: O(`count` · log `count`).
    func split(
        _ word: UnsafePointer<UInt8>, _ count: Int, _ workspace: inout Workspace, into pieces: inout WordPieces
    ) {
        pieces.clear(capacity: count)
        if keepsWholeTokens {
            let bytes = UnsafeBufferPointer(start: word, count: count)
            if let id = vocabulary.identifier(of: bytes.lazy.flatMap(ByteAlphabet.character)) {
                return pieces.append(id, 0, count)
            }
        }
        workspace.reserve(count)
        let symbols = workspace.symbols
        let length = addSymbols(word, count, symbols)
        guard length > 0 else { return }
        workspace.heapCount = 0
        for index in 0..<length &- 1 {
            let rank = self.rank(symbols[index].id, symbols[index &+ 1].id)
            if rank != Self.none { workspace.push(rank, index) }
        }
        while let top = workspace.pop() {
            let left = Int(top & 0xFFFF_FFFF)
            let right = Int(symbols[left].next)
            // The pair may have changed since it was pushed.
            guard right >= 0, symbols[left].start < symbols[left].end else { continue }
            let now = rank(symbols[left].id, symbols[right].id)
            let id = merged[Int(top >> 32)]
            guard now != Self.none, merged[Int(now)] == id else { continue }
            symbols[left].id = id
            symbols[left].end = symbols[right].end
            symbols[left].next = symbols[right].next
            symbols[right].end = symbols[right].start
            let next = Int(symbols[left].next)
            if next >= 0 {
                symbols[next].previous = Int32(truncatingIfNeeded: left)
                let rank = self.rank(id, symbols[next].id)
                if rank != Self.none { workspace.push(rank, left) }
            }
            let previous = Int(symbols[left].previous)
            if previous >= 0 {
                let rank = self.rank(symbols[previous].id, id)
                if rank != Self.none { workspace.push(rank, previous) }
            }
        }
        var index = 0
        while index >= 0 {
            pieces.append(symbols[index].id, Int(symbols[index].start), Int(symbols[index].end))
            index = Int(symbols[index].next)
        }
    }

    /// Writes a symbol for each byte. Returns their number.
    private func addSymbols(
        _ word: UnsafePointer<UInt8>, _ count: Int, _ symbols: UnsafeMutablePointer<Workspace.Symbol>
    ) -> Int {
        var length = 0
        var isAfterUnknown = false
        for position in 0..<count {
            var id = byteTokens[Int(word[position])]
            let isUnknown = id < 0
            if isUnknown {
                guard let unknown else { continue }
                if fusesUnknown, isAfterUnknown {
                    symbols[length &- 1].end = Int32(truncatingIfNeeded: position &+ 1)
                    continue
                }
                id = unknown
            }
            isAfterUnknown = isUnknown
            symbols[length] = Workspace.Symbol(
                id: id, previous: Int32(truncatingIfNeeded: length &- 1), next: Int32(truncatingIfNeeded: length &+ 1),
                start: Int32(truncatingIfNeeded: position), end: Int32(truncatingIfNeeded: position &+ 1))
            length &+= 1
        }
        if length > 0 { symbols[length &- 1].next = -1 }
        return length
    }
}

/// How GPT-2 writes bytes in a vocabulary: printable characters of Latin-1 as themselves, the others as the characters
/// from U+0100 on, in order.
enum ByteAlphabet {
    private static let scalars: [UInt32] = {
        var next: UInt32 = 0x100
        return (0..<256 as Range<UInt32>).map { byte -> UInt32 in
            switch byte {
            case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: return byte
            default:
                defer { next += 1 }
                return next
            }
        }
    }()

    /// The character of a byte, in UTF-8.
    static func character(of byte: UInt8) -> UTF8.EncodedScalar { encodedScalar(scalars[Int(byte)]) }
}
