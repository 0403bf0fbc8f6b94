import MafinNumerics

/// The one vector of a query for stores that hold one vector of a text: the query's vectors side by side, each times its weight.
struct JoinedQuery {
    /// The vector, or a place for it.
    let node: JSONNode
    /// What the vector is, for people.
    let comment: String

    /// - Parameter schema: of the artefact, with all its dense parts.
    init(_ terms: [StoreTerm], _ vectors: StoreQueryVectors?, _ schema: StoreSchema) {
        let pieces = schema.dense.map { part in
            let own = terms.filter { $0.part == part.name }
            return own.isEmpty
                ? "\(part.dimension) zeros" : own.map { "\($0.weight) * \($0.source)" }.joined(separator: " + ")
        }
        comment = "The query's vector is [\(pieces.joined(separator: " ; "))]."
        guard let vectors else {
            node = "QUERY_VECTOR"
            return
        }
        var joined: [Float] = []
        for part in schema.dense {
            var sum = [Float](repeating: 0, count: part.dimension)
            for term in terms where term.part == part.name {
                for (column, value) in (vectors.dense[term.source] ?? []).enumerated() {
                    sum[column] += term.weight * value
                }
            }
            joined += sum
        }
        node = .floats(joined[...])
    }
}
