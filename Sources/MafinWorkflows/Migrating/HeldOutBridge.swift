import MafinMethod
import MafinNumerics
import MafinPipeline

/// A bridge whose map has seen labelled queries, with other maps for these queries that have not: weights that are fitted
/// to their labels, and figures on them, are then those of queries that the map does not know.
struct HeldOutBridge: DenseSource {
    let base: BridgedDocuments
    /// Ids of queries, and the map that was fitted without them.
    let maps: [(ids: Set<String>, map: VectorMap)]

    var name: SourceName { base.name }
    var dimension: Int { base.dimension }
    var documentVectors: SourceName { base.documentVectors }
    var queryInputs: SourceInputs { base.queryInputs.union(.identifier) }
    var documentInputs: SourceInputs { base.documentInputs }
    var record: SourceRecord { base.record }

    func vectors(of queries: SourceQueries) -> Matrix {
        var result = base.vectors(of: queries)
        guard let vectors = queries.blackBox else { return result }
        for (ids, map) in maps {
            let rows = queries.ids.indices.filter { ids.contains(queries.ids[$0]) }
            if rows.isEmpty { continue }
            result = MigrationVectors.replacing(rows, of: result, by: map(vectors.selecting(rows: rows)))
        }
        return result
    }

    func vectors(of documents: SourceDocuments) -> Matrix { base.vectors(of: documents) }
}
