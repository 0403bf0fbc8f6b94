/// Finds inputs that have the same text.
///
/// Equal texts have equal vectors. A step therefore encodes each distinct text once, and a document with the text of a
/// positive is never a negative.
public enum TextIdentity {
    /// For every element the position of the first element that is equal to it. O(count).
    public static func classes<Text: Hashable>(of texts: some Collection<Text>) -> [Int] {
        var first: [Text: Int] = Dictionary(minimumCapacity: texts.count)
        return texts.enumerated().map { position, text in
            if let known = first[text] { return known }
            first[text] = position
            return position
        }
    }
}

/// A selection of rows, reduced to one row per distinct text.
struct DistinctRows {
    /// One row per distinct text, in order of first appearance.
    private(set) var rows: [Int] = []
    /// For every element of the selection, the position of its text in ``rows``.
    private(set) var position: [Int] = []
    /// Position in ``rows`` by identity.
    private(set) var positionOfIdentity: [Int: Int] = [:]

    /// The distinct texts of `selection`. `identities` has one entry for each row, selected or not.
    init(_ selection: [Int], identities: [Int]) {
        position.reserveCapacity(selection.count)
        positionOfIdentity.reserveCapacity(selection.count)
        for row in selection {
            let identity = identities[row]
            if let known = positionOfIdentity[identity] {
                position.append(known)
            } else {
                positionOfIdentity[identity] = rows.count
                position.append(rows.count)
                rows.append(row)
            }
        }
    }

    /// Whether the selection names some text more than once.
    var hasRepeats: Bool { rows.count != position.count }
}
