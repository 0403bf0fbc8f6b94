/// The token ids of many texts, one after the other without padding.
///
/// Row `r` is `ids[offsets[r] ..< offsets[r + 1]]`. `offsets` has `count + 1` cumulative lengths and starts at 0. An
/// encoder that works on `(tokens, width)` needs this layout.
public struct TokenBatch: Sendable, Equatable {
    /// The ids of all rows, one row after the other. There are ``tokenCount``.
    public private(set) var ids: [Int32]
    /// The start of each row, followed by the number of all tokens: `count + 1` values that never decrease.
    public private(set) var offsets: [Int]

    /// A batch without rows.
    public init() {
        ids = []
        offsets = [0]
    }

    /// A batch from the ids of all rows and the offsets of the rows.
    ///
    /// - Parameters:
    ///   - ids: the ids of all rows, one row after the other.
    ///   - offsets: `rows + 1` cumulative lengths from 0 to `ids.count`, which never decrease.
    public init(ids: [Int32], offsets: [Int]) {
        precondition(offsets.first == 0 && offsets.last == ids.count, "offsets must run from 0 to the number of ids")
        precondition(zip(offsets, offsets.dropFirst()).allSatisfy { $0 <= $1 }, "offsets must not decrease")
        self.ids = ids
        self.offsets = offsets
    }

    /// A batch of these rows, in this order.
    public init(rows: some Sequence<some Sequence<Int32>>) {
        self.init()
        for row in rows { append(row) }
    }

    /// The rows of all parts, one part after the other.
    init(joining parts: [TokenBatch]) {
        self = parts.count == 1 ? parts[0] : TokenBatch()
        guard parts.count > 1 else { return }
        ids.reserveCapacity(parts.reduce(0) { $0 + $1.tokenCount })
        offsets.reserveCapacity(parts.reduce(1) { $0 + $1.count })
        for part in parts { append(contentsOf: part) }
    }

    /// The number of rows.
    public var count: Int { offsets.count - 1 }

    /// Whether there is no row.
    public var isEmpty: Bool { count == 0 }

    /// The number of tokens in all rows.
    public var tokenCount: Int { ids.count }

    /// The number of tokens of one row.
    public func length(of row: Int) -> Int { offsets[row + 1] - offsets[row] }

    /// The number of tokens of the longest row; 0 without rows.
    public var longestLength: Int {
        (0..<count).map(length).max() ?? 0
    }

    /// The ids of one row, without a copy.
    public subscript(row: Int) -> ArraySlice<Int32> { ids[offsets[row]..<offsets[row + 1]] }

    /// The given rows, in the given order. A row may be named more than once.
    ///
    /// - Complexity: O(tokens of the selected rows).
    public func selecting(rows: some Collection<Int>) -> TokenBatch {
        var selected = TokenBatch()
        selected.offsets.reserveCapacity(rows.count + 1)
        selected.ids.reserveCapacity(rows.reduce(0) { $0 + length(of: $1) })
        for row in rows { selected.append(self[row]) }
        return selected
    }

    /// Adds one row at the end.
    public mutating func append(_ row: some Sequence<Int32>) {
        ids.append(contentsOf: row)
        offsets.append(ids.count)
    }

    /// Adds all rows of another batch at the end.
    public mutating func append(contentsOf other: TokenBatch) {
        let shift = ids.count
        ids.append(contentsOf: other.ids)
        offsets.append(contentsOf: other.offsets.dropFirst().lazy.map { $0 + shift })
    }

    /// The rows of `first`, then those of `second`.
    public static func + (first: TokenBatch, second: TokenBatch) -> TokenBatch {
        var joined = first
        joined.append(contentsOf: second)
        return joined
    }
}
