import Foundation
import GRDB
import MafinBlackBox
import MafinNumerics
import MafinTestSupport
import Testing

@testable import MafinProviders

@Suite struct CacheMaintenanceTests {
    private func filled(
        _ folder: TemporaryFolder, _ name: String = "cache.sqlite", precision: VectorPrecision = .float32,
        texts: [String] = (0..<30).map { "t\($0)" }
    ) async throws -> EmbeddingCache {
        let server = try EmbeddingServer()
        defer { server.stop() }
        let cache = try EmbeddingCache(file: folder.url.appendingPathComponent(name), precision: precision)
        _ = try await CachedBlackBox(try server.blackBox(), cache: cache).embed(items(texts), as: .document)
        return cache
    }

    @Test func statisticsCount() async throws {
        try await TemporaryFolder.with { folder in
            let cache = try await filled(folder)
            let server = try EmbeddingServer(.cohere)
            defer { server.stop() }
            _ = try await CachedBlackBox(try server.blackBox(), cache: cache).embed(items(["a", "b"]), as: .query)
            let statistics = try await cache.statistics()
            #expect(statistics.vectors == 32 && statistics.sources.map(\.vectors) == [30, 2] && statistics.bytes > 0)
            #expect(
                statistics.sources.map(\.dimension) == [8, 8]
                    && statistics.sources[1].fields["inputType"] == "search_query")
            #expect(statistics.sources[0].bytes == 30 * 8 * 4 && statistics.sources[0].countedTokens > 0)
        }
    }

    @Test func verifyFindsDamageAndRepairs() async throws {
        try await TemporaryFolder.with { folder in
            let cache = try await filled(folder)
            #expect(try await cache.verify().isSound)
            try await cache.pool.write { database in
                try database.execute(sql: "UPDATE vector SET value = zeroblob(32) WHERE id = 3")
                try database.execute(sql: "UPDATE vector SET value = x'00' WHERE id = 5")
                try database.execute(sql: "UPDATE vector SET precision = 9 WHERE id = 7")
            }
            let found = try await cache.verify()
            #expect(found.checked == 30 && found.damaged == 3 && !found.isSound && found.examples.count == 3)
            _ = try await cache.verify(repairing: true)
            #expect(try await cache.verify().isSound)
            #expect(try await cache.count() == 27)
        }
    }

    @Test func cleaningRemovesWhatIsNamed() async throws {
        try await TemporaryFolder.with { folder in
            let cache = try await filled(folder)
            let id = try #require(try await cache.statistics().sources.first?.id)
            #expect(try await cache.clean(CacheCleaning()).vectors == 0)
            #expect(try await cache.clean(CacheCleaning(sources: [id], isTrial: true)).vectors == 30)
            #expect(
                try await cache.clean(CacheCleaning(sources: [id], before: Date().addingTimeInterval(-3600))).vectors
                    == 0)
            #expect(try await cache.count() == 30)
            let result = try await cache.clean(CacheCleaning(sources: [id], compacts: true))
            #expect(result.vectors == 30 && result.sources == 1 && result.bytesAfter <= result.bytesBefore)
            #expect(try await cache.count() == 0)
            await #expect(throws: ProviderError.self) { _ = try await cache.clean(CacheCleaning(sources: [99])) }
        }
    }

    @Test(arguments: ["vectors.npy", "vectors.safetensors", "vectors.jsonl"], [VectorPrecision.float32, .float16])
    func vectorsTravel(name: String, precision: VectorPrecision) async throws {
        try await TemporaryFolder.with { folder in
            let cache = try await filled(folder, precision: precision)
            let file = folder.url.appendingPathComponent(name)
            let id = try #require(try await cache.statistics().sources.first?.id)
            let written = try await cache.exportVectors(of: id, to: file)
            #expect(written.vectors == 30 && written.dimension == 8)
            let other = try await filled(folder, "other.sqlite", texts: ["t1", "new"])
            let read = try await other.importVectors(from: file)
            #expect(read.vectors == 30 && read.added == 30)
            #expect(try await other.verify().isSound)
            // No request is sent: all vectors are in the cache, unchanged.
            let server = try EmbeddingServer { _ in .text("{}", status: 500) }
            defer { server.stop() }
            let source = EmbeddingKey.Source(
                description: try #require(
                    try await cache.pool.read {
                        try String.fetchOne($0, sql: "SELECT description FROM source ORDER BY id LIMIT 1")
                    }))
            let before = try await cache.vectors(for: try await keys(cache), of: source)
            let after = try await other.vectors(for: try await keys(cache), of: source)
            #expect(before.found.vectors.rows == 30 && after.missing.isEmpty)
            let difference =
                zip(before.found.vectors.values, after.found.vectors.values).map { abs($0 - $1) }.max() ?? 1
            #expect(difference <= (precision == .float16 ? 1e-3 : 0))
            try FileManager.default.removeItem(at: folder.url.appendingPathComponent("vectors.source"))
            await #expect(throws: ProviderError.self) { _ = try await other.importVectors(from: file) }
        }
    }

    private func keys(_ cache: EmbeddingCache) async throws -> [EmbeddingKey] {
        try await cache.pool.read { database in
            try Data.fetchAll(database, sql: "SELECT key FROM vector ORDER BY id").map { EmbeddingKey(bytes: $0) }
        }
    }

    // MARK: - Drift

    @Test func aModelThatChangedIsNoticed() async throws {
        try await TemporaryFolder.with { folder in
            let cache = try await filled(folder)
            let server = try EmbeddingServer { call in
                // Another model under the same name: half of the texts get a different vector.
                .text(EmbeddingServer.answer(call.texts.map { $0.hasSuffix("3") ? $0 + "'" : $0 }, base64: true))
            }
            defer { server.stop() }
            let same = try EmbeddingServer()
            defer { same.stop() }
            let texts = items((0..<30).map { "t\($0)" })
            // The address is part of a vector's key: the same profile at another port is another server.
            let good = CachedBlackBox(
                Renamed(try same.blackBox(), as: try await identity(cache)), cache: cache, drift: DriftCheck(rate: 0.2))
            let counts = try await good.answer(texts, as: .document).counts
            #expect(counts.rechecked == 6 && counts.asked == 0 && same.paid.count == 6)
            let bad = CachedBlackBox(
                Renamed(try server.blackBox(), as: try await identity(cache)), cache: cache, drift: DriftCheck(rate: 1))
            let text = await message { _ = try await bad.embed(texts, as: .document) }
            #expect(text.contains("model 'm' has changed: of 30 texts sent again") && text.contains("3'"), "\(text)")
            #expect(try await cache.count() == 30)
        }
    }

    /// Queries come one at a time: a hundredth of them is sent again, not every one.
    @Test func smallCallsKeepToTheRateTogether() {
        var random = RandomGenerator(seed: 7)
        let check = DriftCheck(rate: 0.01)
        let count = (0..<20_000).reduce(0) { count, _ in count + check.sample(of: [0, 1], using: &random).count }
        #expect((300...500).contains(count))
        #expect(check.sample(of: Array(0..<1000), using: &random).count == 10)
        #expect(DriftCheck(rate: 1).sample(of: [4, 5], using: &random) == [4, 5])
    }

    /// The identity in the keys of a cache's first vectors.
    private func identity(_ cache: EmbeddingCache) async throws -> BlackBoxIdentity {
        let fields = try #require(try await cache.statistics().sources.first?.fields)
        return BlackBoxIdentity(
            provider: fields["provider"] ?? "", model: fields["model"] ?? "", endpoint: fields["endpoint"],
            normalisation: .unit)
    }

    private struct Renamed: BlackBox {
        let base: ProviderBlackBox
        let identity: BlackBoxIdentity

        init(_ base: ProviderBlackBox, as identity: BlackBoxIdentity) {
            self.base = base
            self.identity = identity
        }

        func embed(_ items: [EmbeddingItem], as role: TextRole) async throws -> Matrix {
            try await base.embed(items, as: role)
        }
    }
}
