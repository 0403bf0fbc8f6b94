import Foundation
import Testing

@testable import MafinPostgreSQL

@Suite struct UnreachableServerTests {
    /// Errors are the caller's own. Whether the library is on this machine or not, there is no server on port 1.
    @Test func errorsAreNamedByTheCaller() async throws {
        struct Named: Error { var error: PostgreSQLError }
        let address = try PostgreSQLAddress("postgresql://ann@127.0.0.1:1/x")
        let client = PostgreSQLClient(address, naming: { Named(error: $0) })
        let named = await #expect(throws: Named.self) { try await client.run { try $0.execute("SELECT 1") } }
        switch named?.error {
        case .unreachable(let reason, isPassing: true)?: #expect(reason.contains("127.0.0.1"))
        case .missingLibrary?: break
        default: #expect(Bool(false), "\(String(describing: named))")
        }
    }
}
