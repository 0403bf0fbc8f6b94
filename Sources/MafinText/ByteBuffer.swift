/// Bytes of a text in one step of its normalization, and where in the original text each byte comes from.
struct ByteView {
    let bytes: UnsafePointer<UInt8>
    let count: Int
    /// For each byte, the range of the original bytes that it stands for. `nil` if nobody needs it, and if the bytes are
    /// original.
    private let sources: UnsafePointer<Range<Int>>?
    /// The position of the first byte in the original text, if the bytes are original.
    private let offset: Int

    init(bytes: UnsafePointer<UInt8>, count: Int, sources: UnsafePointer<Range<Int>>? = nil, offset: Int = 0) {
        self.bytes = bytes
        self.count = count
        self.sources = sources
        self.offset = offset
    }

    var isEmpty: Bool { count == 0 }

    var buffer: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: bytes, count: count) }

    /// A part that begins and ends between scalars.
    subscript(_ range: Range<Int>) -> ByteView {
        ByteView(
            bytes: bytes + range.lowerBound, count: range.count, sources: sources.map { $0 + range.lowerBound },
            offset: offset + range.lowerBound)
    }

    /// The range of the original bytes from which a byte comes. For original bytes, that of the whole scalar.
    func source(_ index: Int) -> Range<Int> {
        if let sources { return sources[index] }
        var start = index
        while start > 0, bytes[start] & 0xC0 == 0x80 { start -= 1 }
        var end = index + 1
        while end < count, bytes[end] & 0xC0 == 0x80 { end += 1 }
        return offset + start..<offset + end
    }

    /// The range of the original bytes from which some bytes come. For an empty range, the place between its neighbours.
    func source(_ range: Range<Int>) -> Range<Int> {
        guard !range.isEmpty else {
            let place =
                range.lowerBound < count
                ? source(range.lowerBound).lowerBound : count > 0 ? source(count - 1).upperBound : offset
            return place..<place
        }
        let start = source(range.lowerBound).lowerBound
        return start..<max(start, source(range.upperBound - 1).upperBound)
    }

    /// Whether all bytes are ASCII.
    var isASCII: Bool {
        var union: UInt8 = 0
        for index in 0..<count { union |= bytes[index] }
        return union < 0x80
    }
}

/// The output of one step of a normalization. Its memory is used again for the next text.
struct ByteBuffer: ~Copyable {
    private(set) var memory: UnsafeMutablePointer<UInt8>
    private var sources: UnsafeMutablePointer<Range<Int>>?
    private var capacity: Int
    var count = 0

    /// - Parameter tracksSources: whether each byte keeps its range of original bytes.
    init(tracksSources: Bool, capacity: Int = 1024) {
        self.capacity = capacity
        memory = .allocate(capacity: capacity)
        sources = tracksSources ? .allocate(capacity: capacity) : nil
    }

    deinit {
        memory.deallocate()
        sources?.deallocate()
    }

    /// What has been written. Valid until the next change.
    var view: ByteView { ByteView(bytes: memory, count: count, sources: sources.map { UnsafePointer($0) }) }

    @inline(__always) private mutating func reserve(_ additional: Int) {
        if capacity - count < additional { grow(additional) }
    }

    @inline(never) private mutating func grow(_ additional: Int) {
        capacity = max(2 * capacity, count + additional)
        let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity)
        larger.moveInitialize(from: memory, count: count)
        memory.deallocate()
        memory = larger
        if let old = sources {
            let larger = UnsafeMutablePointer<Range<Int>>.allocate(capacity: capacity)
            larger.moveInitialize(from: old, count: count)
            old.deallocate()
            sources = larger
        }
    }

    /// Appends a part of a view unchanged.
    @inline(__always) mutating func append(_ view: ByteView, _ range: Range<Int>) {
        reserve(range.count)
        (memory + count).update(from: view.bytes + range.lowerBound, count: range.count)
        if let sources {
            for index in range { (sources + count + index - range.lowerBound).initialize(to: view.source(index)) }
        }
        count &+= range.count
    }

    /// Appends one byte that replaces a part of a view.
    @inline(__always) mutating func append(_ byte: UInt8, replacing range: Range<Int>, of view: ByteView) {
        reserve(1)
        memory[count] = byte
        if let sources { (sources + count).initialize(to: view.source(range)) }
        count &+= 1
    }

    /// Appends bytes that replace a part of a view. Each of them stands for the whole part.
    mutating func append(_ bytes: UnsafeBufferPointer<UInt8>, replacing range: Range<Int>, of view: ByteView) {
        guard let start = bytes.baseAddress else { return }
        reserve(bytes.count)
        (memory + count).update(from: start, count: bytes.count)
        if let sources { (sources + count).initialize(repeating: view.source(range), count: bytes.count) }
        count &+= bytes.count
    }

    /// Appends a mark for a space, which stands for no bytes: spaces do not belong to the ranges of tokens. It lies at
    /// the end of the replaced part.
    @inline(__always) mutating func append(mark: SpaceMark, replacing range: Range<Int>, of view: ByteView) {
        reserve(4)
        for index in 0..<mark.count { memory[count &+ index] = mark[index] }
        if let sources {
            let end = view.source(range).upperBound
            (sources + count).initialize(repeating: end..<end, count: mark.count)
        }
        count &+= mark.count
    }
}

/// The scalar that stands for a space in tokens, usually "▁" (U+2581).
struct SpaceMark: Sendable, Equatable {
    /// UTF-8, the first byte lowest.
    private let packed: UInt32
    let count: Int

    init(_ scalar: Unicode.Scalar) {
        let bytes = utf8Bytes(scalar.value)
        count = bytes.count
        packed = bytes.reversed().reduce(0) { $0 << 8 | UInt32($1) }
    }

    static let standard = SpaceMark("\u{2581}")

    @inline(__always) subscript(_ index: Int) -> UInt8 { UInt8(truncatingIfNeeded: packed >> (8 * UInt32(index))) }

    /// Whether a view has the mark at a position.
    @inline(__always) func isAt(_ position: Int, _ view: ByteView) -> Bool {
        guard view.bytes[position] == self[0], view.count - position >= count else { return false }
        for index in 1..<max(1, count) where view.bytes[position &+ index] != self[index] { return false }
        return true
    }
}
