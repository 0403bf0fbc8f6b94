import Foundation

/// The properties of one scalar in the measured tables.
struct ScalarProperties: OptionSet, Sendable {
    let rawValue: UInt8

    static let removed = ScalarProperties(rawValue: 1)
    static let whitespace = ScalarProperties(rawValue: 2)
    static let punctuation = ScalarProperties(rawValue: 4)
    static let ideograph = ScalarProperties(rawValue: 8)
    static let nonspacingMark = ScalarProperties(rawValue: 16)
    /// Has a lower-case form.
    static let lowercased = ScalarProperties(rawValue: 32)
    /// Has a canonical decomposition. Includes Hangul syllables.
    static let decomposed = ScalarProperties(rawValue: 64)
    /// Has a canonical combining class other than 0, so that decomposition may move it.
    static let combining = ScalarProperties(rawValue: 128)
}

/// ``UnicodeTables``, expanded for look-up by scalar: one byte per scalar (1.1 MB), and the mappings of the few scalars
/// that have mappings.
struct UnicodeProperties: Sendable {
    /// Expanded on first use, in about five milliseconds.
    static let shared = UnicodeProperties()

    static let scalarCount: UInt32 = 0x11_0000
    static let hangulSyllables: ClosedRange<UInt32> = 0xAC00...0xD7A3

    private let properties: [UInt8]
    private let lowercaseOf: [UInt32: UInt32]
    /// Full canonical decompositions, except those of Hangul syllables.
    private let decompositions: [UInt32: [UInt32]]

    private init() {
        var properties = [UInt8](repeating: 0, count: Int(Self.scalarCount))
        func mark(_ ranges: [UInt32], _ property: ScalarProperties) {
            for index in stride(from: 0, to: ranges.count, by: 2) {
                for scalar in ranges[index]...ranges[index + 1] { properties[Int(scalar)] |= property.rawValue }
            }
        }
        mark(UnicodeTables.removed, .removed)
        mark(UnicodeTables.whitespace, .whitespace)
        mark(UnicodeTables.punctuation, .punctuation)
        mark(UnicodeTables.ideographs, .ideograph)
        mark(UnicodeTables.nonspacingMarks, .nonspacingMark)
        mark(UnicodeTables.combining, .combining)
        mark(UnicodeTables.decomposed, .decomposed)
        mark([Self.hangulSyllables.lowerBound, Self.hangulSyllables.upperBound], .decomposed)

        var lowercaseOf: [UInt32: UInt32] = [:]
        let lowercase = UnicodeTables.lowercase
        for index in stride(from: 0, to: lowercase.count, by: 4) {
            for scalar in stride(from: lowercase[index], through: lowercase[index + 1], by: Int(lowercase[index + 2])) {
                properties[Int(scalar)] |= ScalarProperties.lowercased.rawValue
                lowercaseOf[UInt32(scalar)] = UInt32(scalar + lowercase[index + 3])
            }
        }
        mark([0x130, 0x130], .lowercased)

        self.properties = properties
        self.lowercaseOf = lowercaseOf
        decompositions = Self.decompositions(of: UnicodeTables.decomposed)
    }

    /// The decompositions of the scalars of some ranges. Unicode guarantees that they never change for assigned
    /// scalars.
    private static func decompositions(of ranges: [UInt32]) -> [UInt32: [UInt32]] {
        let scalars = stride(from: 0, to: ranges.count, by: 2).flatMap { ranges[$0]...ranges[$0 + 1] }
        // All scalars are decomposed in one text, one per line, because a call per scalar would take several times as
        // long.
        var text = String.UnicodeScalarView()
        for scalar in scalars.compactMap(Unicode.Scalar.init) { text.append(contentsOf: [scalar, "\n"]) }
        let lines = String(text).decomposedStringWithCanonicalMapping.unicodeScalars.split(separator: "\n")
        return Dictionary(uniqueKeysWithValues: zip(scalars, lines.map { $0.map(\.value) }))
    }

    subscript(scalar: UInt32) -> ScalarProperties { ScalarProperties(rawValue: properties[Int(scalar)]) }

    /// Whether all scalars of `range` have the same properties and none has a mapping.
    func areUniform(_ range: Range<Int>) -> Bool {
        let mapped = ScalarProperties([.lowercased, .decomposed]).rawValue
        let first = properties[range.lowerBound]
        return first & mapped == 0 && properties[range].allSatisfy { $0 == first }
    }

    /// Calls `body` with each scalar of the full lower-case form of `scalar`, like Rust's `char::to_lowercase`.
    /// Neighbours are ignored, so a final sigma becomes an ordinary one.
    func forEachLowercase(of scalar: UInt32, _ body: (UInt32) -> Void) {
        guard self[scalar].contains(.lowercased) else { return body(scalar) }
        if scalar == 0x130 {
            body(0x69)
            body(0x307)
        } else {
            body(lowercaseOf[scalar] ?? scalar)
        }
    }

    /// Calls `body` with each scalar of the full canonical decomposition of `scalar`, not yet sorted by combining class.
    func forEachDecomposed(of scalar: UInt32, _ body: (UInt32) -> Void) {
        guard self[scalar].contains(.decomposed) else { return body(scalar) }
        if Self.hangulSyllables.contains(scalar) {
            // The Unicode standard, section 3.12: 19 leading consonants, 21 vowels, 27 trailing consonants or none.
            let index = scalar - Self.hangulSyllables.lowerBound
            body(0x1100 + index / 588)
            body(0x1161 + index % 588 / 28)
            if index % 28 != 0 { body(0x11A7 + index % 28) }
        } else {
            for value in decompositions[scalar] ?? [] { body(value) }
        }
    }

    /// The canonical combining class; 0 for a scalar that is not reordered.
    func combiningClass(of scalar: UInt32) -> UInt32 {
        guard self[scalar].contains(.combining) else { return 0 }
        return Unicode.Scalar(scalar).map { UInt32($0.properties.canonicalCombiningClass.rawValue) } ?? 0
    }
}
