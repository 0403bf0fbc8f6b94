import MafinNumerics

/// Exact search by inner product over rows of vectors, which may come in parts that lie side by side.
///
/// With the parts `[b ; u]` of a document (a black box's vector and a local one) and a query `[(1 − λ) p ; λ v]`, the score
/// `(1 − λ) p · b + λ v · u` is an inner product like any other: λ can change without touching the index. A part is summed by
/// itself, so with a weight of 0 and 1 the ranking is the other part's own, bit for bit.
///
/// A score depends on its row and query alone: rankings are the same for any number of threads and for any batch of queries.
/// (Another instruction set may differ in the last bits.) The rows stay where they are, in memory or in a mapped file.
public struct VectorIndex: Sendable {
    /// The parts, each of the same number of rows.
    public let parts: [VectorRows]
    /// The parts in bytes, or none.
    let approximations: [RowApproximation]

    /// An index of rows whose parts lie side by side.
    /// - Parameter isApproximated: whether to hold a byte of every element beside the rows. Searches with few queries then read
    ///   a quarter of what float32 rows take, and only those rows that may be among the best; what they find is the same. The
    ///   rows of a mapped file, once approximated, need not stay in memory. Making it reads all rows once.
    public init(parts: [VectorRows], isApproximated: Bool = false) {
        precondition(!parts.isEmpty, "an index needs a part")
        precondition(
            parts.allSatisfy { $0.count == parts[0].count },
            "parts of \(parts.map { "\($0.count)" }.joined(separator: " and ")) rows")
        precondition(parts[0].count <= UInt32.max, "\(parts[0].count) rows; an index holds up to 2^32")
        self.parts = parts
        approximations = isApproximated ? parts.map { RowApproximation($0) } : []
    }

    /// An index of rows in one part; see ``init(parts:isApproximated:)``.
    public init(_ rows: VectorRows, isApproximated: Bool = false) {
        self.init(parts: [rows], isApproximated: isApproximated)
    }

    /// The index of one of the parts alone, which shares its rows and approximation.
    public func part(_ number: Int) -> VectorIndex {
        VectorIndex(parts: [parts[number]], approximations: approximations.isEmpty ? [] : [approximations[number]])
    }

    private init(parts: [VectorRows], approximations: [RowApproximation]) {
        (self.parts, self.approximations) = (parts, approximations)
    }

    /// Number of rows.
    public var count: Int { parts[0].count }
    /// Number of columns of a query: those of all parts.
    public var columns: Int { parts.reduce(0) { $0 + $1.columns } }
    /// Bytes that the rows take, in memory or in files.
    public var byteCount: Int { parts.reduce(0) { $0 + $1.byteCount } }
    /// Bytes of memory that the approximation takes beside them.
    public var approximationByteCount: Int { approximations.reduce(0) { $0 + $1.byteCount } }
}
