/// The pieces of one word, as a model leaves them.
struct WordPieces: ~Copyable {
    struct Piece {
        var id: Int32
        /// The bytes of the word that it stands for.
        var start: Int32
        var end: Int32
    }

    private(set) var pieces: UnsafeMutablePointer<Piece>
    private var capacity: Int
    var count = 0

    init(capacity: Int = 256) {
        self.capacity = capacity
        pieces = .allocate(capacity: capacity)
    }

    deinit { pieces.deallocate() }

    @inline(__always) subscript(_ index: Int) -> Piece { pieces[index] }

    /// Removes all pieces, and makes room for others.
    @inline(__always) mutating func clear(capacity needed: Int) {
        count = 0
        if needed > capacity {
            capacity = max(2 * capacity, needed)
            pieces.deallocate()
            pieces = .allocate(capacity: capacity)
        }
    }

    /// Adds one piece. There must be room for it.
    @inline(__always) mutating func append(_ id: Int32, _ start: Int, _ end: Int) {
        pieces[count] = Piece(id: id, start: Int32(truncatingIfNeeded: start), end: Int32(truncatingIfNeeded: end))
        count &+= 1
    }

    /// Lets the last piece end later.
    mutating func extendLast(to end: Int) { pieces[count - 1].end = Int32(truncatingIfNeeded: end) }
}

/// The ids of words that a worker has met before. Words are compared byte for byte.
///
/// It is a hash table with open addressing. It starts small, because most requests are one short text, and is full at
/// some number of words, because rare words do not come again.
struct WordCache: ~Copyable {
    private struct Slot {
        /// 0 for an empty slot.
        var hash: UInt64
        var key: Int32
        var ids: Int32
        var length: Int32
        var count: Int32
    }

    /// Longer words are not kept.
    static let longestWord = 64
    private static let mostWords = 1 << 15

    private var slots: UnsafeMutablePointer<Slot>
    private var mask: Int
    private var words = 0
    private var keys: [UInt8] = []
    private var ids: [Int32] = []

    init() {
        mask = 511
        slots = .allocate(capacity: mask + 1)
        slots.initialize(repeating: Slot(hash: 0, key: 0, ids: 0, length: 0, count: 0), count: mask + 1)
    }

    deinit { slots.deallocate() }

    /// The hash of a word, never 0.
    @inline(__always) static func hash(_ word: UnsafePointer<UInt8>, _ count: Int) -> UInt64 {
        var state = UInt64(truncatingIfNeeded: count) &* 0x9E37_79B9_7F4A_7C15
        var position = 0
        func mix(_ value: UInt64) {
            let product = (state ^ value).multipliedFullWidth(by: 0xA076_1D64_78BD_642F)
            state = product.high ^ product.low
        }
        while count &- position >= 8 {
            mix(UnsafeRawPointer(word + position).loadUnaligned(as: UInt64.self))
            position &+= 8
        }
        var rest: UInt64 = 0
        while position < count {
            rest = rest << 8 | UInt64(word[position])
            position &+= 1
        }
        mix(rest)
        return state | 1
    }

    /// Appends the ids of a word. Returns `false` if the word is not known.
    @inline(__always)
    func append(_ word: UnsafePointer<UInt8>, _ count: Int, hash: UInt64, to output: inout IdentifierBuffer) -> Bool {
        var index = Int(truncatingIfNeeded: hash >> 20) & mask
        while slots[index].hash != 0 {
            if slots[index].hash == hash, Int(slots[index].length) == count, isKey(word, count, slots[index].key) {
                let found = slots[index]
                output.reserve(Int(found.count))
                ids.withUnsafeBufferPointer { ids in
                    for place in Int(found.ids)..<Int(found.ids) &+ Int(found.count) { output.append(ids[place]) }
                }
                return true
            }
            index = (index &+ 1) & mask
        }
        return false
    }

    @inline(__always) private func isKey(_ word: UnsafePointer<UInt8>, _ count: Int, _ key: Int32) -> Bool {
        keys.withUnsafeBufferPointer { keys in
            for index in 0..<count where keys[Int(key) &+ index] != word[index] { return false }
            return true
        }
    }

    /// Keeps the ids of a word that is not known yet, while there is room.
    mutating func insert(_ word: UnsafePointer<UInt8>, _ count: Int, hash: UInt64, _ pieces: borrowing WordPieces) {
        guard words < Self.mostWords else { return }
        if 2 * words > mask { grow() }
        words += 1
        place(
            Slot(
                hash: hash, key: Int32(keys.count), ids: Int32(ids.count), length: Int32(count),
                count: Int32(pieces.count)))
        keys.append(contentsOf: UnsafeBufferPointer(start: word, count: count))
        for index in 0..<pieces.count { ids.append(pieces[index].id) }
    }

    private func place(_ slot: Slot) {
        var index = Int(truncatingIfNeeded: slot.hash >> 20) & mask
        while slots[index].hash != 0 { index = (index &+ 1) & mask }
        slots[index] = slot
    }

    private mutating func grow() {
        let (old, size) = (slots, mask + 1)
        mask = 4 * size - 1
        slots = .allocate(capacity: mask + 1)
        slots.initialize(repeating: Slot(hash: 0, key: 0, ids: 0, length: 0, count: 0), count: mask + 1)
        for index in 0..<size where old[index].hash != 0 { place(old[index]) }
        old.deallocate()
    }
}
