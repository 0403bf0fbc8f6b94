/// What can be wrong with a report that is read.
public enum ReportError: Error, Equatable, Sendable {
    /// Not the JSON of a report.
    case notAReport(path: String, found: String)
    /// Written by a newer mafin.
    case unknownVersion(path: String, found: Int, newest: Int)
    /// A field of the JSON is missing or of another type than expected.
    case field(path: String, field: String, reason: String)
    /// Two reports that cannot be compared.
    case incomparable(first: String, second: String, reason: String)

    /// Where decoding failed.
    init(_ error: DecodingError, path: String) {
        func name(_ keys: [any CodingKey]) -> String {
            keys.map { $0.intValue.map(String.init) ?? $0.stringValue }.joined(separator: ".")
        }
        switch error {
        case .keyNotFound(let key, let context):
            self = .field(path: path, field: name(context.codingPath + [key]), reason: "is missing")
        case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
            self = .field(path: path, field: name(context.codingPath), reason: context.debugDescription)
        @unknown default:
            self = .notAReport(path: path, found: "\(error)")
        }
    }
}

extension ReportError: CustomStringConvertible {
    /// One sentence that names the file, what was expected and what was found.
    public var description: String {
        switch self {
        case .notAReport(let path, let found):
            "\(path): expected a report that mafin wrote as JSON, found \(found)"
        case .unknownVersion(let path, let found, let newest):
            "\(path): the report has schema version \(found); this mafin reads up to \(newest)"
        case .field(let path, let field, let reason):
            "\(path): the field \"\(field)\" \(reason)"
        case .incomparable(let first, let second, let reason):
            "\(first) and \(second) cannot be compared: \(reason)"
        }
    }
}
