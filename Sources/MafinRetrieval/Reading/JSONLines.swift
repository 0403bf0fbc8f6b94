import Foundation
import MafinNumerics

/// Reads the objects of a JSON Lines file (one per line, plain or gzip), one at a time in bounded memory.
///
/// ```swift
/// var lines = try JSONLines(contentsOf: url, fields: ["_id", "text"])
/// while let object = try lines.next() { print(object.line, try object.string("text")) }
/// ```
/// Only the named fields are kept. The rest of an object is checked and skipped. Empty lines are skipped.
public struct JSONLines {
    private let reader: LineReader
    private let fields: [String]
    var path: String { reader.path }

    /// Opens a file.
    /// - Parameters:
    ///   - fields: the members of each object that the caller wants.
    ///   - expected: what the file is, for the error if it is missing.
    /// - Throws: ``RetrievalError/missingFile(path:expected:)``, ``RetrievalError/unreadableFile(path:reason:)``.
    public init(contentsOf url: URL, fields: [String], expected: String = "a file of JSON lines") throws {
        reader = try LineReader(contentsOf: url, expected: expected)
        self.fields = fields
    }

    /// Opens a part of a plain file.
    /// - Parameters:
    ///   - bytes: from ``LineCut``.
    ///   - fields: the members of each object that the caller wants.
    ///   - expected: what the file is, for the error if it is missing.
    /// - Throws: as ``init(contentsOf:fields:expected:)``.
    public init(contentsOf url: URL, bytes: Range<Int>, fields: [String], expected: String) throws {
        reader = try LineReader(contentsOf: url, bytes: bytes, expected: expected)
        self.fields = fields
    }

    /// The next object; `nil` at the end of the file.
    /// - Throws: ``RetrievalError/malformedJSON(path:line:column:reason:)``.
    public mutating func next() throws -> Object? {
        while true {
            guard let object = try reader.next({ try parse($0) }) else { return nil }
            if let object { return object }
        }
    }

    /// The object of a line; `nil` for a line of white space.
    private func parse(_ bytes: UnsafeBufferPointer<UInt8>) throws -> Object? {
        var scanner = JSONScanner(bytes)
        do {
            if scanner.isAtEnd() { return nil }
            var values = [JSONValue?](repeating: nil, count: fields.count)
            try scanner.membersWithRawKeys { scanner, key in
                var index = fields.firstIndex { scanner.equals(key, $0) }
                if index == nil {
                    // A key may contain escapes. Any other key is only checked.
                    let name = try scanner.text(of: key)
                    index = fields.firstIndex(of: name)
                }
                if let index { values[index] = try scanner.value() } else { try scanner.skipValue() }
            }
            try scanner.finish()
            return Object(path: reader.path, line: reader.line, fields: fields, values: values)
        } catch let error as JSONSyntaxError {
            throw RetrievalError.malformedJSON(
                path: reader.path, line: reader.line, column: error.offset + 1, reason: error.reason)
        }
    }

    /// The wanted members of one line, or of a row of a Parquet file.
    public struct Object {
        /// Path of the file, for errors.
        public let path: String
        /// Number of the line in its file, from 1.
        public let line: Int
        let fields: [String]
        let values: [JSONValue?]

        /// A member; `nil` if it is missing or `null`.
        public subscript(field: String) -> JSONValue? {
            guard let index = fields.firstIndex(of: field) else {
                preconditionFailure("the field \(field) was not asked for")
            }
            return values[index] == .null ? nil : values[index]
        }

        /// A member that must exist and be a string.
        /// - Throws: ``RetrievalError/missingField(path:line:field:)``, ``RetrievalError/wrongType(path:line:field:expected:found:)``.
        public func string(_ field: String) throws -> String {
            guard let text = try optionalString(field) else { throw missing(field) }
            return text
        }

        /// A member that must be a string; `nil` if it is missing or `null`.
        /// - Throws: ``RetrievalError/wrongType(path:line:field:expected:found:)``.
        public func optionalString(_ field: String) throws -> String? {
            switch self[field] {
            case nil: return nil
            case .string(let text): return text
            case .some(let other): throw wrongType(field, expected: "a string", other)
            }
        }

        /// A member that must exist and be an identifier: a number, or a string that is not empty.
        /// - Throws: ``RetrievalError/missingField(path:line:field:)``, ``RetrievalError/wrongType(path:line:field:expected:found:)``.
        public func identifier(_ field: String) throws -> String {
            guard let identifier = try optionalIdentifier(field) else { throw missing(field) }
            return identifier
        }

        /// A member that must be an identifier; `nil` if it is missing or `null`.
        /// - Throws: ``RetrievalError/wrongType(path:line:field:expected:found:)``, and
        ///   ``RetrievalError/missingField(path:line:field:)`` for an empty string.
        public func optionalIdentifier(_ field: String) throws -> String? {
            guard let value = self[field] else { return nil }
            guard let identifier = value.identifier else {
                throw wrongType(field, expected: "a string or a number", value)
            }
            guard !identifier.isEmpty else { throw missing(field) }
            return identifier
        }

        /// A date in ISO 8601, with or without a time; `nil` for a member of any other form, since collections have fields
        /// of this name that were not made for mafin.
        func date(_ field: String) -> String? {
            guard case .string(let text)? = self[field],
                text.prefixMatch(of: /\d{4}-\d{2}-\d{2}(?:T.*)?$/) != nil
            else { return nil }
            return text
        }

        func missing(_ field: String) -> RetrievalError { .missingField(path: path, line: line, field: field) }

        func wrongType(_ field: String, expected: String, _ found: JSONValue) -> RetrievalError {
            .wrongType(path: path, line: line, field: field, expected: expected, found: found.kind)
        }
    }
}
