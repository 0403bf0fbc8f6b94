import Foundation
import MafinBlackBox
import MafinNumerics
import MafinPipeline
import MafinStores
import MafinTestSupport
import MafinWorkflows
import Testing

@testable import MafinProviderWorkflows

@Suite struct ImportWorkflowTests {
    private static let values: [Float] = [0.5, -1, 2, 0.25, 8, -4]

    /// A Parquet file with vectors of the ids "a", "b" and "c".
    private static func parquet(in folder: URL) async throws -> String {
        let store = StoreFiles(.parquet, in: folder, name: "docs")
        _ = try await store.prepare(StoreSchema(parts: [StorePart(name: "v", face: .dense, dimension: 2)]))
        try await store.write(
            StoreBatch(
                ids: ["a", "b", "c"], hashes: ["1", "2", "3"],
                dense: [Matrix(rows: 3, columns: 2, values: values)], sparse: []))
        _ = try await store.finish()
        return folder.appendingPathComponent("documents.parquet").path + "?id=id&vector=v"
    }

    @Test func anImportIsReplacedAndOtherFilesAreNot() async throws {
        try await TemporaryFolder.with { folder in
            let source = try VectorImport(parsing: try await Self.parquet(in: folder.url))
            let output = folder.url.appendingPathComponent("vectors")
            for _ in 0..<2 {
                let result = try await ImportWorkflow(source, to: output, context: WorkflowContext()).run()
                #expect(result.documents.vectors == 3 && result.queries == nil)
                let stored = try StoredVectors(contentsOf: output.appendingPathComponent("corpus.npy"))
                let items = ["c", "a", "b"].map { EmbeddingItem(id: $0, text: "") }
                // Of unit length, as all vectors of a black box.
                let expected = Matrix(rows: 3, columns: 2, values: [8, -4, 0.5, -1, 2, 0.25]).normalizedRows().matrix
                #expect(largestDifference(try await stored.embed(items, as: .document).values, expected.values) < 1e-6)
            }
            // A user's own vectors have the same names, and may have cost something.
            let own = folder.url.appendingPathComponent("own")
            try FileManager.default.createDirectory(at: own, withIntermediateDirectories: true)
            let file = own.appendingPathComponent("corpus.npy")
            try Data("paid".utf8).write(to: file)
            await #expect(throws: StoreError.occupied(path: own.path)) {
                try await ImportWorkflow(source, to: own, context: WorkflowContext()).run()
            }
            #expect(try Data(contentsOf: file) == Data("paid".utf8))
        }
    }
}
