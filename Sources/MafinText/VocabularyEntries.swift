/// Tokens and their ids as a checkpoint lists them, the tokens' UTF-8 bytes end to end.
///
/// Bytes and not `String`: two tokens that are canonically equivalent (a precomposed letter and its decomposition) are equal
/// as strings, and one would be lost from a dictionary.
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

    /// The lines of a `vocab.txt`: the line number, from 0, is the id.
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
}
