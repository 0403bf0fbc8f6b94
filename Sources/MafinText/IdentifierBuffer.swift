/// A growing buffer of ids for one worker. The inner loop reserves memory once per word and then writes without checks.
struct IdentifierBuffer: ~Copyable {
    private(set) var memory: UnsafeMutablePointer<Int32>
    private var capacity: Int
    var count = 0

    init(capacity: Int = 4096) {
        self.capacity = capacity
        memory = .allocate(capacity: capacity)
    }

    deinit { memory.deallocate() }

    /// The ids so far. Valid until the next change.
    var view: UnsafeBufferPointer<Int32> { UnsafeBufferPointer(start: memory, count: count) }

    /// Makes room for `additional` more ids.
    @inline(__always) mutating func reserve(_ additional: Int) {
        if capacity - count < additional { grow(additional) }
    }

    @inline(never) private mutating func grow(_ additional: Int) {
        capacity = max(2 * capacity, count + additional)
        let larger = UnsafeMutablePointer<Int32>.allocate(capacity: capacity)
        larger.moveInitialize(from: memory, count: count)
        memory.deallocate()
        memory = larger
    }

    /// Adds one id. There must be room for it.
    @inline(__always) mutating func append(_ id: Int32) {
        memory[count] = id
        count &+= 1
    }

    mutating func append(contentsOf ids: [Int32]) {
        reserve(ids.count)
        for id in ids { append(id) }
    }

    /// Removes `length` ids that start at `start`.
    mutating func remove(_ length: Int, at start: Int) {
        (memory + start).update(from: memory + start + length, count: count - start - length)
        count -= length
    }
}
