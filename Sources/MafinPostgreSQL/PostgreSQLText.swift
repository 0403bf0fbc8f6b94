import Foundation
import MafinNumerics

/// Names and values as PostgreSQL reads them.
public enum PostgreSQLText {
    /// A name of a column or an index.
    public static func identifier(_ name: String) -> String {
        "\"" + name.replacingOccurrences(of: "\"", with: "\"\"") + "\""
    }

    /// A table's name, with its schema if it has one: `SCHEMA.TABLE`.
    public static func identifier(table: String) -> String {
        table.split(separator: ".", maxSplits: 1).map { identifier(String($0)) }.joined(separator: ".")
    }

    /// An array of texts.
    public static func array(_ values: some Sequence<String>) -> String {
        let quoted = values.map {
            "\"" + $0.replacingOccurrences(of: "\\", with: "\\\\").replacingOccurrences(of: "\"", with: "\\\"") + "\""
        }
        return "{" + quoted.joined(separator: ",") + "}"
    }

    /// An array of bytes.
    public static func array(_ values: some Sequence<Data>) -> String {
        var text: [UInt8] = [UInt8(ascii: "{")]
        for value in values {
            if text.count > 1 { text.append(UInt8(ascii: ",")) }
            text += Array("\"\\\\x".utf8)
            text += Array(ContentHash.hexadecimal(value).utf8)
            text.append(UInt8(ascii: "\""))
        }
        text.append(UInt8(ascii: "}"))
        return String(decoding: text, as: UTF8.self)
    }

    /// An array of whole numbers.
    public static func array(_ values: some Sequence<some BinaryInteger>) -> String {
        "{" + values.map { "\($0)" }.joined(separator: ",") + "}"
    }
}
