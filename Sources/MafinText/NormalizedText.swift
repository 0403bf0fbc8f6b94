/// A text after BertNormalizer. Each scalar has the range of the original bytes from which it came.
///
/// This is slow, because it allocates memory, sorts combining marks and keeps offsets. ``ScalarActions`` is the fast
/// form.
struct NormalizedText {
    private(set) var scalars: [UInt32] = []
    /// For each scalar, the bytes of the original text.
    private(set) var sources: [Range<Int>] = []

    /// Adds the normalized form of a part of a text. Combining marks are not sorted across its ends.
    ///
    /// - Parameter sources: the bytes of each scalar of `text`, by the same indices; `nil` if they are not needed.
    mutating func append(
        _ text: ArraySlice<UInt32>, sources textSources: [Range<Int>]?, _ settings: NormalizerSettings,
        _ unicode: UnicodeProperties
    ) {
        var current: [UInt32] = []
        var currentSources: [Range<Int>] = []
        current.reserveCapacity(text.count)
        currentSources.reserveCapacity(text.count)
        var found: ScalarProperties = []
        for index in text.indices {
            let source = textSources?[index] ?? 0..<0
            func add(_ scalar: UInt32) {
                current.append(scalar)
                currentSources.append(source)
            }
            settings.forEachBeforeStripping(text[index], unicode) { scalar in
                let properties = unicode[scalar]
                found.formUnion(properties)
                if settings.splitsIdeographs, properties.contains(.ideograph) {
                    add(0x20)
                    add(scalar)
                    add(0x20)
                } else {
                    add(scalar)
                }
            }
        }
        if settings.stripsAccents, !found.isDisjoint(with: [.decomposed, .nonspacingMark, .combining]) {
            stripAccents(&current, &currentSources, unicode)
        }
        scalars.reserveCapacity(scalars.count + current.count)
        sources.reserveCapacity(sources.count + current.count)
        for (scalar, source) in zip(current, currentSources) {
            settings.finish(scalar, unicode) {
                scalars.append($0)
                sources.append(source)
            }
        }
    }

    /// Decomposes, sorts each run of combining marks by class, and drops nonspacing marks.
    ///
    /// A sorted scalar takes the source bytes of the scalar that had its position before. The Rust library does the same: it assigns
    /// the sources in order to the scalars that are the first of their decomposition.
    private func stripAccents(_ text: inout [UInt32], _ sources: inout [Range<Int>], _ unicode: UnicodeProperties) {
        var parts: [(scalar: UInt32, isFirst: Bool, combiningClass: UInt32)] = []
        for scalar in text {
            var isFirst = true
            unicode.forEachDecomposed(of: scalar) { part in
                parts.append((part, isFirst, unicode.combiningClass(of: part)))
                isFirst = false
            }
        }
        var start = 0
        while start < parts.count {
            var end = start
            while end < parts.count, parts[end].combiningClass != 0 { end += 1 }
            if end - start > 1 {
                // Insertion sort, because it is stable and runs are short.
                for index in start + 1..<end {
                    var place = index
                    while place > start, parts[place - 1].combiningClass > parts[place].combiningClass {
                        parts.swapAt(place - 1, place)
                        place -= 1
                    }
                }
            }
            start = end + 1
        }
        var stripped: [UInt32] = []
        var strippedSources: [Range<Int>] = []
        var next = 0
        for part in parts {
            if part.isFirst { next += 1 }
            if unicode[part.scalar].contains(.nonspacingMark) { continue }
            stripped.append(part.scalar)
            strippedSources.append(next == 0 ? 0..<0 : sources[next - 1])
        }
        text = stripped
        sources = strippedSources
    }
}
