import Foundation
import Testing

@testable import MafinPostgreSQL

private let liveAddress = ProcessInfo.processInfo.environment["MAFIN_TEST_POSTGRESQL"]

/// Against a real server: `Scripts/test-stores.sh` starts one and names it in `MAFIN_TEST_POSTGRESQL` (`postgresql://USER@HOST:PORT/DATABASE`).
@Suite(.enabled(if: liveAddress != nil, "MAFIN_TEST_POSTGRESQL names no server"))
struct LiveServerTests {
    private func client(patience: TimeInterval = 0) throws -> PostgreSQLClient {
        PostgreSQLClient(try PostgreSQLAddress(liveAddress ?? ""), patience: patience, naming: { $0 })
    }

    @Test func valuesAreReadInBothForms() async throws {
        let statement = "SELECT 7::bigint, 0.25::float8, '\\x00ff'::bytea, $1::text, NULL::text"
        let value = "dök \"' \\ $1 {}"
        try await client().run { session in
            #expect(try session.texts(statement, [value]) == [["7", "0.25", "\\x00ff", value, nil]])
            let rows = try session.query(statement, [value])
            #expect(rows.count == 1)
            #expect(try rows.integer(0, 0) == 7)
            #expect(try rows.double(0, 1) == 0.25)
            #expect(try rows.data(0, 2) == Data([0, 255]))
            #expect(try rows.text(0, 3) == value)
            #expect(try rows.text(0, 4) == nil)
        }
    }

    @Test func arraysAndNamesAreReadAsWritten() async throws {
        let texts = ["a\"b", "c\\d", "NULL", "{e,f}", "", "g'h"]
        let name = "a\"; DROP TABLE t; --"
        try await client().run { session in
            let parameters = [PostgreSQLText.array(texts)]
            #expect(try session.texts("SELECT unnest($1::text[])", parameters).map { $0[0] } == texts)
            let bytes = [Data([0, 1]), Data()]
            let rows = try session.query("SELECT unnest($1::bytea[])", [PostgreSQLText.array(bytes)])
            #expect(try (0..<rows.count).map { try rows.data($0, 0) } == bytes)
            try session.execute("CREATE TEMPORARY TABLE named (\(PostgreSQLText.identifier(name)) text)")
            let found = try session.texts(
                "SELECT attname FROM pg_attribute WHERE attrelid = 'named'::regclass AND attnum > 0")
            #expect(found == [[name]])
        }
    }

    /// Somebody has altered a table. A value of the same length is not read as a number that it is not.
    @Test func otherTypesAreNamedWithTheirColumn() async throws {
        try await client().run { session in
            try session.execute(
                "CREATE TEMPORARY TABLE altered (items bigint, cost float8, value bytea, name text, moment bigint)")
            try session.execute(
                "INSERT INTO altered VALUES (7, 0.25, '\\x00ff', 'a', 0), (NULL, NULL, NULL, NULL, NULL)")
            try session.execute(
                """
                ALTER TABLE altered ALTER items TYPE integer, ALTER cost TYPE numeric, ALTER value TYPE text USING 'x', \
                ALTER name TYPE varchar(9), ALTER moment TYPE timestamptz USING to_timestamp(moment)
                """)
            let rows = try session.query("SELECT * FROM altered")
            func expect(_ column: String, _ type: String, _ found: String, _ read: () throws -> Void) {
                let error = #expect(throws: PostgreSQLError.self) { try read() }
                #expect(error == .otherType(column: column, expected: type, found: found))
                #expect(error?.isPassing == false && error?.reason.contains("'\(column)' of type \(type)") == true)
            }
            for row in 0..<2 {
                expect("items", "bigint", "integer") { _ = try rows.integer(row, 0) }
                expect("cost", "double precision", "numeric") { _ = try rows.double(row, 1) }
                expect("value", "bytea", "text") { _ = try rows.data(row, 2) }
                expect("name", "text", "character varying") { _ = try rows.text(row, 3) }
                expect("moment", "bigint", "timestamp with time zone") { _ = try rows.integer(row, 4) }
            }
            let point = try session.query("SELECT point(1, 2) AS place")
            expect("place", "double precision", "the type with the OID 600") { _ = try point.double(0, 0) }
        }
    }

    /// A second statement in one text is refused, so nothing can be appended to a statement.
    @Test func oneStatementIsOneStatement() async throws {
        let client = try client()
        for statement in ["SELECT 1; SELECT 2", "SELEC", "SELECT 1\0"] {
            let error = await #expect(throws: PostgreSQLError.self) {
                try await client.run { try $0.execute(statement, what: "a test") }
            }
            guard case .refused("a test", _, let reason)? = error else {
                return #expect(Bool(false), "\(String(describing: error))")
            }
            #expect(!reason.isEmpty && !reason.contains("\n"))
        }
        await #expect(throws: PostgreSQLError.self) {
            try await client.run { try $0.texts("SELECT $1::text", ["a\0b"]) }
        }
    }

    @Test func rowsComeOneByOneAndErrorsLeaveTheConnectionUsable() async throws {
        struct Enough: Error {}
        let client = try client()
        try await client.run { session in
            var sum: Int64 = 0
            try session.forEachRow("SELECT i::bigint FROM generate_series(1, 10000) i", what: "rows") {
                sum += try $0.integer(0, 0) ?? 0
            }
            #expect(sum == 50_005_000)
            #expect(throws: Enough.self) {
                try session.forEachRow("SELECT generate_series(1, 10000)", what: "rows") { _ in throw Enough() }
            }
            #expect(throws: PostgreSQLError.self) {
                try session.forEachRow("SELECT 1 / (5 - i) FROM generate_series(1, 9) i", what: "rows") { _ in }
            }
            #expect(try session.texts("SELECT 1") == [["1"]])
        }
    }

    /// A transaction that fails leaves nothing, and the next one works. 22012 is division by zero.
    @Test func transactionsAreWholeOrNotAtAll() async throws {
        let client = try client()
        try await client.run { try $0.execute("CREATE TEMPORARY TABLE whole (i bigint)") }
        let copied =
            Array("PGCOPY\n".utf8) + [0xff, 0x0d, 0x0a, 0] + [UInt8](repeating: 0, count: 8) + [
                0, 1, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 9, 0xff, 0xff,
            ]
        let error = await #expect(throws: PostgreSQLError.self) {
            try await client.transaction { session in
                try session.copy("COPY whole FROM STDIN (FORMAT binary)", copied, what: "rows")
                try session.execute("SELECT 1 / 0", what: "a division")
            }
        }
        #expect(error == .refused(what: "a division", state: "22012", reason: "ERROR:  division by zero"))
        await #expect(throws: PostgreSQLError.self) {
            try await client.transaction {
                try $0.copy("COPY whole FROM STDIN (FORMAT binary)", Array(copied.dropLast(4)), what: "rows")
            }
        }
        try await client.transaction { try $0.copy("COPY whole FROM STDIN (FORMAT binary)", copied, what: "rows") }
        #expect(try await client.run { try $0.texts("SELECT i FROM whole") } == [["9"]])
    }

    /// The server ends the connection in the middle. With patience the statements are repeated on a new one; without they fail and say so.
    @Test func lostConnectionsAreMadeAgain() async throws {
        let killer = try client()
        for patience in [0, 10.0] {
            let client = try client(patience: patience)
            let process = try await client.run { try $0.query("SELECT pg_backend_pid()::bigint").integer(0, 0) ?? 0 }
            try await killer.run { try $0.execute("SELECT pg_terminate_backend($1::int)", ["\(process)"]) }
            if patience > 0 {
                #expect(try await client.run { try $0.texts("SELECT 'again'") } == [["again"]])
            } else {
                let error = await #expect(throws: PostgreSQLError.self) {
                    try await client.run { try $0.execute("SELECT 1", what: "a test") }
                }
                guard case .lost("a test", _)? = error else {
                    return #expect(Bool(false), "\(String(describing: error))")
                }
                #expect(try await client.run { try $0.texts("SELECT 'new'") } == [["new"]])
            }
        }
    }

    /// A wrong user is refused at once, whatever the patience, and the password of the environment is not in the message.
    @Test func refusedLoginsAreNotRepeated() async throws {
        let address = (liveAddress ?? "").replacing(/\/\/[^@\/]*@/, with: "//nobody-of-this-name@")
        let client = PostgreSQLClient(try PostgreSQLAddress(address), patience: 600, naming: { $0 })
        let error = await #expect(throws: PostgreSQLError.self) { try await client.run { try $0.execute("SELECT 1") } }
        guard case .unreachable(let reason, false)? = error else {
            return #expect(Bool(false), "\(String(describing: error))")
        }
        if let password = ProcessInfo.processInfo.environment["PGPASSWORD"] { #expect(!reason.contains(password)) }
    }
}
