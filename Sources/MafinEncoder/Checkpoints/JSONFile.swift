import Foundation

/// A JSON object read from a file, with errors that name the file and the key.
///
/// It is read by Foundation, not by `JSONScanner`: an export writes it back with another value, and the scanner has no writer. Nothing is lost,
/// since neither the order of the members nor the text of a number matters here.
struct JSONFile {
    let path: String
    let object: [String: Any]

    init(_ url: URL) throws {
        path = url.path
        object = try Self.read(url, as: "JSON object")
    }

    private init(path: String, object: [String: Any]) {
        (self.path, self.object) = (path, object)
    }

    /// An object inside this one; `nil` if there is none of that name.
    func object(_ key: String) -> JSONFile? {
        (object[key] as? [String: Any]).map { JSONFile(path: path, object: $0) }
    }

    /// The same with further values for keys that are missing.
    func filling(_ defaults: [String: Any]) -> JSONFile {
        JSONFile(path: path, object: object.merging(defaults) { own, _ in own })
    }

    /// The value of a JSON file; `kind` says in the error what it should be.
    static func read<Value>(_ url: URL, as kind: String) throws -> Value {
        guard let data = FileManager.default.contents(atPath: url.path) else {
            throw EncoderError.file(path: url.path, reason: "cannot be read")
        }
        guard let value = try? JSONSerialization.jsonObject(with: data) as? Value else {
            throw EncoderError.file(path: url.path, reason: "is no \(kind)")
        }
        return value
    }

    func string(_ key: String) -> String? { object[key] as? String }

    func number(_ key: String) -> Double? { (object[key] as? NSNumber)?.doubleValue }

    func flag(_ key: String) -> Bool? { (object[key] as? NSNumber)?.boolValue }

    func size(_ key: String, default fallback: Int? = nil) throws -> Int {
        if object[key] == nil, let fallback { return fallback }
        guard let value = number(key), value >= 1, value < 1e9, value == value.rounded() else {
            throw EncoderError.configuration(
                path: path, key: key, expected: "a whole number above 0",
                found: object[key].map { "\($0)" } ?? "nothing")
        }
        return Int(value)
    }

    /// A number of a row, from 0.
    func index(_ key: String, default fallback: Int) throws -> Int {
        guard let found = object[key] else { return fallback }
        guard let value = number(key), value >= 0, value < 1e9, value == value.rounded() else {
            throw EncoderError.configuration(
                path: path, key: key, expected: "a whole number from 0", found: "\(found)")
        }
        return Int(value)
    }

    /// The position of a text's first token where padding has the position before it.
    func rowOfFirstToken(padding: Int) throws -> Int {
        let rows = try size("max_position_embeddings")
        guard rows > padding + 1 else {
            throw EncoderError.configuration(
                path: path, key: "max_position_embeddings",
                expected: "more than \(padding + 1): texts begin at row \(padding + 1)",
                found: "\(rows)")
        }
        return padding + 1
    }

    func probability(_ key: String, default fallback: Float) throws -> Float {
        guard let found = object[key] else { return fallback }
        guard let value = number(key), 0 <= value, value < 1 else {
            throw EncoderError.configuration(
                path: path, key: key, expected: "a probability below 1", found: "\(found)")
        }
        return Float(value)
    }

    /// What is added to a variance.
    func epsilon(_ key: String, default fallback: Float) throws -> Float {
        let value = Float(number(key) ?? Double(fallback))
        guard value > 0, value < 1 else {
            throw EncoderError.configuration(
                path: path, key: key, expected: "a number between 0 and 1", found: "\(value)")
        }
        return value
    }

    /// Refuses every value of a key but one, by name.
    /// - Parameter fallback: the value if the key is missing.
    func require(_ key: String, is expected: String, default fallback: String, named what: String? = nil) throws {
        let found = string(key) ?? fallback
        guard found == expected else {
            throw EncoderError.unsupported(path: path, what: what ?? key, found: found, supported: expected)
        }
    }

    /// Refuses a flag that is set.
    func refuse(_ key: String, supported: String) throws {
        guard flag(key) == true else { return }
        throw EncoderError.unsupported(path: path, what: key, found: "true", supported: supported)
    }
}
