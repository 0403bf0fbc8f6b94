import MafinNumerics

/// Why a report cannot be read or compared.
public enum ReportError: Error, Equatable, Sendable {
    /// The file is not the JSON of a report.
    case notAReport(path: String, found: String)
    /// The report was written by a newer mafin.
    case unknownVersion(path: String, found: Int, newest: Int)
    /// A field of the JSON is missing or of another type than expected.
    case field(path: String, field: String, reason: String)
    /// Two reports that cannot be compared.
    case incomparable(first: String, second: String, reason: String)

    init(_ error: DecodingError, path: String) {
        self = .field(path: path, field: error.fault.field, reason: error.fault.reason)
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
