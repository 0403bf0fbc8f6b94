import Testing

@testable import MafinPostgreSQL

@Suite struct AddressTests {
    @Test func addressesAreCut() throws {
        let address = try PostgreSQLAddress(
            "postgresql://ann@db.example:6543/app?table=a%26b&sslmode=require&t%61ble2=x", taking: ["table", "table2"])
        #expect(address.connection == "postgresql://ann@db.example:6543/app?sslmode=require")
        #expect(address.shown == "postgresql://ann@db.example:6543/app")
        #expect(address.parameters == ["table": "a&b", "table2": "x"])
    }

    /// What the manual of libpq gives as examples (without the one with a password).
    @Test(arguments: [
        "postgresql://", "postgresql://localhost", "postgresql://localhost:5433", "postgresql://localhost/mydb",
        "postgresql://user@localhost", "postgresql://other@localhost/otherdb?connect_timeout=10&application_name=myapp",
        "postgresql://host1:123,host2:456/somedb?target_session_attrs=any&application_name=myapp",
        "postgresql:///mydb?host=localhost&port=5433",
        "postgresql://user@localhost:5433/mydb?options=-c%20synchronous_commit%3Doff",
        "postgresql://[2001:db8::1234]/database", "postgresql://ann@[::1]:5433/database",
        "postgresql:///dbname?host=/var/lib/postgresql", "postgres://%2Fvar%2Flib%2Fpostgresql/dbname",
        "postgresql://h:5432/db?user=ann@example.org",
    ]) func theManualsAddressesAreRead(_ text: String) throws {
        #expect(try PostgreSQLAddress(text).connection == text)
    }

    @Test(arguments: [
        "postgresql://ann:s3cret@h/db", "postgresql://ann:s3/cret@h/db", "postgresql://ann:s@cret@h/db",
        "postgres://:s3cret@h/db",
        "postgres://h/db?password=s3cret", "postgres://h/db?pass%77ord=s3cret", "postgres://h/db?sslpassword=s3cret",
        "postgres://h/db?oauth_client_secret=s3cret", "postgres://h/db?scram_client_key=s3cret",
    ]) func passwordsAreRefused(_ text: String) {
        #expect(throws: PostgreSQLError.passwordInAddress) { try PostgreSQLAddress(text) }
    }

    @Test(arguments: [
        "postgresql://ann:s3cret?x@h/db", "postgresql://ann:12?cret@h/db", "postgresql://ann:s3cret/db", "/tmp/s3cret",
    ])
    func whatIsNoAddressIsNotRepeated(_ text: String) {
        let error = #expect(throws: PostgreSQLError.self) { try PostgreSQLAddress(text) }
        guard case .notAnAddress(let reason)? = error else {
            return #expect(Bool(false), "\(String(describing: error))")
        }
        #expect(!reason.contains("cret"))
    }

    /// The library itself would wait for minutes.
    @Test func hostsThatDoNotAnswerHaveATimeLimit() throws {
        let address = try PostgreSQLAddress("postgresql://h/db")
        #expect(address.connection(waiting: 7, environment: [:]) == "postgresql://h/db?connect_timeout=7")
        #expect(address.connection(waiting: 7, environment: ["PGCONNECT_TIMEOUT": "3"]) == "postgresql://h/db")
        for (text, limited) in [
            ("?sslmode=require", "?sslmode=require&connect_timeout=7"), ("?connect_timeout=9", "?connect_timeout=9"),
        ] {
            let address = try PostgreSQLAddress("postgresql://h/db\(text)")
            #expect(address.connection(waiting: 7, environment: [:]) == "postgresql://h/db\(limited)")
        }
    }

    @Test func namesAreQuoted() {
        #expect(PostgreSQLText.identifier("a\"; DROP TABLE t; --") == "\"a\"\"; DROP TABLE t; --\"")
        #expect(PostgreSQLText.identifier(table: "my.do\"cs.x") == "\"my\".\"do\"\"cs.x\"")
        #expect(PostgreSQLText.array(["a\"b", "c\\d", "NULL", "{e,f}"]) == #"{"a\"b","c\\d","NULL","{e,f}"}"#)
    }
}
