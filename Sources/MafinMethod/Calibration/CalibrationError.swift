/// Why no scale could be fitted, or λ not be chosen.
public enum CalibrationError: Error, Equatable, CustomStringConvertible {
    /// No query has a relevant document among the candidates.
    case noLabelledRow(rows: Int)
    /// The labels are as likely, or likelier, when both halves are ignored: λ is not defined.
    case uninformative(labelledRows: Int)

    /// One sentence.
    public var description: String {
        switch self {
        case .noLabelledRow(let rows):
            "none of the \(rows) queries has a relevant document among the candidates: there is nothing to fit the scale of the halves to"
        case .uninformative(let labelledRows):
            "neither half scores the relevant documents of the \(labelledRows) labelled queries above the others: no mixture of them is better than none"
        }
    }
}
