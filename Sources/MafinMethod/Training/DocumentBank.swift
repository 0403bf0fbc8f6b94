import MafinNumerics

/// The local rows of all documents, prepared to be compared; some may be older than the present weights.
struct DocumentBank: Sendable {
    /// `(documents, dimension)`.
    private(set) var rows: LocalRows
    /// How far replaced rows are from those that replace them, as a checkpoint keeps it.
    var driftState = DriftState()

    struct DriftState: Codable, Equatable {
        /// A moving mean of 1 − cosine over the steps since the last refresh.
        var drift: Float = 0
        var replacements = 0
    }

    var drift: Float { driftState.drift }

    /// Weight of the newest step in ``drift``.
    static let driftMomentum: Float = 0.1

    init(rows: LocalRows) { self.rows = rows }

    /// Replaces stale rows by fresh ones, and measures how far they had drifted.
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

/// When all rows of the bank of document vectors are encoded anew.
public enum BankRefresh: Sendable, Codable, Equatable {
    /// Only fresh rows of the steps (and evaluations) replace old ones.
    case never
    /// Before every epoch but the first.
    case everyEpoch
    /// After so many updates.
    case everySteps(Int)
    /// When the rows that a step replaces differ from their successors by more than `drift` on average (1 − cosine, a moving mean over
    /// steps): a measure of staleness that costs nothing.
    case whenStale(drift: Float)
}
