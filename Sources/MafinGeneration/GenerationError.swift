/// What can go wrong while queries are made.
public enum GenerationError: Error, Sendable, Equatable, CustomStringConvertible {
    /// A mix of styles that makes no sense.
    case badMix(String)
    /// There is no passage that a query could be made from.
    case noPassages(documents: Int, reason: String)
    /// No query passed the filters, or too few to be split.
    case tooFewQueries(kept: Int, rejected: Int, reasons: String)
    /// A file of examples holds none, or is none.
    case badExamples(path: String, reason: String)

    /// One sentence: what failed, where, and what to do about it.
    public var description: String {
        switch self {
        case .badMix(let text):
            let names = QueryStyle.allCases.map(\.rawValue).joined(separator: ", ")
            return "'\(text)' is no mix of styles: write weights like question=2,keywords=1; the styles are \(names)"
        case .noPassages(let documents, let reason):
            return "none of \(documents) documents can have queries made from it: \(reason)"
        case .tooFewQueries(let kept, let rejected, let reasons):
            return
                "\(kept) queries are left and \(rejected) were rejected (\(reasons)): too few to learn from and to measure on"
        case .badExamples(let path, let reason):
            return "examples \(path): \(reason)"
        }
    }
}
