/// Vectors or scores that cannot be combined.
public enum CombinationError: Error, Equatable, CustomStringConvertible {
    /// A vector has length 0, so it has no direction.
    case zeroVector(source: SourceName, row: Int, id: String?)
    /// A vector or a score is NaN or infinite.
    case notFinite(source: SourceName, row: Int, column: Int, id: String?)
    /// The two sources do not have the same number of rows.
    case rowCount(blackBox: Int, local: Int)
    /// There are more or fewer identifiers than rows.
    case identifierCount(rows: Int, ids: Int)

    /// One sentence with the source, the row (counted from 0) and its id.
    public var description: String {
        func place(_ row: Int, _ id: String?) -> String { id.map { "row \(row) ('\($0)')" } ?? "row \(row)" }
        return switch self {
        case .zeroVector(let source, let row, let id):
            "the \(source) vector in \(place(row, id)) is all zeros: it has no direction to compare"
        case .notFinite(let source, let row, let column, let id):
            "the \(source) value in \(place(row, id)), column \(column), is not a finite number"
        case .rowCount(let blackBox, let local):
            "the black box has \(blackBox) rows, the local encoder \(local)"
        case .identifierCount(let rows, let ids):
            "\(ids) identifiers for \(rows) rows"
        }
    }
}
