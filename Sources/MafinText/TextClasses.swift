/// The classes of one scalar that byte-level BPE and Unigram ask for.
struct TextClass: OptionSet, Sendable {
    let rawValue: UInt8

    /// `\p{L}`
    static let letter = TextClass(rawValue: 1)
    /// `\p{N}`
    static let number = TextClass(rawValue: 2)
    /// `\s`
    static let space = TextClass(rawValue: 4)
    /// Belongs to the grapheme cluster of the scalar before it: combining marks, joiners, variation selectors.
    static let extending = TextClass(rawValue: 8)
    /// A grapheme cluster of its own: control characters, line separators, invisible format characters.
    static let control = TextClass(rawValue: 16)
    /// Begins a grapheme cluster that the next scalar belongs to.
    static let prepended = TextClass(rawValue: 32)
}

/// ``UnicodeTables``, expanded for look-up of these classes by scalar: one byte per scalar (1.1 MB).
///
/// It is apart from ``UnicodeProperties``, because WordPiece does not need it.
final class TextClasses: @unchecked Sendable {
    // Sendable: nothing changes after `init`.

    /// Expanded on first use, in about a millisecond.
    static let shared = TextClasses()

    private let table: UnsafePointer<UInt8>

    private init() {
        var table = [UInt8](repeating: 0, count: Int(UnicodeProperties.scalarCount))
        func mark(_ ranges: [UInt32], _ kind: TextClass) {
            for index in stride(from: 0, to: ranges.count, by: 2) {
                for scalar in ranges[index]...ranges[index + 1] { table[Int(scalar)] |= kind.rawValue }
            }
        }
        mark(UnicodeTables.letters, .letter)
        mark(UnicodeTables.numbers, .number)
        mark(UnicodeTables.whitespace, .space)
        mark(UnicodeTables.extending, .extending)
        mark(UnicodeTables.controls, .control)
        mark(UnicodeTables.prepended, .prepended)
        self.table = fixedCopy(table)
    }

    deinit { table.deallocate() }

    @inline(__always) subscript(_ scalar: UInt32) -> TextClass { TextClass(rawValue: table[Int(scalar)]) }
}
