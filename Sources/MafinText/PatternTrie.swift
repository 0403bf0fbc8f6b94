/// A few byte strings, and where they occur in a text.
final class PatternTrie: @unchecked Sendable {
    // Sendable: nothing changes after `init`.

    /// The units of ``DoubleArrayTrie``.
    private let units: UnsafePointer<UInt64>
    private let root: Int
    /// For each byte, whether a pattern starts with it.
    private let starts: UnsafePointer<Bool>
    /// Whether there is no pattern that can be found.
    let isEmpty: Bool

    /// - Parameter patterns: the patterns; an empty one is never found. Of equal ones the first is found.
    init(_ patterns: [[UInt8]]) throws(Vocabulary.Failure) {
        var bytes: [UInt8] = []
        var keys: [DoubleArrayTrie.Key] = []
        for (index, pattern) in patterns.enumerated().reversed() where !pattern.isEmpty {
            keys.append(.init(start: bytes.count, count: pattern.count, value: Int32(index)))
            bytes += pattern
        }
        var builder = DoubleArrayTrie()
        guard let root = bytes.withUnsafeBufferPointer({ builder.add(keys, bytes: $0) }) else {
            throw Vocabulary.Failure(reason: "there are too many added tokens: \(bytes.count) bytes")
        }
        self.root = root
        isEmpty = keys.isEmpty
        units = fixedCopy(builder.units)
        var starts = [Bool](repeating: false, count: 256)
        for key in keys { starts[Int(bytes[key.start])] = true }
        self.starts = fixedCopy(starts)
    }

    deinit {
        units.deallocate()
        starts.deallocate()
    }

    /// Whether a pattern starts with this byte.
    @inline(__always) func mayStart(with byte: UInt8) -> Bool { starts[Int(byte)] }

    /// The longest pattern at a position.
    @inline(__always)
    func longest(at position: Int, in text: UnsafeBufferPointer<UInt8>) -> (pattern: Int, length: Int)? {
        var base = root
        var found: (pattern: Int, length: Int)?
        var index = position
        while index < text.count {
            let byte = text[index]
            let unit = units[base ^ Int(byte)]
            if DoubleArrayTrie.label(unit) != UInt64(byte) { break }
            index &+= 1
            let value = DoubleArrayTrie.value(unit)
            if value >= 0 { found = (Int(value), index &- position) }
            base = DoubleArrayTrie.base(unit)
        }
        return found
    }

    /// The first place at or after a position at which a pattern occurs, and the longest pattern there.
    func first(from position: Int, in text: UnsafeBufferPointer<UInt8>)
        -> (position: Int, pattern: Int, length: Int)?
    {
        if isEmpty { return nil }
        for index in position..<max(position, text.count) where mayStart(with: text[index]) {
            if let (pattern, length) = longest(at: index, in: text) { return (index, pattern, length) }
        }
        return nil
    }
}

/// A copy of an array at an address that does not change, for inner loops without bounds checks and reference counting.
/// The owner deallocates it.
func fixedCopy<Element>(_ array: [Element]) -> UnsafePointer<Element> {
    let memory = UnsafeMutablePointer<Element>.allocate(capacity: max(1, array.count))
    memory.initialize(from: array, count: array.count)
    return UnsafePointer(memory)
}
