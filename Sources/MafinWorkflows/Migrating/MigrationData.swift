import Foundation
import MafinBlackBox
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval

/// The queries and labels of a migration: those that are measured, and those that weights and maps are fitted to.
struct MigrationQueries {
    /// All of them, the measured ones first.
    let all: [Query]
    /// Number of measured queries.
    let measuredCount: Int
    /// Labels of the measured queries; nil: the collection has none.
    let measured: Qrels?
    /// Labels to fit weights to; empty if there are none.
    let (train, dev): (Qrels, Qrels)
    /// Where ``train`` and ``dev`` come from; nil without labels.
    let splits: JudgedSplits?

    /// The rows of the queries that are not measured.
    var known: Range<Int> { measuredCount..<all.count }

    /// - Parameter split: `dev` is cut in two halves, one to fit and one to measure. Of any other split all queries are
    ///   measured.
    /// - Throws: `RetrievalError`; ``WorkflowError/knownQueries(reason:)``, and ``WorkflowError/notMigratable(path:reason:)`` if
    ///   the artefact was chosen on the measured half of `dev`.
    init(
        _ split: String, of collection: RetrievalCollection, for artefact: Artefact, allowsLeaks: Bool,
        _ context: WorkflowContext
    ) throws {
        guard !collection.splits.isEmpty else {
            guard !collection.queries.isEmpty else {
                throw RetrievalError.noJudgedQueries(path: collection.source?.path ?? split)
            }
            (all, measuredCount, measured) = (collection.queries, collection.queries.count, nil)
            (train, dev, splits) = (Qrels(), Qrels(), nil)
            return
        }
        let checked = try LeakGuard.measured(
            split, of: collection, for: artefact, allowsLeaks: allowsLeaks, context)
        let splits = JudgedSplits(collection, measured: split, allowsLeaks: allowsLeaks)
        let names = collection.splits
        let isLearned = names.contains(JudgedSplits.Part.train.rawValue) || names == [RetrievalCollection.wholeSplit]
        let learned = isLearned ? (train: try splits.qrels(.train), dev: try splits.qrels(.dev)) : nil
        var (measured, fitted) = (checked.qrels, learned?.dev ?? Qrels())
        if split == JudgedSplits.Part.dev.rawValue {
            let halves = try measured.split(
                into: [("fitted", 0.5), ("measured", 0.5)],
                identity: ContentIdentity(collection, labelledBy: [measured]), seed: JudgedSplits.standardSeed)
            (measured, fitted) = (halves["measured"] ?? Qrels(), halves["fitted"] ?? Qrels())
            // The weights of the artefact, but not those of the other roads, would know the measured half.
            let known = checked.known.count { measured[$0.id] != nil }
            if known > 0, !allowsLeaks {
                throw WorkflowError.notMigratable(
                    path: artefact.folder.path,
                    reason:
                        "it was trained or chosen on \(known) of the \(measured.queryIds.count) measured queries of dev, so that "
                        + "staying would look better than it is; measure test, or allow it with --allow-leak")
            }
        }
        let asked = collection.queries(judgedIn: measured)
        let others = collection.queries.filter {
            measured[$0.id] == nil && (learned?.train[$0.id] != nil || fitted[$0.id] != nil)
        }
        (all, measuredCount) = (asked + others, asked.count)
        (self.measured, train, dev) = (measured, learned?.train ?? Qrels(), fitted)
        self.splits = splits
    }
}

/// The vectors that a migration works with. All rows have unit length.
struct MigrationVectors {
    /// The old black box's, of all queries and all documents.
    let old: (queries: Matrix, documents: Matrix)
    /// The new black box's, of all queries.
    let newQueries: Matrix
    /// The documents whose new vectors are at hand, ascending.
    let bought: [Int]
    /// Their vectors, `(bought.count, dimension)`.
    let newDocuments: Matrix
    /// The documents of the sample, ascending. Maps are fitted to these alone, because a bridge would buy no others.
    let sample: [Int]

    /// The new vectors of all documents; nil if some were not bought.
    var allNew: Matrix? { bought.count == old.documents.rows ? newDocuments : nil }

    /// The new vectors of the sample.
    var sampled: Matrix {
        let rows = Dictionary(uniqueKeysWithValues: bought.enumerated().map { ($1, $0) })
        return newDocuments.selecting(rows: sample.compactMap { rows[$0] })
    }

    /// A matrix with some rows replaced.
    static func replacing(_ rows: some Sequence<Int>, of matrix: Matrix, by other: Matrix) -> Matrix {
        var result = matrix
        let columns = matrix.columns
        for (place, row) in rows.enumerated() {
            result.values.replaceSubrange(row * columns..<(row + 1) * columns, with: other.row(place))
        }
        return result
    }
}
