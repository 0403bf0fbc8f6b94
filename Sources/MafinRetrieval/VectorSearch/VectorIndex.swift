import MafinNumerics

/// Exact search by inner product over rows of vectors. A row may consist of several parts.
///
/// With the parts `[b ; u]` of a document (a black box's vector and a local one) and a query `[(1 − λ) p ; λ v]`, the
/// score `(1 − λ) p · b + λ v · u` is an inner product, so λ can change without a change of the index. Each part is
/// summed separately. If the weight of one part is 0 and that of the other 1, the ranking is the other part's own, bit
/// for bit.
///
/// A score depends only on its row and query, so rankings are the same for any number of threads and any batch of
/// queries. (With another instruction set they may differ in the last bits.) The rows are not copied; they stay in
/// memory or in a mapped file.
public struct VectorIndex: Sendable {
    /// The parts, each of the same number of rows.
    public let parts: [VectorRows]
    /// The approximations of the parts; empty: none.
    let approximations: [RowApproximation]

    /// An index of rows that consist of the given parts.
    /// - Parameter isApproximated: whether to hold one byte per element in addition to the rows. A search with few
    ///   queries then reads a quarter of the bytes of float32 rows, and of the rows only those that may be among the
    ///   best. With many queries and wide rows, most products are of bytes, if the processor multiplies them faster. The
    ///   results are the same. The rows of a mapped file then need not stay in memory. Making the approximation reads
    ///   all rows once.
    public init(parts: [VectorRows], isApproximated: Bool = false) {
        self.init(parts: parts, approximations: isApproximated ? parts.map { RowApproximation($0) } : [])
    }

    /// An index of rows with approximations that were made before, such as those of a file.
    /// - Parameter approximations: one for each part, of its rows; empty: none.
    package init(parts: [VectorRows], approximations: [RowApproximation]) {
        precondition(!parts.isEmpty, "an index needs a part")
        precondition(
            parts.allSatisfy { $0.count == parts[0].count },
            "parts of \(parts.map { "\($0.count)" }.joined(separator: " and ")) rows")
        precondition(parts[0].count <= UInt32.max, "\(parts[0].count) rows; an index holds up to 2^32")
        precondition(
            approximations.isEmpty
                || approximations.map { [$0.rows, $0.columns] } == parts.map { [$0.count, $0.columns] },
            "approximations of other rows")
        (self.parts, self.approximations) = (parts, approximations)
    }

    /// An index of rows with one part; see ``init(parts:isApproximated:)``.
    public init(_ rows: VectorRows, isApproximated: Bool = false) {
        self.init(parts: [rows], isApproximated: isApproximated)
    }

    /// An index of only one of the parts. It shares rows and approximation.
    public func part(_ number: Int) -> VectorIndex {
        VectorIndex(parts: [parts[number]], approximations: approximations.isEmpty ? [] : [approximations[number]])
    }

    /// Number of rows.
    public var count: Int { parts[0].count }
    /// Number of columns of a query: the sum over all parts.
    public var columns: Int { parts.reduce(0) { $0 + $1.columns } }
    /// Bytes that the rows take, in memory or in files.
    public var byteCount: Int { parts.reduce(0) { $0 + $1.byteCount } }
    /// Bytes that the approximation takes, in memory or in files.
    public var approximationByteCount: Int { approximations.reduce(0) { $0 + $1.byteCount } }
}
