import Foundation

/// A Unicode normalization form (UAX #15).
///
/// Most scalars stay as they are and never join the scalar before them. Only runs of others are given to Foundation,
/// which is much slower than a look-up.
final class UnicodeForm: Sendable {
    /// The forms by their name in `tokenizer.json`. Their tables are made on first use.
    static func named(_ name: String) -> UnicodeForm? {
        switch name {
        case "NFC": composed
        case "NFD": decomposed
        case "NFKC": compatibilityComposed
        case "NFKD": compatibilityDecomposed
        default: nil
        }
    }

    private static let composed = UnicodeForm(isCompatible: false) { $0.precomposedStringWithCanonicalMapping }
    private static let decomposed = UnicodeForm(isCompatible: false) { $0.decomposedStringWithCanonicalMapping }
    private static let compatibilityComposed = UnicodeForm(isCompatible: true) {
        // Foundation's precomposedStringWithCompatibilityMapping leaves "ｶﾞ" as two scalars on Linux.
        $0.decomposedStringWithCompatibilityMapping.precomposedStringWithCanonicalMapping
    }
    private static let compatibilityDecomposed = UnicodeForm(isCompatible: true) {
        $0.decomposedStringWithCompatibilityMapping
    }

    private let transform: @Sendable (String) -> String
    /// For each scalar below ``end``, whether the form changes it or it may join or move before its predecessor.
    private let isUnstable: [Bool]
    /// No scalar from here on is unstable.
    private let end: UInt32

    private init(isCompatible: Bool, transform: @escaping @Sendable (String) -> String) {
        self.transform = transform
        let unicode = UnicodeProperties.shared
        end = 0x2FA20
        var isUnstable = [Bool](repeating: false, count: Int(end))
        // Scalars that may join: those with a combining class, those that follow the first of a decomposition, and
        // Hangul's vowels and trailing consonants.
        for scalar in 0..<end {
            if unicode[scalar].contains(.combining) { isUnstable[Int(scalar)] = true }
            guard unicode[scalar].contains(.decomposed) else { continue }
            var isFirst = true
            unicode.forEachDecomposed(of: scalar) { part in
                if !isFirst { isUnstable[Int(part)] = true }
                isFirst = false
            }
        }
        // Scalars that change. All are transformed in one text, one per line, because a call per scalar would take
        // several times as long. Ideographs that are not for compatibility, and Hangul when it is composed, do not
        // change.
        let ranges: [ClosedRange<UInt32>] = [
            0x80...0x33FF, 0xA000...0xD7A3, 0xF900...0x1FFFF, 0x2F800...0x2FA1F,
        ]
        let candidates = ranges.joined().filter { scalar in
            isCompatible
                ? Unicode.Scalar(scalar).map { $0.properties.generalCategory != .unassigned } ?? false
                : unicode[scalar].contains(.decomposed)
        }.compactMap(Unicode.Scalar.init)
        var text = String.UnicodeScalarView()
        for scalar in candidates { text.append(contentsOf: [scalar, "\n"]) }
        let lines = transform(String(text)).unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false)
        for (scalar, line) in zip(candidates, lines) where line.count != 1 || line.first != scalar {
            isUnstable[Int(scalar.value)] = true
        }
        self.isUnstable = isUnstable
    }

    /// - Returns: `false` if the form leaves the text as it is. What was written is of no use then.
    func write(_ input: ByteView, to output: inout ByteBuffer) -> Bool {
        var position = nextUnstable(input, from: 0)
        if position == input.count { return false }
        var written = 0
        var isChanged = false
        while position < input.count {
            // The scalar before the unstable ones may change with them.
            var start = position
            if start > written {
                repeat { start -= 1 } while start > written && input.bytes[start] & 0xC0 == 0x80
            }
            output.append(input, written..<start)
            while position < input.count {
                let (scalar, width) = decodeScalar(input.bytes + position)
                guard isUnstable(scalar) else { break }
                position += width
            }
            let run = UnsafeBufferPointer(start: input.bytes + start, count: position - start)
            var result = transform(String(decoding: run, as: UTF8.self))
            result.withUTF8 { result in
                if result.elementsEqual(run) {
                    output.append(input, start..<position)
                } else {
                    output.append(result, replacing: start..<position, of: input)
                    isChanged = true
                }
            }
            written = position
            position = nextUnstable(input, from: position)
        }
        output.append(input, written..<input.count)
        return isChanged
    }

    @inline(__always) private func isUnstable(_ scalar: UInt32) -> Bool {
        scalar < end && isUnstable[Int(scalar)]
    }

    /// The position of the first unstable scalar at or after a position; the end if there is none.
    private func nextUnstable(_ input: ByteView, from start: Int) -> Int {
        var position = start
        while position < input.count {
            if input.bytes[position] < 0x80 {
                position &+= 1
                continue
            }
            let (scalar, width) = decodeScalar(input.bytes + position)
            if isUnstable(scalar) { return position }
            position &+= width
        }
        return position
    }
}
