import MafinNumerics

/// The local half of every document, ready to be compared, as far as it is known.
struct DocumentBank: Sendable {
    /// `(documents, dimension)`.
    private(set) var rows: LocalRows
    /// How far the rows that steps replace lie from their successors: a moving mean of 1 − cosine over steps since the last refresh.
    private(set) var drift: Float = 0
    private var replacements = 0

    /// Weight of the newest step in ``drift``.
    static let driftMomentum: Float = 0.1

    init(rows: LocalRows) {
        self.rows = rows
    }

    /// Puts fresh rows in the place of stale ones, and measures how far they had drifted.
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
        drift = replacements == 0 ? distance : drift + Self.driftMomentum * (distance - drift)
        replacements += 1
    }

    /// The measure of drift as a checkpoint keeps it.
    struct DriftState: Codable, Equatable {
        var drift: Float = 0
        var replacements = 0
    }

    var driftState: DriftState {
        get { DriftState(drift: drift, replacements: replacements) }
        set { (drift, replacements) = (newValue.drift, newValue.replacements) }
    }
}
