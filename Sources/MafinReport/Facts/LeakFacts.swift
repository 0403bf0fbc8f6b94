import MafinImages
import MafinRetrieval

/// Texts that are both in training and in the measured split.
public struct LeakFacts: Sendable, Equatable, Codable {
    /// Two texts that are the same, or nearly.
    public struct Finding: Sendable, Equatable, Codable {
        /// The kinds of texts.
        public enum Kind: String, Sendable, Codable {
            /// Two queries.
            case query
            /// Two documents: one is relevant in training, the other in the measured split.
            case document
        }

        /// The kind of the texts.
        public var kind: Kind
        /// Identifier of the text in training.
        public var trainingId: String
        /// Identifier of the text in the measured split.
        public var testId: String
        /// The text in training.
        public var trainingText: String
        /// The text in the measured split.
        public var testText: String
        /// Share of shingles in common; 1 for the same text.
        public var similarity: Double
    }

    /// What was compared and how, in a sentence.
    public var method: String
    /// Number of pairs of texts that are too similar.
    public var found: Int
    /// Some of the pairs, the most similar first.
    public var findings: [Finding]
    /// Whether the user chose to measure in spite of them (`--allow-leak`).
    public var isAllowed: Bool

    /// What was compared, and how much was found.
    var summary: String {
        method + " "
            + (found == 0
                ? "Nothing was found."
                : "\(Number.count(found)) \(found == 1 ? "pair was" : "pairs were") found"
                    + (isAllowed ? "; the user chose to measure anyway (--allow-leak)." : "."))
    }
}

extension LeakFacts {
    private static let textLength = 2_000
    private static let shown = 50

    /// The facts of a search for leaks.
    /// - Parameters:
    ///   - leftOut: queries of train and dev that were left out because a measured query has their text.
    ///   - isAllowed: whether the user chose to measure in spite of equal queries on both sides.
    public init(_ report: LeakReport, leftOut: Int, isAllowed: Bool) {
        let queries = report.queries.map { pair in
            Finding(
                kind: .query, trainingId: pair.learned.id, testId: pair.measured.id,
                trainingText: Self.shown(pair.learned.text, pair.learned.image),
                testText: Self.shown(pair.measured.text, pair.measured.image), similarity: pair.similarity)
        }
        let documents = report.documents.map { pair in
            let texts = [pair.learned, pair.measured].map { Self.shown($0.textForEncoding, $0.image) }
            return Finding(
                kind: .document, trainingId: pair.learned.id, testId: pair.measured.id, trainingText: texts[0],
                testText: texts[1], similarity: pair.similarity)
        }
        let comparison = LeakReport.comparisonOfQueries
        let hasImages =
            report.queries.contains { $0.measured.image != nil }
            || report.documents.contains { $0.measured.image != nil }
        self.init(
            method:
                "\(Number.count(report.measuredQueries)) measured queries were compared with \(Number.count(report.learnedQueries)) "
                + "of train and dev by \(comparison.shingles) (\(Number.percent(comparison.threshold)) or more in common). "
                + "Relevant documents that only the measured split has were compared with those of train and dev by "
                + "\(LeakReport.comparisonOfDocuments.shingles)."
                + (hasImages ? " Images were compared by their perceptual hashes." : "")
                + (leftOut == 0
                    ? ""
                    : " Before that, \(Number.count(leftOut)) \(leftOut == 1 ? "query was" : "queries were") left out of train and dev because a measured query has "
                        + "the same text."),
            found: queries.count + documents.count, findings: Array((queries + documents).prefix(Self.shown)),
            isAllowed: isAllowed && report.queries.contains(where: \.isEqual))
    }

    /// The path of an image before the text beside it.
    private static func shown(_ text: String, _ image: ItemImage?) -> String {
        let text = String(text.prefix(textLength))
        guard let image else { return text }
        return text.isEmpty ? image.path : "\(image.path): \(text)"
    }
}

/// Documents without a label that the black box and the local encoder both rank first for a query: labels to check.
public struct SuspectFacts: Sendable, Equatable, Codable {
    /// A document that may be relevant.
    public struct Suspect: Sendable, Equatable, Codable {
        /// The query.
        public var queryId: String
        /// Its text.
        public var query: String
        /// The document.
        public var documentId: String
        /// Its text.
        public var document: DocumentText
        /// Its rank by the black box, from 1.
        public var blackBoxRank: Int
        /// Its rank by the local encoder, from 1.
        public var localRank: Int
    }

    /// What counts as suspect, in a sentence.
    public var method: String
    /// How many there are in all.
    public var found: Int
    /// Some of them.
    public var suspects: [Suspect]

    /// What counts as suspect, and how much was found.
    var summary: String {
        method + " "
            + (found == 0 ? "None was found." : "\(Number.count(found)) \(found == 1 ? "was" : "were") found.")
    }
}
