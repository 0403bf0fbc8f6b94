/// An error in a collection, judgments, a run, the name of a metric, or vectors to search.
///
/// Cases name the file and line (from 1) or the identifier, and what was expected.
public enum RetrievalError: Error, Equatable, Sendable {
    /// There is no file at `path`, which should be `expected`.
    case missingFile(path: String, expected: String)
    /// The file exists, but it could not be read to its end (permissions, a damaged gzip stream).
    case unreadableFile(path: String, reason: String)
    /// `path` has none of the formats of a collection.
    case unknownFormat(path: String, found: String)
    /// Text that is not JSON. `column` counts bytes, from 1.
    case malformedJSON(path: String, line: Int, column: Int, reason: String)
    /// A line of a tabular file (qrels, run) does not have the required columns.
    case malformedLine(path: String, line: Int, expected: String, found: String)
    /// A JSON object lacks a required field.
    case missingField(path: String, line: Int, field: String)
    /// A JSON field has the wrong type.
    case wrongType(path: String, line: Int, field: String, expected: String, found: String)
    /// The image of a row is missing, or cannot be read. The reason names its file.
    case badImage(path: String, line: Int, reason: String)
    /// A folder of images cannot become a collection, or its collection cannot be written.
    case badImageFolder(path: String, reason: String)
    /// Two documents or two queries have the same identifier.
    case duplicateIdentifier(path: String, line: Int, kind: TextKind, identifier: String, firstLine: Int)
    /// Qrels or a run name a pair of query and document twice.
    case duplicatePair(path: String, line: Int, query: String, document: String, firstLine: Int)
    /// A label names a document or query that the collection does not have.
    case unknownIdentifier(path: String, line: Int, kind: TextKind, identifier: String)
    /// A grade is not an integer.
    case invalidGrade(path: String, line: Int, found: String)
    /// A score is not a finite number.
    case invalidScore(path: String, line: Int, found: String)
    /// A corpus has no document, or a file of queries has no query.
    case emptyCollection(path: String, kind: TextKind)
    /// The collection has no split of this name.
    case unknownSplit(path: String, split: String, available: [String])
    /// The split has no query with a relevant document, so there is nothing to measure or learn from.
    case noJudgedQueries(path: String)
    /// So many queries share a text or a relevant document that not every part can get a query.
    case inseparableLabels(queries: Int, largestComponent: Int, parts: [String])
    /// The texts of some queries to measure were learned from or chosen on. `identifier` and `text` are those of the
    /// first such query.
    case knownQueries(split: String, known: Int, measured: Int, identifier: String, text: String)
    /// An identifier is empty or has white space, so a TREC file cannot hold it.
    case unwritableIdentifier(identifier: String)
    /// The name of a metric is unknown.
    case unknownMetric(name: String)
    /// An element of a vector is not usable for search. Row and column count from 0, as in NumPy.
    case invalidElement(source: String, row: Int, column: Int, expected: String, found: String)
    /// A graph of near rows cannot be built or searched, for instance because memory is missing.
    case graph(reason: String)

    /// The kind of text that an identifier names.
    public enum TextKind: String, Sendable {
        /// A document of the corpus.
        case document
        /// A query.
        case query
    }
}

extension RetrievalError: CustomStringConvertible {
    /// One sentence: where the fault is, what was expected and what was found.
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
        case .badImage(let path, let line, let reason): "\(path):\(line): the image of this row: \(reason)"
        case .badImageFolder(let path, let reason): "\(path): \(reason)"
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
            "the id \"\(identifier)\" is empty or has white space, so it cannot be written to a TREC file"
        case .unknownMetric(let name):
            "unknown metric \"\(name)\"; known are nDCG@k, Recall@k (R@k), P@k, MRR@k (RR@k), MAP (AP), MAP@k, Success@k, Rprec"
        case .invalidElement(let source, let row, let column, let expected, let found):
            "\(source): row \(row), column \(column) (both from 0): expected \(expected), found \(found)"
        case .graph(let reason): "the graph of near rows: \(reason)"
        }
    }
}

/// Checks that an identifier can be written to a file whose columns are separated by white space.
func requireWritable(_ identifier: String) throws {
    guard !identifier.isEmpty, !identifier.unicodeScalars.contains(where: { $0.properties.isWhitespace }) else {
        throw RetrievalError.unwritableIdentifier(identifier: identifier)
    }
}
