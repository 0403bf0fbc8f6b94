import Foundation

/// The settings of a generation and its results: `generation.json` beside the queries.
public struct GenerationReport: Sendable, Codable, Hashable {
    /// Its name in the folder.
    public static let fileName = "generation.json"

    /// Version of this record.
    public var format = 1
    /// Who wrote the queries, `provider:model`; nil: nobody, they are pieces of the passages.
    public var model: String?
    /// Who judged them, likewise.
    public var judge: String?
    /// Which black box the round trip was made with, `provider:model`.
    public var blackBox: String?
    /// A query was kept only if its own passage was among this many.
    public var roundTrip: Int?
    /// Version of the prompt.
    public var prompt: String?
    /// The mix of styles, or the kinds of pieces.
    public var styles: String
    /// Queries asked for a passage.
    public var perPassage: Int
    /// Real queries that were shown as examples.
    public var examples: Int
    /// Random seed.
    public var seed: UInt64
    /// Documents in the corpus.
    public var documents: Int
    /// Documents that queries were made from.
    public var passages: Int
    /// Documents left out for want of text, and as copies of others.
    public var tooShort: Int
    /// Documents left out as copies of others.
    public var repeated: Int
    /// What the prompts brought; nil if there were none.
    public var replies: LanguageQueries.Replies?
    /// Passages whose grades could not be read; their queries were kept.
    public var unreadGrades: Int?
    /// What the replies cost that were paid for in this run; nil: no price was given.
    public var cost: Double?
    /// Requests of this run.
    public var requests: Int?
    /// Queries before the filters, by origin.
    public var generated: [String: Int]
    /// Queries after them, by origin.
    public var kept: [String: Int]
    /// Queries that were not kept, by reason.
    public var rejected: [String: Int]
    /// Queries and passages by split, the collection's own included.
    public var splits: [String: GeneratedCollection.SplitSize]

    /// A report of what can be counted; the rest is set afterwards.
    public init(
        selection: PassageSelection, documents: Int, generated: [GeneratedQuery], filtering: QueryFiltering,
        splits: [String: GeneratedCollection.SplitSize], styles: String, perPassage: Int, seed: UInt64
    ) {
        func counts(_ queries: [GeneratedQuery]) -> [String: Int] {
            queries.reduce(into: [:]) { $0[$1.origin.rawValue, default: 0] += 1 }
        }
        self.styles = styles
        self.perPassage = perPassage
        self.seed = seed
        self.documents = documents
        self.splits = splits
        examples = 0
        passages = selection.rows.count
        tooShort = selection.tooShort
        repeated = selection.repeated
        self.generated = counts(generated)
        kept = counts(filtering.kept)
        rejected = Dictionary(uniqueKeysWithValues: filtering.rejections.map { ($0.key.rawValue, $0.value) })
    }

    /// The version of the prompts that ``LanguageQueries`` makes.
    public static var promptVersion: String { QueryPrompt.version }
}
