/// A trie that maps byte strings to values, as a double array with one 8-byte unit per node. It takes one look-up per
/// byte.
///
/// A unit holds the byte that leads to it (9 bits, so that an empty unit differs from every byte), the base of its children
/// (23 bits) and its value (32 bits, -1 if no key ends there). The child by byte `b` is at `base ^ b`. No two nodes share a base,
/// so that the byte shows whether a unit is a child of the node. (Aoe, "An efficient digital search algorithm by using a
/// double-array structure", IEEE TSE 1989.)
struct DoubleArrayTrie {
    private(set) var units: [UInt64] = []

    static let emptyLabel: UInt64 = 0x1FF
    static let empty: UInt64 = emptyLabel | UInt64(UInt32.max) << 32
    private static let largestBase = 1 << 23

    @inline(__always) static func label(_ unit: UInt64) -> UInt64 { unit & 0x1FF }
    @inline(__always) static func base(_ unit: UInt64) -> Int { Int(unit >> 9 & 0x7F_FFFF) }
    @inline(__always) static func value(_ unit: UInt64) -> Int32 { Int32(truncatingIfNeeded: unit >> 32) }

    /// Free units form a list through these two, so that a search visits free units only.
    private var nextFree: [Int32] = []
    private var previousFree: [Int32] = []
    private var firstFree: Int32 = -1
    private var isBaseTaken: [Bool] = []

    /// A key, as a range of the bytes of all keys.
    struct Key {
        let start: Int
        let count: Int
        let value: Int32
    }

    /// Adds a trie over these keys and returns the base of its root. All tries share the units.
    ///
    /// - Parameters:
    ///   - keys: keys that are not empty, with values ≥ 0. Of equal keys the last wins.
    ///   - bytes: the bytes to which the keys refer.
    /// - Returns: `nil` if there are more nodes than 23 bits can number.
    mutating func add(_ keys: [Key], bytes: UnsafeBufferPointer<UInt8>) -> Int? {
        let sorted = Self.sorted(keys, bytes)
        // Nodes whose children are still missing, with the keys that pass through the node and its depth.
        var pending: [(node: Int?, keys: Range<Int>, depth: Int)] = [(nil, sorted.indices, 0)]
        var rootBase: Int?
        var labels: [UInt8] = []
        var groups: [Range<Int>] = []
        while let (node, range, depth) = pending.popLast() {
            labels.removeAll(keepingCapacity: true)
            groups.removeAll(keepingCapacity: true)
            var index = range.lowerBound
            while index < range.upperBound {
                let label = bytes[sorted[index].start + depth]
                let start = index
                while index < range.upperBound, bytes[sorted[index].start + depth] == label { index += 1 }
                labels.append(label)
                groups.append(start..<index)
            }
            guard let base = takeBase(for: labels) else { return nil }
            if let node { units[node] |= UInt64(base) << 9 } else { rootBase = base }

            for (label, group) in zip(labels, groups).reversed() {
                let child = base ^ Int(label)
                var rest = group
                var value: Int32 = -1
                while let first = rest.first, sorted[first].count == depth + 1 {
                    value = sorted[first].value
                    rest = first + 1..<rest.upperBound
                }
                units[child] = UInt64(label) | UInt64(UInt32(bitPattern: value)) << 32
                if !rest.isEmpty { pending.append((child, rest, depth + 1)) }
            }
        }
        return rootBase
    }

    /// The keys, sorted; equal keys keep their order. Most keys differ in their first eight bytes, which are compared
    /// as one number.
    private static func sorted(_ keys: [Key], _ bytes: UnsafeBufferPointer<UInt8>) -> [Key] {
        let order = keys.indices.map { index in
            var head: UInt64 = 0
            for place in 0..<8 {
                head = head << 8 | (place < keys[index].count ? UInt64(bytes[keys[index].start + place]) : 0)
            }
            return (head: head, index: index)
        }
        return order.sorted { first, second in
            if first.head != second.head { return first.head < second.head }
            let (one, other) = (keys[first.index], keys[second.index])
            for place in 0..<min(one.count, other.count) where bytes[one.start + place] != bytes[other.start + place] {
                return bytes[one.start + place] < bytes[other.start + place]
            }
            return one.count == other.count ? first.index < second.index : one.count < other.count
        }.map { keys[$0.index] }
    }

    /// Finds a base at which the units of all labels are free, and takes them.
    private mutating func takeBase(for labels: [UInt8]) -> Int? {
        // The root of a trie without keys.
        guard let firstLabel = labels.first else {
            if units.isEmpty { grow() }
            return 0
        }
        var candidate = firstFree
        while candidate >= 0 {
            let base = Int(candidate) ^ Int(firstLabel)
            // Nodes without children have base 0, so no child may be there.
            if base != 0, !isBaseTaken[base], labels.allSatisfy({ isFree(base ^ Int($0)) }) {
                return take(base, labels)
            }
            candidate = nextFree[Int(candidate)]
        }
        guard units.count + 256 <= Self.largestBase else { return nil }
        let start = units.count
        grow()
        return take(start == 0 ? 1 : start, labels)
    }

    private func isFree(_ unit: Int) -> Bool { previousFree[unit] != Self.notFree }

    private mutating func take(_ base: Int, _ labels: [UInt8]) -> Int {
        isBaseTaken[base] = true
        for label in labels { unlink(Int32(base ^ Int(label))) }
        return base
    }

    private static let notFree: Int32 = -2
    /// Only this many of the newest blocks are searched, because older ones are nearly full.
    private static let openBlocks = 16

    private mutating func grow() {
        let start = units.count
        units.append(contentsOf: repeatElement(Self.empty, count: 256))
        isBaseTaken.append(contentsOf: repeatElement(false, count: 256))
        nextFree.append(contentsOf: repeatElement(-1, count: 256))
        previousFree.append(contentsOf: repeatElement(-1, count: 256))
        // The newest block comes first, because it has room.
        for unit in (start..<start + 256).reversed() {
            nextFree[unit] = firstFree
            if firstFree >= 0 { previousFree[Int(firstFree)] = Int32(unit) }
            firstFree = Int32(unit)
        }
        let closing = start - Self.openBlocks * 256
        if closing >= 0 {
            for unit in closing..<closing + 256 where isFree(unit) { unlink(Int32(unit)) }
        }
    }

    private mutating func unlink(_ unit: Int32) {
        let next = nextFree[Int(unit)]
        let previous = previousFree[Int(unit)]
        if previous >= 0 { nextFree[Int(previous)] = next } else { firstFree = next }
        if next >= 0 { previousFree[Int(next)] = previous }
        previousFree[Int(unit)] = Self.notFree
    }
}
