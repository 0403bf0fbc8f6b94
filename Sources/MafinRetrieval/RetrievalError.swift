/// What can be wrong with a collection, judgments, a run, a metric's name or vectors to search among.
///
/// Every case names the file and line (1-based) or the identifier at fault, and what was expected.
public enum RetrievalError: Error, Equatable, Sendable {
    /// Nothing lies at `path`, where `expected` should be.
    case missingFile(path: String, expected: String)
    /// The file is there, but could not be read to its end (permissions, a damaged gzip stream).
    case unreadableFile(path: String, reason: String)
    /// `path` is none of the formats that a collection is read from.
    case unknownFormat(path: String, found: String)
    /// Text that is not JSON. `column` counts bytes, from 1.
    case malformedJSON(path: String, line: Int, column: Int, reason: String)
    /// A line of a tabular file (qrels, run) without the columns it needs.
    case malformedLine(path: String, line: Int, expected: String, found: String)
    /// A JSON object without a field it needs.
    case missingField(path: String, line: Int, field: String)
    /// A JSON field of another type than expected.
    case wrongType(path: String, line: Int, field: String, expected: String, found: String)
    /// Two documents, or two queries, of one identifier.
    case duplicateIdentifier(path: String, line: Int, kind: TextKind, identifier: String, firstLine: Int)
    /// One pair of query and document named twice in qrels or in a run.
    case duplicatePair(path: String, line: Int, query: String, document: String, firstLine: Int)
    /// A label that names a document or query which the collection does not hold.
    case unknownIdentifier(path: String, line: Int, kind: TextKind, identifier: String)
    /// A grade that is no integer.
    case invalidGrade(path: String, line: Int, found: String)
    /// A score that is no finite number.
    case invalidScore(path: String, line: Int, found: String)
    /// A corpus without a document, or a file of queries without a query.
    case emptyCollection(path: String, kind: TextKind)
    /// The collection has no split of this name.
    case unknownSplit(path: String, split: String, available: [String])
    /// The split has no query with a relevant document, so there is nothing to measure or learn from.
    case noJudgedQueries(path: String)
    /// So many queries share a text or a relevant document that no split can fill every part.
    case inseparableLabels(queries: Int, largestComponent: Int, parts: [String])
    /// Queries to measure on whose texts were learned from or chosen on; `identifier` and `text` are the first of them.
    case knownQueries(split: String, known: Int, measured: Int, identifier: String, text: String)
    /// An identifier that a TREC file cannot hold, because its columns are separated by white space.
    case unwritableIdentifier(identifier: String)
    /// A metric's name that is not understood.
    case unknownMetric(name: String)
    /// An element of a vector that cannot be searched with: row and column count from 0, as in NumPy.
    case invalidElement(source: String, row: Int, column: Int, expected: String, found: String)

    /// Which of the two kinds of text an identifier names.
    public enum TextKind: String, Sendable {
        /// A document of the corpus.
        case document
        /// A query.
        case query
    }
}

extension RetrievalError: CustomStringConvertible {
    /// One sentence that says where the fault lies, what was expected and what was found.
    public var description: String {
        switch self {
        case .missingFile(let path, let expected):
            "\(path): no such file; expected \(expected)"
        case .unreadableFile(let path, let reason):
            "\(path): cannot be read: \(reason)"
        case .unknownFormat(let path, let found):
            "\(path): \(found); expected a folder with corpus.jsonl and queries.jsonl (BEIR), a .json file with "
                + "\"queries\", \"corpus\" and \"relevant_docs\", or a .jsonl file of pairs"
        case .malformedJSON(let path, let line, let column, let reason):
            "\(path):\(line):\(column): malformed JSON: \(reason)"
        case .malformedLine(let path, let line, let expected, let found):
            "\(path):\(line): expected \(expected), found \"\(found)\""
        case .missingField(let path, let line, let field):
            "\(path):\(line): the field \"\(field)\" is missing"
        case .wrongType(let path, let line, let field, let expected, let found):
            "\(path):\(line): the field \"\(field)\" should be \(expected), but is \(found)"
        case .duplicateIdentifier(let path, let line, let kind, let identifier, let firstLine):
            "\(path):\(line): the \(kind.rawValue) id \"\(identifier)\" was already used at line \(firstLine)"
        case .duplicatePair(let path, let line, let query, let document, let firstLine):
            "\(path):\(line): query \"\(query)\" and document \"\(document)\" were already paired at line \(firstLine)"
        case .unknownIdentifier(let path, let line, let kind, let identifier):
            "\(path):\(line): the collection has no \(kind.rawValue) with the id \"\(identifier)\""
        case .invalidGrade(let path, let line, let found):
            "\(path):\(line): a grade must be an integer, found \"\(found)\""
        case .invalidScore(let path, let line, let found):
            "\(path):\(line): a score must be a finite number, found \"\(found)\""
        case .emptyCollection(let path, let kind):
            "\(path): there is no \(kind.rawValue) in it"
        case .unknownSplit(let path, let split, let available):
            "\(path): there is no split \"\(split)\"; there is \(available.isEmpty ? "none" : available.joined(separator: ", "))"
        case .noJudgedQueries(let path):
            "\(path): no query has a relevant document (a grade of 1 or more)"
        case .inseparableLabels(let queries, let largestComponent, let parts):
            "the labels cannot be split into \(parts.joined(separator: ", ")): \(largestComponent) of \(queries) queries "
                + "are connected by shared texts or shared relevant documents and have to stay together"
        case .knownQueries(let split, let known, let measured, let identifier, let text):
            "\(known) of the \(measured) queries of \(split) have a text that was learned from or chosen on, for instance "
                + "\"\(identifier)\" (\(text.count > 60 ? text.prefix(59) + "…" : text)): figures on them measure memory"
        case .unwritableIdentifier(let identifier):
            "the id \"\(identifier)\" holds white space, or nothing, and cannot stand in a TREC file"
        case .unknownMetric(let name):
            "unknown metric \"\(name)\"; known are nDCG@k, Recall@k (R@k), P@k, MRR@k (RR@k), MAP (AP), MAP@k, Success@k, Rprec"
        case .invalidElement(let source, let row, let column, let expected, let found):
            "\(source): row \(row), column \(column) (both from 0): expected \(expected), found \(found)"
        }
    }
}

/// Refuses an identifier that would break a file whose columns are separated by white space.
func requireWritable(_ identifier: String) throws {
    guard !identifier.isEmpty, !identifier.unicodeScalars.contains(where: { $0.properties.isWhitespace }) else {
        throw RetrievalError.unwritableIdentifier(identifier: identifier)
    }
}
