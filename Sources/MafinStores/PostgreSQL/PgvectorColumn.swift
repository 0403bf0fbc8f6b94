import MafinNumerics
import MafinPipeline
import MafinPostgreSQL

/// How pgvector holds and indexes one set of vectors.
struct PgvectorColumn: Equatable {
    /// The set.
    let part: StorePart
    /// The column of the table. A column of the user's own is only read.
    let column: String
    /// Whether the column is the user's own.
    let isForeign: Bool
    /// Its type in PostgreSQL.
    let type: String
    /// Whether dense vectors are 16-bit floats.
    let isHalf: Bool

    /// The most numbers of a `vector` in an index.
    static let vectorLimit = 2000
    /// The most numbers of a `halfvec` in an index.
    static let halfLimit = 4000
    /// The most terms of a `sparsevec` in an index.
    static let termLimit = 1000

    /// - Parameters:
    ///   - foreign: the user's own column that holds the vectors; nil: one of ours.
    ///   - type: of the user's own column.
    init(_ part: StorePart, isHalf: Bool, foreign: String? = nil, type: String? = nil) {
        self.part = part
        column = foreign ?? part.name
        isForeign = foreign != nil
        self.isHalf = type.map { $0.hasPrefix("halfvec") } ?? isHalf
        self.type =
            switch part.face {
            case .sparse: "sparsevec(\(part.dimension))"
            default: type ?? (isHalf ? "halfvec(\(part.dimension))" : "vector(\(part.dimension))")
            }
    }

    private var name: String { PostgreSQLText.identifier(column) }

    /// Vectors beyond the limit of `vector` are indexed with 16 bits, whatever the column holds.
    private var needsCast: Bool { part.face == .dense && !isHalf && part.dimension > Self.vectorLimit }

    /// What the index is over, and what a query must order by to use it.
    private var indexed: String { needsCast ? "(\(name)::halfvec(\(part.dimension)))" : name }

    /// The index for people.
    var indexName: String? {
        switch part.face {
        case .sparse: "HNSW (if no text has more than \(Self.termLimit) terms)"
        default: part.dimension > Self.halfLimit ? nil : needsCast ? "HNSW of halfvec(\(part.dimension))" : "HNSW"
        }
    }

    /// The statement that makes the index; nil if the vectors do not fit one.
    /// - Parameter table: without its schema, for the index's name.
    func indexStatement(on table: String, options: PgvectorIndexOptions) -> String? {
        guard indexName != nil, !isForeign else { return nil }
        let kind = part.face == .sparse ? "sparsevec" : needsCast || isHalf ? "halfvec" : "vector"
        let bare = table.split(separator: ".").last.map(String.init) ?? table
        return """
            CREATE INDEX IF NOT EXISTS \(PostgreSQLText.identifier(Self.nameOfIndex("\(bare)_\(column)_hnsw"))) ON \(PostgreSQLText.identifier(table: table)) \
            USING hnsw (\(needsCast ? indexed : name) \(kind)_ip_ops) WITH (m = \(options.connections), ef_construction = \(options.candidates))
            """
    }

    /// PostgreSQL cuts names to 63 bytes. Two names must not become one: then the second index would not be made.
    private static func nameOfIndex(_ name: String) -> String {
        name.utf8.count <= 63 ? name : "mafin_\(ContentHash.sha256(of: name).prefix(32))_hnsw"
    }

    /// The product of a query's vector and the column. A user's own column may hold vectors of any length, so there it is the cosine.
    /// - Parameter vector: the query's vector as PostgreSQL writes it: `$1`, or a literal.
    func score(_ vector: String) -> String {
        isForeign ? "(1 - (\(name) <=> \(vector)::\(type)))" : "-(\(name) <#> \(vector)::\(type))"
    }

    /// What a query orders by to find candidates through the index.
    func order(_ vector: String) -> String {
        let (operation, cast) = (isForeign ? "<=>" : "<#>", needsCast ? "halfvec(\(part.dimension))" : type)
        return "\(indexed) \(operation) \(vector)::\(cast)"
    }
}

/// How pgvector's HNSW index is built.
public struct PgvectorIndexOptions: Sendable, Equatable {
    /// `m`: connections of a node.
    public var connections: Int
    /// `ef_construction`: candidates while it is built.
    public var candidates: Int

    /// pgvector's own defaults.
    public init(connections: Int = 16, candidates: Int = 64) {
        (self.connections, self.candidates) = (connections, candidates)
    }
}
