import MafinNumerics
import MafinRetrieval

/// The documents that queries are made from, and the part of each that is shown to the model.
public struct PassageSelection: Sendable {
    /// Rows of the chosen documents, ascending.
    public let rows: [Int]
    /// Documents with too little text.
    public let tooShort: Int
    /// Documents with the same text as an earlier one.
    public let repeated: Int
    let passages: [Passage]

    /// Chooses documents at random, uniformly over the corpus.
    /// - Parameters:
    ///   - maximum: documents to choose; nil: all.
    ///   - excluded: ids of documents that have labels already.
    ///   - passageBytes: maximum length of the shown part, in UTF-8 bytes.
    /// - Throws: ``GenerationError/noPassages(documents:reason:)``
    public init(
        of documents: [Document], maximum: Int?, excluded: Set<String> = [], passageBytes: Int = 4000, seed: UInt64
    ) throws {
        var seen = Set<String>()
        var (tooShort, repeated) = (0, 0)
        var found: [Passage] = []
        for (row, document) in documents.enumerated() where !excluded.contains(document.id) {
            guard let passage = Passage(document, row: row, maximumBytes: passageBytes, seed: seed) else {
                tooShort += 1
                continue
            }
            guard seen.insert(document.textForEncoding).inserted else {
                repeated += 1
                continue
            }
            found.append(passage)
        }
        guard !found.isEmpty else {
            throw GenerationError.noPassages(
                documents: documents.count,
                reason: excluded.isEmpty
                    ? "all have less than \(Passage.minimumCharacters) characters"
                    : "all have labels already, or less than \(Passage.minimumCharacters) characters")
        }
        if let maximum, maximum < found.count {
            var random = RandomGenerator(seed: seed)
            found = Array(found.shuffled(using: &random).prefix(maximum)).sorted { $0.row < $1.row }
        }
        (passages, rows) = (found, found.map(\.row))
        (self.tooShort, self.repeated) = (tooShort, repeated)
    }
}
