import MafinRetrieval

/// Texts that stand in training and in test.
public struct LeakFacts: Sendable, Equatable, Codable {
    /// Two texts that are the same, or nearly.
    public struct Finding: Sendable, Equatable, Codable {
        /// What the texts are.
        public enum Kind: String, Sendable, Codable {
            /// Two queries.
            case query
            /// Two documents that are relevant on either side.
            case document
        }

        /// What the texts are.
        public var kind: Kind
        /// Identifier of the text in training.
        public var trainingId: String
        /// Identifier of the text in the measured split.
        public var testId: String
        /// The text in training.
        public var trainingText: String
        /// The text in the measured split.
        public var testText: String
        /// Share of shingles in common; 1: the same text.
        public var similarity: Double

        /// A finding.
        public init(
            kind: Kind, trainingId: String, testId: String, trainingText: String, testText: String, similarity: Double
        ) {
            self.kind = kind
            self.trainingId = trainingId
            self.testId = testId
            self.trainingText = trainingText
            self.testText = testText
            self.similarity = similarity
        }
    }

    /// What was compared and how, in a sentence.
    public var method: String
    /// Pairs of texts that are too alike, in all.
    public var found: Int
    /// Some of them, the most alike first.
    public var findings: [Finding]
    /// Whether the user let them stand (`--allow-leak`).
    public var isAllowed: Bool

    /// Texts of a finding that are kept, in characters.
    private static let textLength = 2_000
    /// Findings that are shown.
    private static let shown = 50

    /// The facts of a comparison of both sides.
    /// - Parameters:
    ///   - leftOut: queries of train and dev that were left out because a measured query has their text.
    ///   - isAllowed: whether the user lets equal queries on both sides stand.
    public init(_ report: LeakReport, leftOut: Int, isAllowed: Bool) {
        let pairs = report.queries.map { pair in
            Finding(
                kind: .query, trainingId: pair.learned.id, testId: pair.measured.id, trainingText: pair.learned.text,
                testText: pair.measured.text, similarity: pair.similarity)
        }
        let documents = report.documents.map { pair in
            Finding(
                kind: .document, trainingId: pair.learned.id, testId: pair.measured.id,
                trainingText: String(pair.learned.textForEncoding.prefix(Self.textLength)),
                testText: String(pair.measured.textForEncoding.prefix(Self.textLength)), similarity: pair.similarity)
        }
        let comparison = LeakReport.comparisonOfQueries
        self.init(
            method:
                "\(Number.count(report.measuredQueries)) measured queries were compared with \(Number.count(report.learnedQueries)) "
                + "of train and dev by \(comparison.shingles) (\(Number.percent(comparison.threshold)) or more in common), and relevant "
                + "documents that training does not know with those that it does, by \(LeakReport.comparisonOfDocuments.shingles)."
                + (leftOut == 0
                    ? ""
                    : " Before that, \(Number.count(leftOut)) queries were left out of train and dev because a measured query has "
                        + "the same text."),
            found: pairs.count + documents.count, findings: Array((pairs + documents).prefix(Self.shown)),
            isAllowed: isAllowed && report.queries.contains(where: \.isEqual))
    }

    /// Findings from their parts.
    public init(method: String, found: Int, findings: [Finding], isAllowed: Bool) {
        self.method = method
        self.found = found
        self.findings = findings
        self.isAllowed = isAllowed
    }
}

/// Documents that nobody judged for a query and that both halves rank first: labels to look at again.
public struct SuspectFacts: Sendable, Equatable, Codable {
    /// A document that may be relevant.
    public struct Suspect: Sendable, Equatable, Codable {
        /// The query.
        public var queryId: String
        /// What is asked.
        public var query: String
        /// The document.
        public var documentId: String
        /// Its text.
        public var document: DocumentText
        /// Its place in the black box's ranking, from 1.
        public var blackBoxRank: Int
        /// Its place in the local half's ranking, from 1.
        public var localRank: Int

        /// A suspect.
        public init(
            queryId: String, query: String, documentId: String, document: DocumentText, blackBoxRank: Int,
            localRank: Int
        ) {
            self.queryId = queryId
            self.query = query
            self.documentId = documentId
            self.document = document
            self.blackBoxRank = blackBoxRank
            self.localRank = localRank
        }
    }

    /// What counts as suspect, in a sentence.
    public var method: String
    /// How many there are in all.
    public var found: Int
    /// Some of them.
    public var suspects: [Suspect]

    /// Suspects from their parts.
    public init(method: String, found: Int, suspects: [Suspect]) {
        self.method = method
        self.found = found
        self.suspects = suspects
    }
}
