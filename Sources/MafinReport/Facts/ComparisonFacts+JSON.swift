import Foundation

extension ComparisonFacts {
    /// The facts as JSON at full precision, keys sorted.
    /// - Throws: `EncodingError` where a number is not finite.
    public func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self) + "\n"
    }

    /// What every version has.
    struct Head: Decodable {
        var schema: String?
        var schemaVersion: Int?
    }

    /// Reads what ``json()`` wrote.
    /// - Parameter path: where the JSON was, for errors.
    /// - Throws: ``ReportError`` for other JSON, for none, and for a version that this library does not know.
    public init(json data: Data, path: String) throws {
        let decoder = JSONDecoder()
        guard let head = try? decoder.decode(Head.self, from: data) else {
            throw ReportError.notAReport(path: path, found: "no JSON object")
        }
        guard head.schema == Self.schemaName, let version = head.schemaVersion else {
            throw ReportError.notAReport(path: path, found: "JSON without \"schema\": \"\(Self.schemaName)\"")
        }
        guard (1...Self.currentSchemaVersion).contains(version) else {
            throw ReportError.unknownVersion(path: path, found: version, newest: Self.currentSchemaVersion)
        }
        do {
            self = try decoder.decode(Self.self, from: data)
        } catch let error as DecodingError {
            throw ReportError(error, path: path)
        }
    }
}
