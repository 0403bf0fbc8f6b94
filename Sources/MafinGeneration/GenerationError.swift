/// Why queries cannot be generated.
public enum GenerationError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The mix of styles cannot be read.
    case badMix(String)
    /// No document has a passage that a query could be made from.
    case noPassages(documents: Int, reason: String)
    /// No query passed the filters, or too few for a split.
    case tooFewQueries(kept: Int, rejected: Int, reasons: String)
    /// A file of examples cannot be read, or holds no example.
    case badExamples(path: String, reason: String)
    /// Documents have images, of which no queries are made.
    case documentsWithImages(path: String, count: Int, first: String)

    /// One sentence: what failed, where, and what to do about it.
    public var description: String {
        switch self {
        case .badMix(let text):
            let names = QueryStyle.allCases.map(\.rawValue).joined(separator: ", ")
            return "'\(text)' is not a mix of styles: write weights like question=2,keywords=1; the styles are \(names)"
        case .noPassages(let documents, let reason):
            return "queries can be made from none of the \(documents) documents: \(reason)"
        case .tooFewQueries(let kept, let rejected, let reasons):
            return
                "\(kept) queries are left and \(rejected) were rejected (\(reasons)): too few for training and measuring"
        case .badExamples(let path, let reason):
            return "examples \(path): \(reason)"
        case .documentsWithImages(let path, let count, let first):
            return
                "\(path): \(count) documents have images, for instance '\(first)'; queries can be made for collections of texts alone"
        }
    }
}
