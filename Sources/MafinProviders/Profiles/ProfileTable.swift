/// One table of a profile while it is read. A key that nothing reads is an error, so that a misspelt limit is noticed.
struct ProfileTable {
    /// The file or name of the profile, for messages.
    let source: String
    /// Keys from the root to this table.
    let place: [String]
    private var rest: [String: ProfileValue]

    init(_ table: [String: ProfileValue], source: String, place: [String] = []) {
        rest = table
        self.source = source
        self.place = place
    }

    /// An error that names a key of this table.
    func fault(_ key: String, _ reason: String) -> ProviderError {
        .badProfile(source: source, place: (place + [key]).joined(separator: "."), reason: reason)
    }

    /// - Throws: ``ProviderError/badProfile(source:place:reason:)`` if a key was not read.
    func finish() throws {
        guard let key = rest.keys.min() else { return }
        throw fault(key, "no such key")
    }

    /// Ignores the remaining keys.
    mutating func ignoreRest() { rest = [:] }

    private mutating func take<Value>(
        _ key: String, _ expected: String, _ convert: (ProfileValue) -> Value?
    ) throws -> Value? {
        guard let value = rest.removeValue(forKey: key) else { return nil }
        guard let converted = convert(value) else { throw fault(key, "expected \(expected), found \(value.kind)") }
        return converted
    }

    /// A string, or nil if the key is absent.
    mutating func text(_ key: String) throws -> String? { try take(key, "a string", \.text) }

    mutating func flag(_ key: String) throws -> Bool? {
        try take(key, "true or false") { if case .flag(let flag) = $0 { flag } else { nil } }
    }

    /// An integer of at least 1.
    mutating func count(_ key: String) throws -> Int? {
        guard let value = try take(key, "an integer", \.integer) else { return nil }
        guard value >= 1 else { throw fault(key, "expected at least 1, found \(value)") }
        return value
    }

    /// A finite number of at least 0.
    mutating func number(_ key: String) throws -> Double? {
        let value = try take(key, "a number") { value -> Double? in
            if case .number(let number) = value { number } else { value.integer.map(Double.init) }
        }
        if let value, !(value >= 0 && value.isFinite) { throw fault(key, "expected at least 0, found \(value)") }
        return value
    }

    /// An array of strings; a single string counts as an array of one.
    mutating func texts(_ key: String) throws -> [String]? {
        try take(key, "an array of strings") { $0.text.map { [$0] } ?? $0.elements(\.text) }
    }

    /// An array of integers of at least 1.
    mutating func counts(_ key: String) throws -> [Int]? {
        try take(key, "an array of integers above 0") { list in
            list.elements { value in value.integer.flatMap { $0 >= 1 ? $0 : nil } }
        }
    }

    /// A table whose values are all strings.
    mutating func dictionary(_ key: String) throws -> [String: String]? {
        try take(key, "a table of strings") { value in
            let texts = value.table?.compactMapValues(\.text)
            return texts?.count == value.table?.count ? texts : nil
        }
    }

    /// The values of a table; empty if the key is absent.
    mutating func raw(_ key: String) throws -> [String: ProfileValue] {
        try take(key, "a table", \.table) ?? [:]
    }

    /// One of the named values.
    mutating func choice<Choice: RawRepresentable & CaseIterable>(
        _ key: String, _: Choice.Type
    ) throws -> Choice? where Choice.RawValue == String {
        guard let text = try text(key) else { return nil }
        guard let choice = Choice(rawValue: text) else {
            throw fault(
                key, "expected one of \(Choice.allCases.map(\.rawValue).joined(separator: ", ")), found '\(text)'")
        }
        return choice
    }

    /// Reads a table with `body`, which must read all its keys. An absent table counts as empty.
    mutating func table<Value>(_ key: String, _ body: (inout ProfileTable) throws -> Value) throws -> Value {
        var table = ProfileTable(try raw(key), source: source, place: place + [key])
        let value = try body(&table)
        try table.finish()
        return value
    }

    /// The values of each table of an array.
    mutating func rawTables(_ key: String) throws -> [[String: ProfileValue]] {
        try take(key, "an array of tables") { $0.elements(\.table) } ?? []
    }
}
