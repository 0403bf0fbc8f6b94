import MafinNumerics

/// Something that turns texts into vectors and can only be asked: an embedding API, a file of its answers, a frozen model.
///
/// One call takes many texts and gives one matrix. The black box decides how many requests it sends for it.
/// ```swift
/// let vectors = try await blackBox.embed(items, as: .document)   // (items.count, dimension)
/// ```
public protocol BlackBox: Sendable {
    /// Everything that determines a vector. Two black boxes of equal identity give the same answers.
    var identity: BlackBoxIdentity { get }

    /// Vectors of the items, one row each in the order given: shape `(items.count, dimension)`, every element finite, no zero row.
    /// - Throws: whatever stops the black box from answering. If one item is the cause, the error names it.
    func embed(_ items: [EmbeddingItem], as role: TextRole) async throws -> Matrix

    /// Like ``embed(_:as:)``, but hands over each batch of rows as soon as it is answered. A cache can so store what has been paid for
    /// before the rest is answered.
    /// - Parameter answered: called once per batch, never by two tasks at a time. Together the batches cover every item exactly once,
    ///   in any order. If it throws, the call ends.
    func embed(
        _ items: [EmbeddingItem], as role: TextRole, answered: @escaping @Sendable (AnsweredRows) async throws -> Void
    ) async throws

    /// Vectors of the items that are cached: nothing is asked and nothing is paid. A black box without a cache gives no rows.
    func known(_ items: [EmbeddingItem], as role: TextRole) async throws -> AnsweredRows

    /// Like ``embed(_:as:)``, but the cache is neither read nor written. It finds out whether the black box answers.
    func embedAnew(_ items: [EmbeddingItem], as role: TextRole) async throws -> Matrix
}

/// Some rows of one call to a black box, as they arrive.
public struct AnsweredRows: Sendable {
    /// For each row of ``vectors``, the index of its item in the call.
    public let indices: [Int]
    /// The vectors: shape `(indices.count, dimension)`.
    public let vectors: Matrix

    /// Rows of a call; `indices` and `vectors` must be of one length.
    public init(indices: [Int], vectors: Matrix) {
        precondition(indices.count == vectors.rows, "\(indices.count) indices for \(vectors.rows) vectors")
        self.indices = indices
        self.vectors = vectors
    }

    /// The indices of a call's items that have no row.
    /// - Parameter count: number of items in the call.
    package func missing(of count: Int) -> [Int] {
        let found = Set(indices)
        return (0..<count).filter { !found.contains($0) }
    }

    /// The vectors in the order of the items, one for each item that has any.
    package var ordered: Matrix {
        let rows = Dictionary(indices.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
        return vectors.selecting(rows: rows.sorted { $0.key < $1.key }.map(\.value))
    }

    /// No rows.
    public static let none = AnsweredRows(indices: [], vectors: Matrix(rows: 0, columns: 0))
}

extension BlackBox {
    /// For black boxes that answer at once: the whole call is one batch.
    public func embed(
        _ items: [EmbeddingItem], as role: TextRole, answered: @escaping @Sendable (AnsweredRows) async throws -> Void
    ) async throws {
        guard !items.isEmpty else { return }
        try await answered(AnsweredRows(indices: Array(items.indices), vectors: embed(items, as: role)))
    }

    /// For black boxes without a cache.
    public func known(_ items: [EmbeddingItem], as role: TextRole) async throws -> AnsweredRows { .none }

    /// For black boxes without a cache.
    public func embedAnew(_ items: [EmbeddingItem], as role: TextRole) async throws -> Matrix {
        try await embed(items, as: role)
    }
}
