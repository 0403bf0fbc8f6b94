import Foundation

/// Any JSON value. A manifest uses it for hyper-parameters whose names and types this library does not fix.
public enum ManifestValue: Sendable, Hashable {
    /// `null`.
    case null
    /// `true` or `false`.
    case boolean(Bool)
    /// A whole number.
    case integer(Int64)
    /// Any other number.
    case number(Double)
    /// A text.
    case text(String)
    /// A list.
    case list([ManifestValue])
    /// Values by name.
    case record([String: ManifestValue])

    /// The JSON that `value` encodes to. If its coding is synthesised, that is all stored properties by name.
    /// - Throws: `EncodingError`, for instance for a number that JSON cannot hold.
    public init(encoding value: some Encodable) throws {
        self = try JSONDecoder().decode(ManifestValue.self, from: JSONEncoder().encode(value))
    }
}

extension ManifestValue {
    /// A number, whole or not; `nil` for any other value.
    public var number: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .number(let value): value
        default: nil
        }
    }

    /// The value as text for people: numbers with four significant digits, lists and records on one line.
    public var text: String {
        switch self {
        case .null: "none"
        case .boolean(let value): value ? "yes" : "no"
        case .integer(let value): "\(value)"
        case .number(let value): String(format: "%.4g", value)
        case .text(let value): value
        case .list(let values): values.map(\.text).joined(separator: ", ")
        case .record(let values):
            values.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value.text)" }.joined(separator: ", ")
        }
    }
}

extension ManifestValue: Codable {
    /// Reads any JSON value.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .boolean(value)
        } else if let value = try? container.decode(Int64.self) {
            self = .integer(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else if let value = try? container.decode(String.self) {
            self = .text(value)
        } else if let value = try? container.decode([ManifestValue].self) {
            self = .list(value)
        } else {
            self = .record(try container.decode([String: ManifestValue].self))
        }
    }

    /// Writes the JSON value.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .null: try container.encodeNil()
        case .boolean(let value): try container.encode(value)
        case .integer(let value): try container.encode(value)
        case .number(let value): try container.encode(value)
        case .text(let value): try container.encode(value)
        case .list(let value): try container.encode(value)
        case .record(let value): try container.encode(value)
        }
    }
}
