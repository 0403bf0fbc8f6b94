/// Vectors or scores that cannot be joined.
public enum CombinationError: Error, Equatable, CustomStringConvertible {
    /// A vector has length 0 and so no direction.
    case zeroVector(source: VectorSource, row: Int, id: String?)
    /// A vector or a score is NaN or infinite.
    case notFinite(source: VectorSource, row: Int, column: Int, id: String?)
    /// The halves do not have the same rows.
    case rowCount(blackBox: Int, local: Int)
    /// The identifiers do not belong to the rows.
    case identifierCount(rows: Int, ids: Int)

    /// One sentence with the half, the row (counted from 0) and its id.
    public var description: String {
        func place(_ row: Int, _ id: String?) -> String { id.map { "row \(row) ('\($0)')" } ?? "row \(row)" }
        return switch self {
        case .zeroVector(let source, let row, let id):
            "the \(source) vector in \(place(row, id)) is all zeros: it has no direction to compare"
        case .notFinite(let source, let row, let column, let id):
            "the \(source) half has a value in \(place(row, id)), column \(column), that is not a finite number"
        case .rowCount(let blackBox, let local):
            "the black-box half has \(blackBox) rows, the local half \(local)"
        case .identifierCount(let rows, let ids):
            "\(ids) identifiers for \(rows) rows"
        }
    }
}
