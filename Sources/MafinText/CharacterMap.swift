/// SentencePiece's `precompiled_charsmap`: which sequences of characters a normalizer replaces, and with what.
///
/// The format is that of SentencePiece's `normalizer.cc`: the size of a trie in bytes (4 bytes, little-endian), the
/// units of the trie (4 bytes each, of the library Darts-clone), and the replacements, each ended by a zero byte. A key's
/// value is the place of its replacement. The file comes from a stranger, so no unit is trusted: every step is checked.
final class CharacterMap: @unchecked Sendable {
    // Sendable: nothing changes after `init`.

    private let units: UnsafePointer<UInt32>
    private let unitCount: Int
    private let replacements: UnsafePointer<UInt8>
    private let replacementBytes: Int

    /// - Throws: `Vocabulary.Failure` with the reason why the bytes are no such map.
    init(_ blob: [UInt8]) throws(Vocabulary.Failure) {
        func number(_ position: Int) -> UInt32 {
            (0..<4).reduce(0) { $0 | UInt32(blob[position + $1]) << UInt32(8 * $1) }
        }
        let size = blob.count >= 4 ? Int(number(0)) : 0
        guard blob.count > 4, size % 4 == 0, size > 0, 4 + size < blob.count else {
            throw Vocabulary.Failure(
                reason: "the map of characters has \(blob.count) bytes, which is not the size that it states")
        }
        let rest = blob[(4 + size)...]
        guard String(validating: rest, as: UTF8.self) != nil else {
            throw Vocabulary.Failure(reason: "a replacement in the map of characters is not UTF-8")
        }
        unitCount = size / 4
        units = fixedCopy((0..<unitCount).map { number(4 + 4 * $0) })
        replacementBytes = rest.count
        replacements = fixedCopy(rest + [0])
    }

    deinit {
        units.deallocate()
        replacements.deallocate()
    }

    /// The shortest key that some bytes begin with, and the place of its replacement.
    @inline(__always) func shortest(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int? {
        var found: Int?
        walk(
            bytes, count,
            found: { _, value in
                found = value
                return false
            })
        return found
    }

    /// The longest key that some bytes begin with, and the place of its replacement.
    @inline(__always) func longest(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> (length: Int, value: Int)? {
        var found: (length: Int, value: Int)?
        walk(
            bytes, count,
            found: { length, value in
                found = (length, value)
                return true
            })
        return found
    }

    /// The replacement at a place that a look-up returned.
    func replacement(at value: Int) -> UnsafeBufferPointer<UInt8> {
        var end = value
        while replacements[end] != 0 { end += 1 }
        return UnsafeBufferPointer(start: replacements + value, count: end - value)
    }

    /// Whether a key may begin with these two bytes.
    func hasKeys(beginning first: UInt8, _ second: UInt8) -> Bool {
        var reached = false
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 2) { bytes in
            bytes[0] = first
            bytes[1] = second
            if let start = bytes.baseAddress { walk(start, 2, reached: { reached = true }, found: { _, _ in true }) }
        }
        return reached
    }

    /// Follows some bytes through the trie. `found` receives each key that they begin with, the shortest first, and
    /// returns whether to go on. `reached` is called if all bytes were followed.
    @inline(__always)
    private func walk(
        _ bytes: UnsafePointer<UInt8>, _ count: Int, reached: () -> Void = {}, found: (Int, Int) -> Bool
    ) {
        var node = Self.offset(units[0])
        for index in 0..<count {
            let byte = bytes[index]
            // A zero byte marks the unit with the value.
            guard byte != 0 else { return }
            node ^= Int(byte)
            guard node < unitCount else { return }
            let unit = units[node]
            guard unit & 0x8000_00FF == UInt32(byte) else { return }
            node ^= Self.offset(unit)
            guard node < unitCount else { return }
            guard unit >> 8 & 1 == 1 else { continue }
            let value = Int(units[node] & 0x7FFF_FFFF)
            // Keys and replacements begin and end between characters.
            guard value < replacementBytes, replacements[value] & 0xC0 != 0x80 else { return }
            if index + 1 < count, bytes[index + 1] & 0xC0 == 0x80 { continue }
            if !found(index + 1, value) { return }
        }
        reached()
    }

    @inline(__always) private static func offset(_ unit: UInt32) -> Int {
        Int(unit >> 10) << Int((unit & 0x200) >> 6)
    }
}

/// The step `Precompiled` of `tokenizers`, which uses the map in its own way: in a grapheme cluster of at most five
/// bytes, the shortest key that the cluster begins with replaces the whole cluster. In other clusters each scalar is
/// replaced for itself.
struct PrecompiledStep: Sendable {
    private let map: CharacterMap
    /// For each byte, whether it is an ASCII character that stays as it is. Not for the carriage return, which forms a
    /// cluster with a line feed.
    private let isKept: [Bool]

    init(_ map: CharacterMap) {
        self.map = map
        isKept = (0..<256).map { byte in
            byte < 128 && byte != 0x0D
                && withUnsafePointer(to: UInt8(byte)) { map.shortest($0, 1) == nil }
        }
    }

    func write(_ input: ByteView, to output: inout ByteBuffer) {
        let classes = TextClasses.shared
        isKept.withUnsafeBufferPointer { isKept in
            var position = 0
            while position < input.count {
                let start = position
                while position < input.count, isKept[Int(input.bytes[position])] { position &+= 1 }
                if position > start {
                    if position < input.count, input.bytes[position] >= 0x80,
                        classes[decodeScalar(input.bytes + position).scalar].contains(.extending)
                    {
                        position &-= 1
                    }
                    output.append(input, start..<position)
                    if position == input.count { return }
                }
                writeCluster(input, &position, classes, to: &output)
            }
        }
    }

    /// Writes the grapheme cluster at a position, and moves behind it.
    private func writeCluster(
        _ input: ByteView, _ position: inout Int, _ classes: TextClasses, to output: inout ByteBuffer
    ) {
        let start = position
        let first = decodeScalar(input.bytes + start)
        position &+= first.width
        let isSingle = position == input.count || !extendCluster(input, first.scalar, &position, classes)
        let length = position - start
        if length < 6, let value = map.shortest(input.bytes + start, length) {
            return output.append(map.replacement(at: value), replacing: start..<position, of: input)
        }
        if isSingle { return output.append(input, start..<position) }
        var part = start
        while part < position {
            let end = part + scalarWidth(input.bytes[part])
            if let value = map.shortest(input.bytes + part, end - part) {
                output.append(map.replacement(at: value), replacing: part..<end, of: input)
            } else {
                output.append(input, part..<end)
            }
            part = end
        }
    }

    /// Moves a position behind a cluster's first scalar to its end, by the rules of UAX #29 that matter for clusters of
    /// at most five bytes. (Hangul syllables, emoji sequences and Indic conjuncts have at least six, and their scalars
    /// have the same replacements alone.)
    /// - Returns: whether the cluster has further scalars.
    @inline(__always)
    private func extendCluster(_ input: ByteView, _ first: UInt32, _ position: inout Int, _ classes: TextClasses)
        -> Bool
    {
        let start = position
        if first < 0x80, input.bytes[position] < 0x80 {
            if first == 0x0D, input.bytes[position] == 0x0A { position &+= 1 }
            return position > start
        }
        var kind = classes[first]
        if kind.contains(.control) { return false }
        while position < input.count {
            let next = decodeScalar(input.bytes + position)
            let nextKind = classes[next.scalar]
            guard nextKind.contains(.extending) || (kind.contains(.prepended) && !nextKind.contains(.control)) else {
                break
            }
            position &+= next.width
            kind = nextKind
        }
        return position > start
    }
}
