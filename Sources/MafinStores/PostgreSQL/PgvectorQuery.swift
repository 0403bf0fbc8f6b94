import MafinPipeline
import MafinPostgreSQL

/// The search of an exported table as one SQL statement, with the weights in it.
struct PgvectorQuery: StoreQuery {
    let table: String
    let idColumn: String
    let columns: [PgvectorColumn]
    /// How many candidates each source finds through its index; nil: every row is scored, which is exact.
    let candidates: Int?

    func text(_ terms: [StoreTerm], count: Int, vectors: StoreQueryVectors?) -> String {
        let id = PostgreSQLText.identifier(idColumn)
        let name = PostgreSQLText.identifier(table: table)
        let used = terms.enumerated().compactMap { place, term -> Term? in
            guard let column = columns.first(where: { $0.part.name == term.part }) else { return nil }
            return Term(
                source: term.source, weight: term.weight, column: column,
                vector: Self.vector(term, column.part, vectors) ?? "$\(place + 1)")
        }
        let score = used.map { "\($0.weight) * \($0.column.score($0.vector))" }.joined(separator: "\n     + ")
        var lines = used.filter { $0.vector.hasPrefix("$") }.map { term in
            let kind = term.column.part.face == .sparse ? "terms" : "vector"
            return "-- \(term.vector): the query's \(kind) by '\(term.source)', \(term.column.type)"
        }
        if let candidates {
            lines += [
                "-- Each index finds \(candidates) candidates; the sum ranks them. First, once in the session:",
                "-- SET hnsw.ef_search = \(min(1000, candidates)); SET hnsw.iterative_scan = 'relaxed_order';",
                "WITH candidates AS (",
                used.map { "  (SELECT \(id) FROM \(name) ORDER BY \($0.column.order($0.vector)) LIMIT \(candidates))" }
                    .joined(separator: "\n  UNION\n"),
                ")",
            ]
        }
        lines += [
            "SELECT \(id), \(score) AS score",
            "FROM \(name)" + (candidates == nil ? "" : " JOIN candidates USING (\(id))"),
            "ORDER BY score DESC, \(id)",
            "LIMIT \(count);",
        ]
        return lines.joined(separator: "\n")
    }

    private struct Term {
        var source: String
        var weight: Float
        var column: PgvectorColumn
        var vector: String
    }

    private static func vector(_ term: StoreTerm, _ part: StorePart, _ vectors: StoreQueryVectors?) -> String? {
        if let dense = vectors?.dense[term.source] {
            return "'[\(dense.map(\.description).joined(separator: ","))]'"
        }
        // pgvector counts places from 1.
        return vectors?.sparse[term.source].map { terms in
            "'{\(terms.map { "\($0.index + 1):\($0.weight)" }.joined(separator: ","))}/\(part.dimension)'"
        }
    }
}
