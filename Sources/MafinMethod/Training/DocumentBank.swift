import MafinNumerics

/// The local rows of all documents, prepared for comparison. Some rows may come from earlier weights than the present
/// ones.
struct DocumentBank: Sendable {
    /// `(documents, dimension)`.
    private(set) var rows: LocalRows
    /// How far rows had drifted when they were replaced. Checkpoints store it.
    var driftState = DriftState()

    struct DriftState: Codable, Equatable {
        /// Moving mean of 1 − cosine of old and new rows, over the steps since the last refresh.
        var drift: Float = 0
        var replacements = 0
    }

    var drift: Float { driftState.drift }

    /// Weight of the newest step in ``drift``.
    static let driftMomentum: Float = 0.1

    init(rows: LocalRows) { self.rows = rows }

    /// Replaces stale rows by new ones, and measures how far the stale rows had drifted.
    /// - Parameter columns: for each replaced document its position in `fresh`.
    mutating func replace(_ columns: [(column: Int, position: Int)], with fresh: LocalRows) {
        guard !columns.isEmpty else { return }
        let dimension = rows.vectors.columns
        var distance: Float = 0
        for (column, position) in columns {
            var product: Float = 0
            var old: Float = 0
            var new: Float = 0
            for index in 0..<dimension {
                let before = rows.vectors.values[column * dimension + index]
                let after = fresh.vectors.values[position * dimension + index]
                product += before * after
                old += before * before
                new += after * after
                rows.vectors.values[column * dimension + index] = after
            }
            let norms = (old * new).squareRoot()
            distance += norms > 0 ? 1 - product / norms : 0
            if !rows.weights.isEmpty { rows.weights[column] = fresh.weights[position] }
        }
        distance /= Float(columns.count)
        driftState.drift =
            driftState.replacements == 0 ? distance : drift + Self.driftMomentum * (distance - drift)
        driftState.replacements += 1
    }
}

/// When all rows of the bank of document vectors are encoded again.
public enum BankRefresh: Sendable, Codable, Equatable {
    /// Never as a whole. Only the documents of a step, and evaluations, replace rows.
    case never
    /// Before every epoch but the first.
    case everyEpoch
    /// After this many updates.
    case everySteps(Int)
    /// When the rows that a step replaces differ from the new ones by more than `drift` on average (1 − cosine, moving
    /// mean over the steps). Measuring this needs no extra encoding.
    case whenStale(drift: Float)
}
