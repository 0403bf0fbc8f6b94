/// A dense matrix of `Float`, flat and row-major.
///
/// Copies share storage until one of them is changed.
public struct Matrix: Sendable, Equatable {
    /// Number of rows.
    public let rows: Int
    /// Number of columns.
    public let columns: Int
    /// `rows × columns` values; row `r` is `values[r * columns ..< (r + 1) * columns]`.
    public var values: [Float]

    /// A matrix with the given values, row after row.
    public init(rows: Int, columns: Int, values: [Float]) {
        precondition(values.count == rows * columns, "\(values.count) values do not fill \(rows) × \(columns)")
        self.rows = rows
        self.columns = columns
        self.values = values
    }

    /// Matrices of the same number of columns, one below the other.
    package init(stacking parts: [Matrix]) {
        let columns = parts.first?.columns ?? 0
        precondition(parts.allSatisfy { $0.columns == columns }, "rows of different lengths")
        self.init(
            rows: parts.reduce(0) { $0 + $1.rows }, columns: columns, values: Array(parts.map(\.values).joined()))
    }

    /// A matrix filled with one value.
    public init(rows: Int, columns: Int, repeating value: Float = 0) {
        self.init(rows: rows, columns: columns, values: [Float](repeating: value, count: rows * columns))
    }

    /// The element in row `row` and column `column`.
    public subscript(row: Int, column: Int) -> Float {
        get { values[row * columns + column] }
        set { values[row * columns + column] = newValue }
    }

    /// Multiplies every element.
    package mutating func scale(by factor: Float) {
        values.withUnsafeMutableBufferPointer { values in
            for index in values.indices { values[index] *= factor }
        }
    }

    /// One row. O(1); shares storage.
    public func row(_ row: Int) -> ArraySlice<Float> {
        values[row * columns..<(row + 1) * columns]
    }

    /// Some adjacent columns.
    package func selecting(columns range: Range<Int>) -> Matrix {
        if range == 0..<columns { return self }
        var selected: [Float] = []
        selected.reserveCapacity(rows * range.count)
        for index in 0..<rows {
            selected.append(contentsOf: values[index * columns + range.lowerBound..<index * columns + range.upperBound])
        }
        return Matrix(rows: rows, columns: range.count, values: selected)
    }

    /// The given rows, in the given order. A row may be named more than once.
    public func selecting(rows selection: some Collection<Int>) -> Matrix {
        var selected: [Float] = []
        selected.reserveCapacity(selection.count * columns)
        for index in selection { selected.append(contentsOf: row(index)) }
        return Matrix(rows: selection.count, columns: columns, values: selected)
    }
}
