import Foundation
import MafinRetrieval

/// The settings and results of a generation: `generation.json` beside the queries.
public struct GenerationReport: Sendable, Codable, Hashable {
    /// The name of its file.
    public static let fileName = "generation.json"

    /// Version of this record.
    public var format = 1
    /// The model that wrote the queries, `provider:model`; nil: they are pieces of the passages.
    public var model: String?
    /// The model that judged them, `provider:model`; nil: none.
    public var judge: String?
    /// The black box of the round-trip test, `provider:model`; nil: there was no such test.
    public var blackBox: String?
    /// A query was kept only if its own passage was among this many results.
    public var roundTrip: Int?
    /// Version of the prompt.
    public var prompt: String?
    /// The language that queries were asked for in; nil: no model was asked, or an earlier version did not record it.
    public var language: Language?
    /// The mix of styles, or the kinds of pieces.
    public var styles: String
    /// Queries asked for per passage.
    public var perPassage: Int
    /// Real queries that were shown as examples.
    public var examples: Int
    /// Random seed.
    public var seed: UInt64
    /// Documents in the corpus.
    public var documents: Int
    /// Documents that queries were made from.
    public var passages: Int
    /// Documents left out because their text is too short.
    public var tooShort: Int
    /// Documents left out as copies of others.
    public var repeated: Int
    /// Counts of the replies; nil if no model was asked.
    public var replies: LanguageQueries.Replies?
    /// Passages whose grades could not be read. Their queries were kept.
    public var unreadGrades: Int?
    /// Cost of the replies of this run, cached ones not included; nil: no price was given.
    public var cost: Double?
    /// Requests of this run.
    public var requests: Int?
    /// Queries before the filters, by origin.
    public var generated: [String: Int]
    /// Queries after the filters, by origin.
    public var kept: [String: Int]
    /// Rejected queries, by reason.
    public var rejected: [String: Int]
    /// Queries and passages by split, the collection's own included.
    public var splits: [String: GeneratedCollection.SplitSize]

    /// A report with the counts that follow from the arguments. The caller sets the rest.
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
