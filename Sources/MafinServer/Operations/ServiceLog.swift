import Foundation
import MafinNumerics

/// The service's log: one JSON object a line. It never holds a key or a text of a request.
package struct ServiceLog: Sendable {
    private let write: @Sendable (String) -> Void
    private let hasErrorsOnly: Bool

    /// A log.
    /// - Parameters:
    ///   - errorsOnly: whether only errors and warnings are written.
    ///   - write: gets each line, without the newline.
    package init(errorsOnly: Bool = false, _ write: @escaping @Sendable (String) -> Void) {
        (hasErrorsOnly, self.write) = (errorsOnly, write)
    }

    /// Writes to standard error.
    package static func standardError(errorsOnly: Bool = false) -> ServiceLog {
        ServiceLog(errorsOnly: errorsOnly) { line in
            try? FileHandle.standardError.write(contentsOf: Data((line + "\n").utf8))
        }
    }

    /// A log that writes nothing.
    package static let none = ServiceLog { _ in }

    /// A value of a field.
    package enum Value {
        case text(String)
        case number(Double)
        case integer(Int)
    }

    /// Writes a line.
    package func record(_ event: String, level: String = "info", _ fields: [(String, Value)]) {
        if hasErrorsOnly, level == "info" { return }
        var line = "{\"time\":\"\(Self.now())\",\"level\":\"\(level)\",\"event\":\"\(event)\""
        for (name, value) in fields {
            line += ",\"\(name)\":"
            switch value {
            case .text(let text): line += JSONText.quoted(text)
            case .number(let number): line += number.isFinite ? String(number) : "null"
            case .integer(let number): line += String(number)
            }
        }
        write(line + "}")
    }

    /// Writes a line with a message.
    package func note(_ message: String, level: String = "info") {
        record("note", level: level, [("message", .text(message))])
    }

    /// UTC with milliseconds, as RFC 3339 writes it.
    private static func now() -> String { Date().ISO8601Format(.init(includingFractionalSeconds: true)) }
}
