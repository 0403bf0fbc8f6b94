import Foundation

/// A request's JSON object, read field by field, each fault in words and with the field's name.
struct RequestFields {
    private let object: [String: Any]

    /// - Throws: ``ServiceError`` where the body is no JSON object.
    init(_ body: Data) throws {
        guard !body.isEmpty else { throw ServiceError.invalid("the body is empty: expected a JSON object") }
        let value: Any
        do {
            value = try JSONSerialization.jsonObject(with: body)
        } catch {
            let reason = (error as NSError).userInfo[NSDebugDescriptionErrorKey] as? String
            throw ServiceError.invalid(
                "the body is not JSON" + (reason.map { ": \($0.clipped(to: 200))" } ?? ""), code: "invalid_json")
        }
        guard let object = value as? [String: Any] else {
            throw ServiceError.invalid("the body must be a JSON object, found \(Self.kind(value))")
        }
        self.object = object
    }

    /// Whether a field is there and not `null`.
    func has(_ name: String) -> Bool { value(name) != nil }

    func text(_ name: String) throws -> String? {
        try value(name).map { value in
            guard let text = value as? String else { throw wrong(name, "a string", value) }
            return text
        }
    }

    func boolean(_ name: String) throws -> Bool? {
        try value(name).map { value in
            guard let number = value as? NSNumber, Self.isBoolean(number) else {
                throw wrong(name, "true or false", value)
            }
            return number.boolValue
        }
    }

    func integer(_ name: String) throws -> Int? {
        try value(name).map { value in
            guard let number = value as? NSNumber, !Self.isBoolean(number),
                let integer = Int(exactly: number.doubleValue)
            else { throw wrong(name, "a whole number", value) }
            return integer
        }
    }

    /// A whole number within bounds.
    func integer(_ name: String, in range: ClosedRange<Int>) throws -> Int? {
        guard let integer = try integer(name) else { return nil }
        guard range.contains(integer) else {
            throw ServiceError.invalid(
                "\(name) must lie between \(range.lowerBound) and \(range.upperBound), found \(integer)",
                parameter: name)
        }
        return integer
    }

    func number(_ name: String) throws -> Float? {
        try value(name).map { value in
            guard let number = value as? NSNumber, !Self.isBoolean(number), number.floatValue.isFinite else {
                throw wrong(name, "a number", value)
            }
            return number.floatValue
        }
    }

    func texts(_ name: String) throws -> [String]? {
        try value(name).map { value in
            guard let list = value as? [Any] else { throw wrong(name, "an array of strings", value) }
            return try list.enumerated().map { place, element in
                guard let text = element as? String else {
                    throw wrong("\(name)[\(place)]", "a string", element)
                }
                return text
            }
        }
    }

    /// Texts to embed: one, or at least one; none of them empty.
    func inputs(_ name: String, maximum: Int, mayBeOne: Bool = true) throws -> [String] {
        guard let value = value(name) else {
            throw ServiceError.invalid(
                "\(name) is missing: \(mayBeOne ? "a string or " : "")an array of strings", parameter: name)
        }
        let texts: [String]
        if mayBeOne, let text = value as? String {
            texts = [text]
        } else if let list = value as? [Any] {
            if let first = list.first, first is NSNumber || first is [Any] {
                throw ServiceError.invalid(
                    "\(name) holds token numbers, which cannot be taken: the black box and the local encoder have vocabularies of their own; send the text",
                    parameter: name, code: "token_arrays_not_supported")
            }
            texts = try self.texts(name) ?? []
        } else {
            throw wrong(name, "\(mayBeOne ? "a string or " : "")an array of strings", value)
        }
        guard !texts.isEmpty else { throw ServiceError.invalid("\(name) is an empty array", parameter: name) }
        guard texts.count <= maximum else {
            throw ServiceError.invalid(
                "\(name) holds \(texts.count) texts, one request may have \(maximum)", parameter: name)
        }
        if let empty = texts.firstIndex(where: { $0.allSatisfy(\.isWhitespace) }) {
            throw ServiceError.invalid(
                texts.count == 1 && mayBeOne ? "\(name) is empty" : "\(name)[\(empty)] is empty", parameter: name)
        }
        return texts
    }

    private func value(_ name: String) -> Any? {
        guard let value = object[name], !(value is NSNull) else { return nil }
        return value
    }

    private func wrong(_ name: String, _ expected: String, _ found: Any) -> ServiceError {
        .invalid("\(name) must be \(expected), found \(Self.kind(found))", parameter: name)
    }

    /// JSON's `true` and `1` are both numbers to Foundation.
    private static func isBoolean(_ number: NSNumber) -> Bool { ["c", "B"].contains(String(cString: number.objCType)) }

    private static func kind(_ value: Any) -> String {
        switch value {
        case is NSNull: "null"
        case is String: "a string"
        case is [Any]: "an array"
        case is [String: Any]: "an object"
        case let number as NSNumber: isBoolean(number) ? "a boolean" : "a number"
        default: "something else"
        }
    }
}
