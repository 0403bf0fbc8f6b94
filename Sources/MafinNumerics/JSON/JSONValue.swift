/// A JSON value. Numbers keep their text: identifiers may be numbers, and `1` and `1.0` are different ones.
///
/// It is therefore not `Codable`, whose decoders give numbers without their text. `ManifestValue` is the JSON value of `Codable` types.
public enum JSONValue: Sendable, Equatable {
    /// A string, escapes resolved.
    case string(String)
    /// A number, as written.
    case number(String)
    /// `true` or `false`.
    case boolean(Bool)
    /// `null`.
    case null
    /// An array.
    case array([JSONValue])
    /// An object, in the order of the file; a key may occur twice.
    case object([Member])

    /// One member of an object.
    public struct Member: Sendable, Equatable {
        /// The key, escapes resolved.
        public var key: String
        /// Its value.
        public var value: JSONValue
    }

    /// The kind of value, as errors name it.
    package var kind: String {
        switch self {
        case .string: "a string"
        case .number: "a number"
        case .boolean: "a boolean"
        case .null: "null"
        case .array: "an array"
        case .object: "an object"
        }
    }

    /// A string, or the text of a number, either of which can be an identifier; `nil` for other values.
    package var identifier: String? {
        switch self {
        case .string(let text): text
        case .number(let text): text
        default: nil
        }
    }
}
