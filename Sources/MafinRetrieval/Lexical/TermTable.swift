/// Numbers byte strings in the order of their first appearance. A hash table with open addressing whose keys lie in one
/// array of bytes, so that a lookup makes no string.
struct TermTable: Sendable {
    private var arena: [UInt8] = []
    private var ends: [Int] = []
    /// Number of the term in each slot; −1 for a free slot. The length is a power of two, and at most half of the slots
    /// are used.
    private var slots = [Int32](repeating: -1, count: 1024)

    var count: Int { ends.count }

    /// The bytes of a term.
    subscript(term: Int) -> ArraySlice<UInt8> { arena[(term == 0 ? 0 : ends[term - 1])..<ends[term]] }

    /// The number of a term; `nil` if it is not in the table.
    func find(_ bytes: UnsafeBufferPointer<UInt8>) -> Int? {
        let number = slots[slot(of: bytes)]
        return number < 0 ? nil : Int(number)
    }

    /// The number of a term. A term that is not in the table is added.
    mutating func insert(_ bytes: UnsafeBufferPointer<UInt8>) -> Int {
        let slot = slot(of: bytes)
        if slots[slot] >= 0 { return Int(slots[slot]) }
        slots[slot] = Int32(ends.count)
        arena.append(contentsOf: bytes)
        ends.append(arena.count)
        if ends.count * 2 > slots.count { grow() }
        return ends.count - 1
    }

    /// The slot of the term, or the free slot for it.
    private func slot(of bytes: UnsafeBufferPointer<UInt8>) -> Int {
        let mask = slots.count - 1
        var slot = Self.hash(bytes) & mask
        while slots[slot] >= 0, !equals(Int(slots[slot]), bytes) { slot = (slot + 1) & mask }
        return slot
    }

    private func equals(_ term: Int, _ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        let start = term == 0 ? 0 : ends[term - 1]
        guard ends[term] - start == bytes.count else { return false }
        for index in 0..<bytes.count where arena[start + index] != bytes[index] { return false }
        return true
    }

    private mutating func grow() {
        var larger = [Int32](repeating: -1, count: slots.count * 2)
        let mask = larger.count - 1
        for term in 0..<count {
            var slot = self[term].withUnsafeBufferPointer(Self.hash) & mask
            while larger[slot] >= 0 { slot = (slot + 1) & mask }
            larger[slot] = Int32(term)
        }
        slots = larger
    }

    /// FNV-1a, with the high bits folded into the low ones.
    private static func hash(_ bytes: UnsafeBufferPointer<UInt8>) -> Int {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return Int(truncatingIfNeeded: hash ^ hash >> 32)
    }
}
