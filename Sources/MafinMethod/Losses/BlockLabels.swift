/// One known label of a score block: a column (candidate document) of a row (query), and how relevant it is.
public struct Judgement: Sendable, Hashable {
    /// Column of the block.
    public var column: Int
    /// Relevance grade, above zero; binary labels are grade 1.
    public var grade: Float

    /// A judgement of the given column.
    public init(column: Int, grade: Float = 1) {
        self.column = column
        self.grade = grade
    }

    /// The document, and its grade as the metrics count it: rounded to the nearest whole number, but at least 1,
    /// because every positive is relevant.
    package var graded: (document: Int, grade: Int) { (column, max(1, Int(grade.rounded()))) }
}

/// Labels of one score block: rows are queries, columns are candidate documents.
public struct BlockLabels: Sendable {
    /// For each row the relevant columns, each named once, with grades above zero. A row without relevant columns does
    /// not count in a loss and receives a zero gradient.
    public var relevant: [[Judgement]]
    /// For each row the columns that are neither a positive nor a negative, such as a document with the text of a
    /// positive or a known positive that is not the target. Must not name a column that ``relevant`` names in the same
    /// row.
    public var masked: [[Int]]

    /// Labels of `relevant.count` rows.
    /// - Parameter masked: one list per row, or empty if nothing is masked.
    public init(relevant: [[Judgement]], masked: [[Int]] = []) {
        precondition(
            masked.isEmpty || masked.count == relevant.count,
            "\(masked.count) rows of masks for \(relevant.count) rows of labels")
        self.relevant = relevant
        self.masked = masked.isEmpty ? [[Int]](repeating: [], count: relevant.count) : masked
    }

    /// Number of rows (queries).
    public var rows: Int { relevant.count }

    /// The rows that have at least one relevant column, in order.
    var rowsWithLabels: [Int] { relevant.indices.filter { !relevant[$0].isEmpty } }

    /// Number of rows that have at least one relevant column: the divisor of a loss's mean.
    public var labelledRows: Int { relevant.count { !$0.isEmpty } }
}
