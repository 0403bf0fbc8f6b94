import MafinNumerics

/// The tokens and ids in a checkpoint's list. The UTF-8 bytes of all tokens are in one array.
///
/// Tokens are bytes and not `String`, because two tokens that are canonically equivalent (a precomposed letter and its
/// decomposition) are equal as strings, so that a dictionary would lose one of them.
struct VocabularyEntries: Sendable, Equatable {
    private(set) var bytes: [UInt8] = []
    private(set) var ends: [Int] = []
    private(set) var ids: [Int32] = []

    var count: Int { ids.count }

    func token(_ entry: Int) -> ArraySlice<UInt8> { bytes[(entry == 0 ? 0 : ends[entry - 1])..<ends[entry]] }

    mutating func append(_ token: some Sequence<UInt8>, id: Int32) {
        bytes.append(contentsOf: token)
        ends.append(bytes.count)
        ids.append(id)
    }

    /// Reads the lines of a `vocab.txt`. The line number, from 0, is the id.
    init(lines file: [UInt8]) {
        bytes.reserveCapacity(file.count)
        var rest = file[...]
        // A byte order mark is not part of the first token.
        if rest.starts(with: [0xEF, 0xBB, 0xBF]) { rest = rest.dropFirst(3) }
        while !rest.isEmpty {
            let end = rest.firstIndex(of: UInt8(ascii: "\n")) ?? rest.endIndex
            var line = rest[..<end]
            if line.last == UInt8(ascii: "\r") { line = line.dropLast() }
            append(line, id: Int32(truncatingIfNeeded: count))
            rest = rest[end...].dropFirst()
        }
    }

    init() {}

    /// Reads a JSON object of tokens and ids, as in `vocab.json`.
    /// - Throws: `JSONSyntaxError`
    init(json file: [UInt8]) throws {
        self = try file.withUnsafeBufferPointer { bytes in
            var scanner = JSONScanner(bytes)
            let entries = try Self.members(&scanner)
            try scanner.finish()
            return entries
        }
    }

    static func members(_ scanner: inout JSONScanner) throws -> VocabularyEntries {
        var entries = VocabularyEntries()
        try scanner.membersWithRawKeys { scanner, token in
            entries.append(try scanner.utf8(of: token), id: try identifier(&scanner))
        }
        return entries
    }

    private static func identifier(_ scanner: inout JSONScanner) throws -> Int32 {
        _ = scanner.peek()
        let start = scanner.offset
        guard let id = Int32(exactly: try scanner.integer()), id >= 0 else {
            throw JSONSyntaxError(offset: start, reason: "expected a token id, a whole number from 0 to 2147483647")
        }
        return id
    }
}
