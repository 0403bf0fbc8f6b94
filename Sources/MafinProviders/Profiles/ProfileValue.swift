import TOMLKit

/// A value of a profile file, independent of the parser's types. It can be merged, compared and written.
enum ProfileValue: Sendable, Hashable {
    case text(String)
    case integer(Int)
    case number(Double)
    case flag(Bool)
    case list([ProfileValue])
    case table([String: ProfileValue])

    /// Reads a TOML text.
    /// - Parameter source: file or name, for the error message.
    /// - Throws: ``ProviderError/badProfile(source:place:reason:)`` with the line of a syntax error.
    static func table(toml: String, source: String) throws -> [String: ProfileValue] {
        let root: TOMLTable
        do {
            root = try TOMLTable(string: toml)
        } catch let error as TOMLParseError {
            throw ProviderError.badProfile(
                source: source, place: "line \(error.source.begin.line)", reason: error.description)
        }
        return try members(of: root, place: [], source: source)
    }

    private static func members(
        of table: TOMLTable, place: [String], source: String
    ) throws -> [String: ProfileValue] {
        var members: [String: ProfileValue] = [:]
        for key in table.keys {
            guard let value = table[key] else { continue }
            members[key] = try ProfileValue(value, place: place + [key], source: source)
        }
        return members
    }

    private init(_ value: any TOMLValueConvertible, place: [String], source: String) throws {
        if let text = value.string {
            self = .text(text)
        } else if let flag = value.bool {
            self = .flag(flag)
        } else if let integer = value.int {
            self = .integer(integer)
        } else if let number = value.double {
            self = .number(number)
        } else if let array = value.array {
            self = .list(
                try array.enumerated().map { index, element in
                    try ProfileValue(element, place: place + ["\(index + 1)"], source: source)
                })
        } else if let table = value.table {
            self = .table(try Self.members(of: table, place: place, source: source))
        } else {
            throw ProviderError.badProfile(
                source: source, place: place.joined(separator: "."),
                reason: "a profile cannot contain dates and times")
        }
    }

    var text: String? { if case .text(let text) = self { text } else { nil } }
    var integer: Int? { if case .integer(let integer) = self { integer } else { nil } }
    var list: [ProfileValue]? { if case .list(let list) = self { list } else { nil } }
    var table: [String: ProfileValue]? { if case .table(let table) = self { table } else { nil } }

    /// The elements of a list, converted; nil if one of them cannot be.
    func elements<Element>(_ convert: (ProfileValue) -> Element?) -> [Element]? {
        let found = list?.compactMap(convert)
        return found?.count == list?.count ? found : nil
    }

    /// The value's type, for messages.
    var kind: String {
        switch self {
        case .text: "a string"
        case .integer: "an integer"
        case .number: "a number"
        case .flag: "true or false"
        case .list: "an array"
        case .table: "a table"
        }
    }

    /// Merges two tables: tables inside them are merged key by key, everything else is replaced, arrays too.
    static func merging(
        _ lower: [String: ProfileValue], with upper: [String: ProfileValue]
    ) -> [String: ProfileValue] {
        lower.merging(upper) { old, new in
            guard case .table(let old) = old, case .table(let new) = new else { return new }
            return .table(merging(old, with: new))
        }
    }

    /// The table as TOML with sorted keys. ``table(toml:source:)`` reads the same table from it.
    static func toml(_ table: [String: ProfileValue]) -> String {
        Self.converted(table).convert(to: .toml, options: [.allowMultilineStrings, .allowUnicodeStrings]) + "\n"
    }

    private static func converted(_ table: [String: ProfileValue]) -> TOMLTable {
        let result = TOMLTable()
        for (key, value) in table { result[key] = value.converted }
        return result
    }

    private var converted: any TOMLValueConvertible {
        switch self {
        case .text(let text): return text
        case .integer(let integer): return integer
        case .number(let number): return number
        case .flag(let flag): return flag
        case .list(let values):
            let array = TOMLArray()
            for value in values { array.append(value.converted) }
            return array
        case .table(let table): return Self.converted(table)
        }
    }
}
