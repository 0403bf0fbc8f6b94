import Foundation
import MafinPostgreSQL
import Testing

@testable import MafinPipeline
@testable import MafinStores

@Suite struct TargetTests {
    @Test func targetsAreRead() throws {
        let table = try StoreTarget(
            parsing: "postgresql://ann@db.example:6543/app?table=public.docs&sslmode=require&id=key")
        guard case .table(let address) = table.place else { return #expect(Bool(false)) }
        #expect(address.database.connection == "postgresql://ann@db.example:6543/app?sslmode=require")
        #expect(address.table == "public.docs" && address.idColumn == "key" && address.vectorColumn == nil)
        #expect(
            try StoreTarget(parsing: "qdrant:http://localhost:6333/docs").place
                == .server(url: "http://localhost:6333", collection: "docs"))
        #expect(
            try StoreTarget(parsing: "elasticsearch:https://es.example/prefix/docs").place
                == .server(url: "https://es.example/prefix", collection: "docs"))
        guard case .path(let url) = try StoreTarget(parsing: "parquet:out/docs").place else {
            return #expect(Bool(false))
        }
        #expect(url.lastPathComponent == "docs")
    }

    @Test(arguments: [
        ("docs", "no store"), ("oracle:x", "no store"), ("parquet:", "nothing follows"),
        ("redis:http://h/i", "is written as files"),
        ("chroma:folder", "needs the address of a server"),
        ("qdrant:http://localhost:6333", "name of a collection is missing"),
        ("postgresql://h/db", "the table is missing"),
    ]) func wrongTargetsAreRefused(_ text: String, _ reason: String) {
        let error = #expect(throws: StoreError.self) { try StoreTarget(parsing: text) }
        #expect(error?.description.contains(reason) == true, "\(String(describing: error))")
    }

    @Test(arguments: [
        "postgresql://h/db?passwd=s3cret", "postgresql://ann:s3cret?x@h/db?table=t", "redis:http://u:s3/cret@h/i",
        "qdrant:https://h/c?api_key=s3cret", "weaviate:https://h?a=1&token=s3cret",
    ])
    func wrongAddressesAreShownWithoutSecrets(_ text: String) {
        for read in [{ _ = try StoreTarget(parsing: text) }, { _ = try VectorImport(parsing: text) }] {
            let error = #expect(throws: StoreError.self) { try read() }
            #expect(error?.description.contains("cret") == false, "\(String(describing: error))")
        }
    }

    /// A password in an address would be in the lists of processes and in the shell's history.
    @Test(arguments: [
        "postgresql://ann:s3cret@h/db?table=t", "postgres://h/db?table=t&password=s3cret",
        "qdrant:http://u:s3cret@h:1/c",
    ]) func passwordsAreRefusedAndNotShown(_ text: String) {
        let error = #expect(throws: StoreError.self) { try StoreTarget(parsing: text) }
        guard case .passwordInAddress? = error else { return #expect(Bool(false), "\(String(describing: error))") }
        #expect(error?.description.contains("s3cret") == false)
    }

    @Test func importsAreRead() throws {
        let source = try VectorImport(parsing: "postgresql://h/db?table=t&vector=e&query_table=q")
        #expect(source.queries?.shown == "postgresql://h/db, table q")
        #expect(
            try VectorImport(parsing: "qdrant:http://h:1/c?vector=text").source
                == .qdrant(url: "http://h:1", collection: "c", vector: "text"))
        for wrong in ["postgresql://h/db?table=t", "milvus:http://h/c", "file.parquet?column=x", "weaviate:http://h/C"]
        {
            #expect(throws: StoreError.self) { try VectorImport(parsing: wrong) }
        }
    }

    private func plan(_ kind: String, _ dimension: Int, wantsIndex: Bool = true) throws -> ExportPlan {
        let parts = [StorePart(name: "black-box", face: .dense, dimension: dimension)] + Fixture.parts[1...]
        return try ExportPlan(
            StoreTarget(parsing: kind), parts: parts, others: ["query-memory"], texts: 1000, wantsIndex: wantsIndex)
    }

    @Test func plansNameTypesAndIndexes() throws {
        let table = "postgresql://h/db?table=t"
        #expect(try plan(table, 2000).parts.map(\.type) == ["vector(2000)", "vector(2)", "sparsevec(32)"])
        #expect(try plan(table, 2000).parts[0].index == "HNSW")
        #expect(try plan(table, 2001).parts[0].index == "HNSW of halfvec(2001)")
        #expect(try plan(table, 4096, wantsIndex: false).parts[0].index == nil)
        #expect(try plan(table, 2000).leftOut == ["query-memory"])
        let joined = try plan("chroma:http://h:1/docs", 1536)
        #expect(joined.parts.map(\.name) == ["joined"] && joined.parts[0].dimension == 1538)
        #expect(joined.leftOut == ["query-memory", "bm25"] && joined.bytes == 1000 * 1538 * 4)
    }

    /// A flag that a store would not follow is refused.
    @Test(arguments: [
        "chroma:http://h/c", "qdrant:folder", "opensearch:http://h/i", "milvus:m", "weaviate:W", "redis:r",
    ])
    func storesThatAlwaysIndexRefuseToHaveNone(_ target: String) throws {
        var stores = Stores()
        stores.wantsIndex = false
        let error = #expect(throws: StoreError.self) { try stores.require(fitting: StoreTarget(parsing: target)) }
        #expect(error?.description.contains("--no-index is for") == true, "\(String(describing: error))")
        for fine in ["postgresql://h/db?table=t", "elasticsearch:http://h/i", "npy:folder"] {
            try stores.require(fitting: StoreTarget(parsing: fine))
        }
    }

    @Test func vectorsThatDoNotFitAreRefusedBeforeAnythingIsPaid() {
        for (store, dimension, words) in [
            (
                "postgresql://h/db?table=t", 4001,
                ["4001 numbers", "at most 4000", "--index-dimensions 2000", "--no-index"]
            ),
            ("postgresql://h/db?table=t", 16_001, ["16001 numbers", "mafin reduce"]),
            ("elasticsearch:http://h/i", 4097, ["at most 4096", "as its documentation says"]),
        ] {
            let error = #expect(throws: StoreError.self) { try plan(store, dimension) }
            for word in words { #expect(error?.description.contains(word) == true, "\(String(describing: error))") }
        }
        #expect(throws: StoreError.self) { try plan("postgresql://h/db?table=t", 16_001, wantsIndex: false) }
    }

    @Test func statementsCastWhereTheIndexNeedsIt() throws {
        let address = try PostgreSQLTable(parsing: "postgresql://h/db?table=my.docs")
        var schema = Fixture.schema
        schema.parts[0].dimension = 3072
        let exact = PgvectorStore.query(address, schema, options: .init(), candidates: nil).text(
            Fixture.terms, count: 5, vectors: nil)
        #expect(
            exact.contains("0.625 * -(\"black-box\" <#> $1::vector(3072))") && exact.contains("FROM \"my\".\"docs\"\n"))
        let fast = PgvectorStore.query(address, schema, options: .init(), candidates: 50).text(
            Fixture.terms, count: 5, vectors: nil)
        #expect(fast.contains("ORDER BY (\"black-box\"::halfvec(3072)) <#> $1::halfvec(3072) LIMIT 50"))
        let statement = PgvectorColumn(schema.parts[0], isHalf: false).indexStatement(on: "my.docs", options: .init())
        #expect(statement?.contains("((\"black-box\"::halfvec(3072)) halfvec_ip_ops)") == true)
        // PostgreSQL would cut both names to the same 63 bytes, and make one index.
        let long = schema.parts.prefix(2).map {
            PgvectorColumn($0, isHalf: false).indexStatement(on: String(repeating: "t", count: 63), options: .init())
                ?? ""
        }
        let names = long.compactMap { $0.split(separator: "\"").dropFirst().first }
        #expect(names.count == 2 && names[0] != names[1] && names.allSatisfy { $0.utf8.count <= 63 }, "\(names)")
        let foreign = PgvectorStore.query(
            address, schema, options: .init(foreignColumns: ["black-box": "embedding"]), candidates: nil
        ).text(Fixture.terms, count: 5, vectors: Fixture.query)
        #expect(foreign.contains("(1 - (\"embedding\" <=> '[1.0,0.5,0.25]'::vector(3072)))"))
        #expect(foreign.contains("'{4:1.5,6:2.0}/32'::sparsevec(32)"))
    }
}
