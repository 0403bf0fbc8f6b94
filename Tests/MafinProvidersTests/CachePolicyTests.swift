import Foundation
import MafinBlackBox
import MafinNumerics
import MafinTestSupport
import Testing

@testable import MafinProviders

/// How a service stores answers when its disk is full, and how it limits the number of stored queries.
@Suite struct CachePolicyTests {
    private static let dimension = 512

    private func server() throws -> EmbeddingServer {
        try EmbeddingServer { call in
            .text(
                EmbeddingServer.answer(
                    call.texts.enumerated().map {
                        ($0, "\"\(EmbeddingServer.base64(EmbeddingServer.vector($1, dimension: Self.dimension)))\"")
                    }))
        }
    }

    private func withCache(_ body: (EmbeddingServer, EmbeddingCache) async throws -> Void) async throws {
        let server = try server()
        defer { server.stop() }
        try await TemporaryFolder.with { folder in
            try await body(server, EmbeddingCache(file: folder.url.appendingPathComponent("cache.sqlite")))
        }
    }

    @Test func aServiceDeliversWhatCannotBeStored() async throws {
        try await withCache { server, cache in
            try cache.limitPages(40)
            let box = CachedBlackBox(
                try server.blackBox { $0.sharing = cache }, cache: cache,
                policy: CachePolicy(deliversWhatCannotBeStored: true))
            let texts = (0..<200).map { "t\($0)" }
            let vectors = try await box.embed(items(texts), as: .query)
            #expect(vectors.values == texts.flatMap { EmbeddingServer.vector($0, dimension: Self.dimension) })
            #expect(server.paid.count == 200 && cache.writeFailures > 0 && !cache.isWritable)
            // After a successful write the cache is writable again; the count of failures stays.
            try cache.limitPages(100_000)
            _ = try await box.embed(items(["later"]), as: .query)
            #expect(cache.writeFailures > 0 && cache.isWritable)
        }
    }

    /// The caller gets the vectors that were paid for, even if the call then ends with the error.
    @Test func aJobDeliversWhatItCouldNotStoreAndStops() async throws {
        try await withCache { server, cache in
            try cache.limitPages(40)
            let box = CachedBlackBox(
                try server.blackBox(limits: BatchLimits(items: 5), concurrency: 1), cache: cache)
            let delivered = RowCollector(count: 200)
            let count = Counter()
            let text = await message {
                try await box.embed(items((0..<200).map { "t\($0)" }), as: .document) { rows in
                    delivered.fill(rows)
                    await count.add(rows.indices.count)
                }
            }
            #expect(text.contains("no space left"), "\(text)")
            #expect(await count.value == server.paid.count && server.paid.count < 200)
        }
    }

    private actor Counter {
        var value = 0
        func add(_ count: Int) { value += count }
    }

    @Test func queriesOfAServiceMakeRoomForLaterOnes() async throws {
        try await withCache { server, cache in
            let row = Self.dimension * 4 + 100
            let service = CachedBlackBox(
                try server.blackBox(), cache: cache, policy: CachePolicy(maximumQueryBytes: 50 * row))
            let training = CachedBlackBox(try server.blackBox(), cache: cache)
            // Queries of a training and documents of the service are never removed.
            _ = try await training.embed(items((0..<30).map { "training \($0)" }), as: .query)
            _ = try await service.embed(items((0..<30).map { "document \($0)" }), as: .document)
            for start in stride(from: 0, to: 300, by: 10) {
                _ = try await service.embed(items((start..<start + 10).map { "query \($0)" }), as: .query)
                #expect(try await cache.evictable().bytes <= 50 * row)
            }
            let left = try await cache.count() - 60
            #expect((40...50).contains(left) && cache.evictedVectors == 300 - left)
            // The latest queries are in the cache; the first were removed. Answers of one call may be stored in any
            // order.
            let known = try await service.known(items((0..<300).map { "query \($0)" }), as: .query)
            #expect(known.indices.count == left && known.indices.allSatisfy { $0 >= 240 })
            #expect(Set(known.indices).isSuperset(of: 260..<300))
            #expect(try await service.known(items((0..<30).map { "training \($0)" }), as: .query).indices.count == 30)
            #expect(
                try await service.known(items((0..<30).map { "document \($0)" }), as: .document).indices.count == 30)
        }
    }

    @Test func onlyTheOwnerReadsANewCache() async throws {
        try await withCache { server, cache in
            _ = try await CachedBlackBox(try server.blackBox(), cache: cache).embed(items(["a"]), as: .query)
            for path in [cache.path, cache.path + "-wal"] {
                let attributes = try FileManager.default.attributesOfItem(atPath: path)
                #expect(attributes[.posixPermissions] as? Int == 0o600, "\(path)")
            }
        }
    }

    /// Prefixes may contain line breaks, and words that look like fields.
    @Test func prefixesOfSeveralLinesAreShownWhole() {
        let prefix = "Instruct: find the passage\nmodel=x\nQuery: "
        var identity = BlackBoxIdentity(provider: "p", model: "m", endpoint: "https://h", queryPrefix: prefix)
        identity.normalisation = .unit
        let fields = EmbeddingKey.Source.fields(of: EmbeddingKey.Source(identity: identity, role: .query).description)
        #expect(fields["prefix"] == prefix && fields["model"] == "m" && fields["normalisation"] == "unit")
    }
}
