import Foundation
import MafinNumerics
import Testing

@testable import MafinStores

/// The bodies of requests, against those of the official clients.
@Suite struct RequestTests {
    private let batch = Fixture.batch
    private let schema = Fixture.schema

    @Test func qdrantTakesCollectionsAndPoints() throws {
        #expect(
            try ComparedJSON(QdrantBodies.collection(schema, isHalf: false))
                == ComparedJSON(Fixture.golden("qdrant", "collection")))
        let points: JSONNode = ["points": .list((0..<2).map { QdrantBodies.point(batch, $0, schema) })]
        #expect(try ComparedJSON(points) == ComparedJSON(Fixture.golden("qdrant", "points")))
    }

    @Test func qdrantTakesAdditions() throws {
        var own = schema
        own.parts.removeFirst()
        var batch = StoreBatch(
            ids: ["7", "cbca1785-765f-58e2-88eb-d1725e16827a"], hashes: batch.hashes, dense: [batch.dense[1]],
            sparse: batch.sparse)
        #expect(
            try ComparedJSON(QdrantBodies.additions(batch, 0..<2, own))
                == ComparedJSON(Fixture.golden("qdrant", "additions")))
        // Qdrant's numbers have 64 bits without a sign.
        batch.ids[0] = "\(UInt64.max)"
        let golden = try Fixture.golden("qdrant", "largestNumber")
        let large = try JSONValue(parsing: QdrantBodies.additions(batch, 0..<1, own).bytes)
        #expect(ComparedJSON(large) == ComparedJSON(golden))
        // As texts, because floats of 64 bits do not tell such numbers apart.
        func ids(_ body: JSONValue) -> [String?] {
            let operations = body["operations"]?.elements
            return [
                operations?.first?["update_vectors"]?["points"]?.elements?.first?["id"]?.identifier,
                operations?.last?["set_payload"]?["points"]?.elements?.first?.identifier,
            ]
        }
        #expect(ids(large) == ids(golden) && ids(golden) == ["18446744073709551615", "18446744073709551615"])
        let (local, terms) = (schema.parts[1], schema.parts[2])
        #expect(
            try ComparedJSON(QdrantBodies.name(of: local, isHalf: true))
                == ComparedJSON(Fixture.golden("qdrant", "name")))
        #expect(
            try ComparedJSON(QdrantBodies.name(of: terms, isHalf: true))
                == ComparedJSON(Fixture.golden("qdrant", "sparseName")))
    }

    /// Each of these would be refused by the server, or be the point of another text.
    @Test(arguments: ["18446744073709551616", "-1", "+7", "007", "7.0", "", "d1", "cbca1785765f58e288ebd1725e16827"])
    func qdrantsOwnPointsHaveNumbersOrUUIDs(_ id: String) {
        let error = #expect(throws: StoreError.self) { try QdrantBodies.foreignID(id) }
        guard case .unwritable("Qdrant", id, _)? = error else {
            return #expect(Bool(false), "\(String(describing: error))")
        }
    }

    @Test func qdrantTakesQueriesAndPages() throws {
        let search = QdrantBodies.search(Fixture.terms, count: 10, candidates: 50, vectors: Fixture.query)
        #expect(try ComparedJSON(search) == ComparedJSON(Fixture.golden("qdrant", "search")))
        let scroll = QdrantReader.scroll(vector: "local", offset: .text("cbca1785-765f-58e2-88eb-d1725e16827a"))
        #expect(try ComparedJSON(scroll) == ComparedJSON(Fixture.golden("qdrant", "scroll")))
    }

    private func lines(_ kind: StoreKind) throws -> [ComparedJSON] {
        try (0..<2).flatMap { ElasticsearchBodies.lines(batch, $0, schema, index: "docs") }.map { try ComparedJSON($0) }
    }

    @Test func elasticsearchTakesBulks() throws {
        let golden = try #require(Fixture.golden("elasticsearch").text)
        let expected = try golden.split(separator: "\n").map { ComparedJSON(try JSONValue(parsing: Array($0.utf8))) }
        #expect(try lines(.elasticsearch) == expected)
        let other = try #require(Fixture.golden("opensearch").elements)
        #expect(try lines(.opensearch) == other.map(ComparedJSON.init))
    }

    @Test func weaviateTakesClasses() throws {
        let own = try JSONValue(parsing: WeaviateBodies.collection("Docs", schema).bytes)
        let golden = try Fixture.golden("weaviate")
        for key in ["class", "vectorConfig"] {
            #expect(try ComparedJSON(#require(own[key])) == ComparedJSON(#require(golden[key])), "\(key)")
        }
        let (mine, theirs) = (try #require(own["properties"]?.elements), try #require(golden["properties"]?.elements))
        #expect(mine.count == theirs.count)
        for (mine, theirs) in zip(mine, theirs) {
            for key in ["name", "dataType", "tokenization"] {
                #expect(mine[key].map(ComparedJSON.init) == theirs[key].map(ComparedJSON.init))
            }
        }
    }

    /// Two sources that rank by the same document vectors, as a map of queries beside the black box: one vector, not one key twice.
    @Test func weaviateTakesOneVectorOfATarget() {
        let terms = [
            StoreTerm(source: "black-box", part: "black-box", weight: 0.5),
            StoreTerm(source: "local", part: "local", weight: 0.25),
            StoreTerm(source: "mapped", part: "black-box", weight: 2),
        ]
        let vectors = StoreQueryVectors(dense: ["black-box": [1, 0, 4], "local": [3, 5], "mapped": [1, -1, 0.5]])
        let text = WeaviateBodies.search(terms, collection: "Docs", count: 7, vectors: vectors)
        #expect(text.contains("vectorPerTarget: {black_box: [2.5,-2.0,3.0], local: [3.0,5.0]}"), "\(text)")
        #expect(text.contains("targetVectors: [\"black_box\",\"local\"]"), "\(text)")
        #expect(text.contains("weights: {black_box: 1.0, local: 0.25}"), "\(text)")
        let places = WeaviateBodies.search(terms, collection: "Docs", count: 7, vectors: nil)
        #expect(
            places.contains("black_box: [0.5 * QUERY_VECTOR_OF_black_box + 2.0 * QUERY_VECTOR_OF_mapped]"), "\(places)")
    }

    @Test func redisTakesCommands() throws {
        let golden = try #require(Fixture.golden("redis").text)
        var bytes = RedisBodies.command(
            RedisBodies.index("docs", Fixture.joinedSchema, isHalf: false).map { Array($0.utf8) })
        for row in 0..<2 { bytes += RedisBodies.write(Fixture.joined, row, Fixture.joinedSchema, isHalf: false) }
        #expect(Data(bytes) == Data(base64Encoded: golden))
    }

    @Test func pgvectorTakesBinaryValues() throws {
        func field(_ name: String) throws -> [UInt8] {
            let text = try #require(Fixture.golden("pgvector", name).text)
            let digits = Array(text)
            let bytes = stride(from: 0, to: digits.count, by: 2).compactMap {
                UInt8(String(digits[$0...$0 + 1]), radix: 16)
            }
            // A field's length, and the field.
            return withUnsafeBytes(of: Int32(bytes.count).bigEndian) { Array($0) } + bytes
        }
        let head = Array("PGCOPY\n".utf8) + [0xff, 0x0d, 0x0a, 0] + [UInt8](repeating: 0, count: 8)
        var rows = CopyRows()
        rows.begin(fields: 3)
        rows.vector(batch.dense[0].row(0))
        rows.halfVector(batch.dense[0].row(0))
        rows.sparseVector(batch.sparse[0][0], dimension: 32)
        rows.end()
        #expect(
            try rows.bytes == head + [0, 3] + field("vector") + field("halfvec") + field("sparsevec") + [0xff, 0xff])
    }
}
