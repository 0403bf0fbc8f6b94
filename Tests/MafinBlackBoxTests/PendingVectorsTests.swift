import Foundation
import MafinBlackBox
import MafinNumerics
import MafinTestSupport
import Testing

@Suite struct PendingVectorsTests {
    @Test func vectorsWrittenInBlocksAreReadAsStoredVectors() async throws {
        try await TemporaryFolder.with { folder in
            let url = folder.url.appendingPathComponent("out.npy")
            let pending = try PendingVectors(to: url, dimension: 2)
            try pending.append(Matrix(rows: 2, columns: 2, values: [1, 0, 0, 1]), ids: ["a", "b c"])
            try pending.append(Matrix(rows: 1, columns: 2, values: [0.6, 0.8]), ids: ["ü"])
            #expect(pending.count == 3 && pending.dimension == 2)
            let visible = try FileManager.default.contentsOfDirectory(atPath: folder.url.path)
            #expect(visible.allSatisfy { $0.hasPrefix(".") })
            try pending.commit()
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: folder.url.path).sorted() == ["out.ids", "out.npy"])
            let stored = try StoredVectors(contentsOf: url)
            #expect(stored.ids(for: .document) == ["a", "b c", "ü"])
            #expect(stored.vectors(for: .query)?.values == [1, 0, 0, 1, 0.6, 0.8])
        }
    }

    @Test func nothingStaysOfWhatIsNotCommitted() async throws {
        try await TemporaryFolder.with { folder in
            let url = folder.url.appendingPathComponent("out.npy")
            do {
                let pending = try PendingVectors(to: url, dimension: 1)
                try pending.append(Matrix(rows: 1, columns: 1, values: [1]), ids: ["a"])
                let error = #expect(throws: BlackBoxError.self) {
                    try pending.append(Matrix(rows: 1, columns: 1, values: [1]), ids: ["b\r\nc"])
                }
                #expect(error?.description.contains(#""b\r\nc""#) == true, "\(String(describing: error))")
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.url.path).isEmpty)
        }
    }

    /// Rows of a call come in any order, and a text that was asked twice may have two.
    @Test func answeredRowsAreOrderedByTheirItems() {
        let rows = AnsweredRows(indices: [3, 0, 3], vectors: Matrix(rows: 3, columns: 1, values: [3, 0, 9]))
        #expect(rows.ordered.values == [0, 3] && rows.missing(of: 5) == [1, 2, 4])
        #expect(AnsweredRows.none.missing(of: 2) == [0, 1])
    }
}
