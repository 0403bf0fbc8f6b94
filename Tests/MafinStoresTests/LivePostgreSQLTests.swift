import Foundation
import MafinBlackBox
import MafinMethod
import MafinNumerics
import MafinPostgreSQL
import MafinTestSupport
import Testing

@testable import MafinPipeline
@testable import MafinStores

/// Against a real server with pgvector: `Scripts/test-stores.sh` starts one and names it in `MAFIN_TEST_POSTGRESQL`
/// (`postgresql://USER@HOST:PORT/DATABASE`).
@Suite(.enabled(if: LiveServers.postgreSQL != nil, "MAFIN_TEST_POSTGRESQL names no server"))
struct LivePostgreSQLTests {
    private func address(_ more: String = "") throws -> PostgreSQLTable {
        let table = "t\(UUID().uuidString.replacingOccurrences(of: "-", with: "").lowercased().prefix(12))"
        return try PostgreSQLTable(parsing: "\(LiveServers.postgreSQL ?? "")?table=\(table)\(more)")
    }

    private func sql(_ address: PostgreSQLTable, _ statement: String) async throws -> [[String?]] {
        try await address.client().run { try $0.texts(statement, what: "a test") }
    }

    /// Another test may install it at the same moment, which PostgreSQL refuses.
    private func installExtension(_ address: PostgreSQLTable) async throws {
        _ = try? await sql(address, "CREATE EXTENSION IF NOT EXISTS vector")
        #expect(try await sql(address, "SELECT 1 FROM pg_extension WHERE extname = 'vector'").count == 1)
    }

    private func search(_ client: PostgreSQLClient, _ statement: String) async throws -> [(
        id: String, score: Float
    )] {
        try await client.run { try $0.texts(statement, what: "a search") }.map { row in
            (row[0] ?? "", (row.count > 1 ? row[1] : nil).flatMap(Float.init) ?? .nan)
        }
    }

    private func export(
        _ world: LiveWorld, _ store: PgvectorStore, leavingOut: Set<String> = []
    ) async throws -> [String] {
        var notes = try await store.prepare(world.schema)
        for start in stride(from: 0, to: world.ids.count, by: 700) {
            try await store.write(
                try world.batch(start..<min(start + 700, world.ids.count), leavingOut: leavingOut))
        }
        notes += try await store.finish()
        return notes
    }

    /// The statement that `--show-query` prints ranks as our own exact search does.
    @Test(arguments: [(96, 32), (2304, 32)]) func theBest100AreOurs(_ blackBox: Int, _ local: Int) async throws {
        let world = LiveWorld(documents: blackBox > 2000 ? 800 : 4000, dimensions: (blackBox, local))
        let address = try address()
        let store = PgvectorStore(address)
        #expect(try await export(world, store) == [])
        let client = address.client()
        let expected = try world.rankings(count: 100)
        let exact = PgvectorStore.query(address, world.schema, options: .init(), candidates: nil)
        let fast = PgvectorStore.query(address, world.schema, options: .init(), candidates: 200)
        _ = try await search(client, "SET enable_seqscan = off")
        _ = try await search(client, "SET hnsw.ef_search = 200")
        var found = 0
        for query in 0..<world.queries.count {
            let vectors = try world.vectors(of: query)
            let ranking = try await search(client, exact.text(world.terms, count: 100, vectors: vectors))
            expectEqualRankings(ranking, expected[query])
            let approximate = try await search(client, fast.text(world.terms, count: 100, vectors: vectors))
            found += Set(approximate.map(\.id)).intersection(expected[query].map(\.id)).count
        }
        let recall = Double(found) / Double(100 * world.queries.count)
        print("recall@100 of HNSW with 200 candidates a source, \(world.ids.count) × \(blackBox): \(recall)")
        #expect(recall > 0.9)
        let indexes = try await sql(
            address, "SELECT indexdef FROM pg_indexes WHERE tablename = '\(address.table)' ORDER BY 1")
        #expect(indexes.filter { $0[0]?.contains("hnsw") == true }.count == 3)
        #expect(indexes.contains { $0[0]?.contains("halfvec(2304)") == true } == (blackBox > 2000))
        // The planner uses the index for what the statement orders by.
        let plan = try await search(
            client,
            "EXPLAIN SELECT id FROM \(address.table) ORDER BY "
                + PgvectorColumn(world.schema.parts[0], isHalf: false).order(
                    "'[\(Array(repeating: "0.1", count: blackBox).joined(separator: ","))]'")
                + " LIMIT 10")
        #expect(plan.contains { $0.id.contains("Index Scan") }, "\(plan)")
    }

    @Test func sixteenBitsAreEnoughForTheBestTen() async throws {
        let world = LiveWorld(documents: 500)
        let address = try address()
        let options = PgvectorStore.Options(isHalf: true)
        _ = try await export(world, PgvectorStore(address, options: options))
        let client = address.client()
        let query = PgvectorStore.query(address, world.schema, options: options, candidates: nil)
        let expected = try world.rankings(count: 10)
        for place in 0..<5 {
            let found = try await search(
                client, query.text(world.terms, count: 10, vectors: try world.vectors(of: place)))
            expectEqualRankings(found, expected[place], tolerance: 2e-3)
        }
    }

    @Test func whatIsThereIsSkippedAndWhatChangedIsReplaced() async throws {
        let world = LiveWorld(documents: 60)
        let address = try address()
        let store = PgvectorStore(address)
        _ = try await store.prepare(world.schema)
        try await store.write(try world.batch(0..<40))
        let again = PgvectorStore(address)
        _ = try await again.prepare(world.schema)
        let known = try await again.storedHashes(of: world.ids)
        #expect(known == Dictionary(uniqueKeysWithValues: world.ids[..<40].map { ($0, "1-\($0)") }))
        try await again.write(try world.batch(30..<60, version: "2"))
        let rows = try await sql(address, "SELECT id, mafin_hash FROM \(address.table)")
        #expect(rows.count == 60)
        #expect(rows.count { $0[1]?.hasPrefix("2-") == true } == 30)
        // A batch that is refused leaves nothing behind.
        var batch = try world.batch(0..<3, version: "3")
        batch.dense[0].values[1] = .nan
        let broken = batch
        await #expect(throws: StoreError.self) { try await again.write(broken) }
        #expect(try await sql(address, "SELECT 1 FROM \(address.table) WHERE mafin_hash LIKE '3-%'").isEmpty)
        try await again.write(try world.batch(0..<3, version: "4"))
        #expect(try await sql(address, "SELECT 1 FROM \(address.table) WHERE mafin_hash LIKE '4-%'").count == 3)
    }

    /// The user's own table: ids are numbers, a column must not be empty, and the vectors of the API are there, not of unit length.
    @Test func aColumnOfTheUsersOwnIsOnlyRead() async throws {
        let world = LiveWorld(documents: 300)
        let address = try address("&id=key")
        let table = address.table
        try await installExtension(address)
        _ = try await sql(
            address, "CREATE TABLE \(table) (key bigint PRIMARY KEY, owner text NOT NULL, embedding vector(96))")
        let rows = (0..<300).map { row in
            let vector = world.documents.blackBox?.row(row).map { "\(3 * $0)" }.joined(separator: ",") ?? ""
            return "(\(row), 'ann', '[\(vector)]')"
        }
        _ = try await sql(address, "INSERT INTO \(table) VALUES \(rows.joined(separator: ","))")
        let before = try await sql(
            address, "SELECT md5(string_agg(owner || embedding::text, ',' ORDER BY key)) FROM \(table)")

        let options = PgvectorStore.Options(foreignColumns: ["black-box": "embedding"])
        let store = PgvectorStore(address, options: options)
        _ = try await store.prepare(world.schema)
        var batch = try world.batch(0..<300, leavingOut: ["black-box"])
        batch.ids = (0..<300).map { "\($0 < 298 ? $0 : $0 + 1000)" }
        try await store.write(batch)
        let notes = try await store.finish()
        #expect(notes.count == 1 && notes[0].hasPrefix("2 texts have no row in \(table)"), "\(notes)")
        batch.ids = (0..<300).map { "\($0)" }
        try await store.write(batch)
        #expect(try await store.storedHashes(of: ["0", "299", "400"]).keys.sorted() == ["0", "299"])
        let after = try await sql(
            address, "SELECT md5(string_agg(owner || embedding::text, ',' ORDER BY key)) FROM \(table)")
        #expect(before == after)

        let client = address.client()
        let query = PgvectorStore.query(address, world.schema, options: options, candidates: nil)
        let expected = try world.rankings(count: 100)
        for place in 0..<5 {
            let found = try await search(
                client, query.text(world.terms, count: 100, vectors: try world.vectors(of: place)))
            expectEqualRankings(found.map { (world.ids[Int($0.id) ?? 0], $0.score) }, expected[place])
        }
        let wrong = PgvectorStore(address, options: .init(foreignColumns: ["black-box": "owner"]))
        await #expect(throws: StoreError.self) { try await wrong.prepare(world.schema) }
        let unnamed = PgvectorStore(address)
        await #expect(throws: StoreError.self) { try await unnamed.prepare(world.schema) }
    }

    /// A later export that forgets the flag must not add rows to a table whose ids are texts too.
    @Test func aTableOfTheUsersOwnStaysOne() async throws {
        let world = LiveWorld(documents: 20)
        let address = try address()
        let table = address.table
        try await installExtension(address)
        _ = try await sql(address, "CREATE TABLE \(table) (id text PRIMARY KEY, embedding vector(96))")
        _ = try await sql(address, "INSERT INTO \(table) (id) VALUES ('d1')")
        let own = PgvectorStore(address, options: .init(foreignColumns: ["black-box": "embedding"]))
        _ = try await own.prepare(world.schema)
        try await own.write(try world.batch(0..<20, leavingOut: ["black-box"]))
        let forgotten = PgvectorStore(address)
        let error = await #expect(throws: StoreError.self) { try await forgotten.prepare(world.schema) }
        #expect(error?.description.contains("--column black-box=COLUMN") == true, "\(String(describing: error))")
        #expect(try await sql(address, "SELECT id, mafin_hash FROM \(table)") == [["d1", "1-d1"]])
    }

    @Test(arguments: ["vector(96)", "halfvec(96)", "real[]"]) func vectorsAreTakenBack(_ type: String) async throws {
        let world = LiveWorld(documents: 50)
        let address = try address("&vector=e")
        try await installExtension(address)
        _ = try await sql(address, "CREATE TABLE \(address.table) (id text, e \(type))")
        let rows = (0..<50).map { row in
            let vector = world.documents.blackBox?.row(row).map(\.description).joined(separator: ",") ?? ""
            return "('\(row)', '\(type == "real[]" ? "{\(vector)}" : "[\(vector)]")')"
        }
        _ = try await sql(address, "INSERT INTO \(address.table) VALUES \(rows.joined(separator: ",")), ('none', NULL)")
        try await TemporaryFolder.with { folder in
            let file = folder.url.appendingPathComponent("corpus.npy")
            let taken = try await VectorImport(
                parsing: "\(LiveServers.postgreSQL ?? "")?table=\(address.table)&vector=e"
            ).write(
                to: file)
            #expect(taken.vectors == 50 && taken.dimension == 96 && taken.withoutVector == 1)
            let stored = try StoredVectors(contentsOf: file)
            let ids = (0..<50).map { "\($0)" }
            let found = try await stored.embed(ids.map { EmbeddingItem(id: $0, text: "") }, as: .document)
            let tolerance: Float = type.hasPrefix("half") ? 1e-3 : 0
            for (one, other) in zip(found.values, world.documents.blackBox?.values ?? []) {
                #expect(abs(one - other) <= tolerance)
            }
        }
    }

    @Test func longTextsAreNotIndexedAndSaySo() async throws {
        let address = try address()
        let schema = StoreSchema(parts: [StorePart(name: "bm25", face: .sparse, dimension: 5000)])
        let store = PgvectorStore(address)
        _ = try await store.prepare(schema)
        let terms = (0..<1200).map { SparseTerm(index: $0, term: "t\($0)", weight: 1) }
        try await store.write(StoreBatch(ids: ["long"], hashes: ["h"], dense: [], sparse: [[terms]]))
        let notes = try await store.finish()
        #expect(notes.count == 1 && notes[0].contains("more than 1000 terms"), "\(notes)")
    }

    @Test func aServerThatIsNotThereIsNamed() async throws {
        let address = try PostgreSQLTable(parsing: "postgresql://ann@127.0.0.1:1/x?table=t")
        let store = PgvectorStore(address)
        let error = await #expect(throws: StoreError.self) { try await store.prepare(Fixture.schema) }
        #expect(
            error?.description.hasPrefix("postgresql://ann@127.0.0.1:1/x, table t:") == true,
            "\(String(describing: error))")
    }
}
