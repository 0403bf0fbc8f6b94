import Foundation
import MafinNumerics
import MafinTestSupport
import Testing

@testable import MafinEncoder

/// Vectors are cached under ``TextEncoder/encodingVersion``, so the version has to change with whatever moves a vector.
@Suite struct EncodingVersionTests {
    /// Sums that each weigh a vector's numbers with 1, 2, 3, …. Version 1 is that of builds which did not yet tell versions apart.
    private static let version = 2
    private static let goldens = [-84.82466, -88.80620, -94.37291, -59.31959]

    @Test func theVersionChangesWithTheVectors() throws {
        let encoder = try TextEncoder(
            modelFolder: Golden.url("small-mean"), prefixes: TextPrefixes(query: "ak ", document: "al "),
            maximumLength: 12)
        let texts = ["", "ak", "bk cl dm", String(repeating: "ek fl ", count: 30)]
        let vectors = try encoder.embedUnnormalized(texts, prefix: encoder.prefixes.document)
        let found = (0..<vectors.rows).map { row in
            vectors.row(row).enumerated().reduce(0.0) { $0 + Double($1.offset + 1) * Double($1.element) }
        }
        #expect(
            TextEncoder.encodingVersion == Self.version && largestDifference(found, Self.goldens) < 1e-3,
            "the vectors of a text have changed: raise TextEncoder.encodingVersion, and set version and goldens here to \(found)"
        )
    }
}
