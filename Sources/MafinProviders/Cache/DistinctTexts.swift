import MafinBlackBox
import MafinNumerics

/// The distinct texts of one call. Images are distinct if their files are, or the texts beside them.
struct DistinctTexts: Sendable {
    let source: EmbeddingKey.Source
    /// The first item of each distinct text.
    let first: [Int]
    /// The key of each distinct text.
    let keys: [EmbeddingKey]
    /// For each item, the position of its text among the distinct texts.
    let distinctOfItem: [Int]

    init(_ items: [EmbeddingItem], identity: BlackBoxIdentity, role: TextRole) {
        source = EmbeddingKey.Source(identity: identity, role: role)
        var positionOfKey: [EmbeddingKey: Int] = [:]
        positionOfKey.reserveCapacity(items.count)
        var (first, keys, distinctOfItem): ([Int], [EmbeddingKey], [Int]) = ([], [], [])
        for (item, text) in items.lazy.map(\.content).enumerated() {
            let key = source.key(of: text)
            let position = positionOfKey[key] ?? keys.count
            if position == keys.count {
                positionOfKey[key] = position
                keys.append(key)
                first.append(item)
            }
            distinctOfItem.append(position)
        }
        (self.first, self.keys, self.distinctOfItem) = (first, keys, distinctOfItem)
    }

    /// The number of distinct texts.
    var count: Int { keys.count }

    /// Whether no text occurs twice.
    var isPlain: Bool { keys.count == distinctOfItem.count }

    /// For each distinct text, all items that have it.
    func itemsOfDistinct() -> ItemLists {
        guard !isPlain else { return ItemLists(starts: [], items: []) }
        var starts = [Int](repeating: 0, count: count + 1)
        for distinct in distinctOfItem { starts[distinct + 1] += 1 }
        for index in 0..<count { starts[index + 1] += starts[index] }
        var next = starts
        var items = [Int](repeating: 0, count: distinctOfItem.count)
        for (item, distinct) in distinctOfItem.enumerated() {
            items[next[distinct]] = item
            next[distinct] += 1
        }
        return ItemLists(starts: starts, items: items)
    }

    /// The items of each distinct text: lists end to end. It is empty if every text has one item.
    struct ItemLists: Sendable {
        let starts: [Int]
        let items: [Int]

        private func items(of distinct: Int) -> ArraySlice<Int> {
            starts.isEmpty ? [distinct] : items[starts[distinct]..<starts[distinct + 1]]
        }

        /// Rows of distinct texts, repeated for all items with that text.
        func expanded(_ rows: AnsweredRows) -> AnsweredRows {
            var (indices, selection): ([Int], [Int]) = ([], [])
            for (row, distinct) in rows.indices.enumerated() {
                for item in items(of: distinct) {
                    indices.append(item)
                    selection.append(row)
                }
            }
            let isPlain = selection.count == rows.indices.count
            return AnsweredRows(
                indices: indices, vectors: isPlain ? rows.vectors : rows.vectors.selecting(rows: selection))
        }
    }
}
