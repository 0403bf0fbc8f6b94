import Foundation

/// A document or a query, of which files hold one per line.
protocol CollectionText: Identifiable, Equatable where ID == String {
    static var kind: RetrievalError.TextKind { get }

    /// The lines of a file, with the fields of this kind of text.
    static func lines(of url: URL) throws -> JSONLines

    /// The text of a line.
    init(_ object: JSONLines.Object) throws

    /// Whether there is nothing that an encoder could read: no image, and a text of white space at most.
    var isEmpty: Bool { get }
}

extension CollectionWarning.Kind {
    /// The warning for a text of this kind without content.
    static func empty(_ kind: RetrievalError.TextKind) -> Self { kind == .document ? .emptyDocument : .emptyQuery }
}

/// Texts with unique identifiers, and the line from which each was read.
struct TextTable<Text: CollectionText> {
    let path: String
    private(set) var texts: [Text] = []
    private(set) var index: [String: Int] = [:]
    private var lines: [Int] = []

    init(path: String) { self.path = path }

    /// Reads the texts of a file of lines.
    init(lines url: URL, warnings: inout [CollectionWarning]) throws {
        self.init(path: url.path)
        var lines = try Text.lines(of: url)
        while let object = try lines.next() { try append(Text(object), line: object.line, warnings: &warnings) }
        try requireAny()
    }

    /// Adds a text, and a warning if it is empty.
    /// - Throws: ``RetrievalError/duplicateIdentifier(path:line:kind:identifier:firstLine:)``.
    mutating func append(_ text: Text, line: Int, warnings: inout [CollectionWarning]) throws {
        if let first = index.updateValue(texts.count, forKey: text.id) {
            throw RetrievalError.duplicateIdentifier(
                path: path, line: line, kind: Text.kind, identifier: text.id, firstLine: lines[first])
        }
        texts.append(text)
        lines.append(line)
        if text.isEmpty {
            warnings.append(.init(path: path, line: line, kind: .empty(Text.kind), identifier: text.id))
        }
    }

    /// Adds a text, unless it is there already. It gets the given identifier. If none is given, it keeps the name by
    /// which it is `known`, or gets the next free name: `prefix` and a number.
    /// - Returns: its identifier.
    mutating func keep(
        _ given: String?, orNamed prefix: String, known: inout String?, line: Int,
        warnings: inout [CollectionWarning], make: (String) -> Text
    ) throws -> String {
        if let given {
            if let row = index[given], texts[row] == make(given) { return given }
            try append(make(given), line: line, warnings: &warnings)
            return given
        }
        if let known { return known }
        var number = texts.count + 1
        while index["\(prefix)\(number)"] != nil { number += 1 }
        let name = "\(prefix)\(number)"
        known = name
        try append(make(name), line: line, warnings: &warnings)
        return name
    }

    /// The line from which a text was read.
    func line(ofRow row: Int) -> Int { lines[row] }

    /// - Throws: ``RetrievalError/emptyCollection(path:kind:)`` if there is no text.
    func requireAny() throws {
        guard !texts.isEmpty else { throw RetrievalError.emptyCollection(path: path, kind: Text.kind) }
    }
}
