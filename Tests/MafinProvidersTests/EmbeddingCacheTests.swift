import Foundation
import GRDB
import MafinBlackBox
import MafinNumerics
import MafinTestSupport
import Synchronization
import Testing

@testable import MafinProviders

@Suite struct EmbeddingCacheTests {
    static let identity = BlackBoxIdentity(
        provider: "openai", model: "m", endpoint: "http://h/v1", queryPrefix: "query: ", normalisation: .unit)

    private func cache(_ folder: TemporaryFolder, name: String = "cache.sqlite") throws -> EmbeddingCache {
        try EmbeddingCache(file: folder.url.appendingPathComponent(name))
    }

    /// Changes the file directly, without the cache.
    private func execute(_ sql: String, _ arguments: StatementArguments = [], on cache: EmbeddingCache) throws {
        try DatabaseQueue(path: cache.path).write { try $0.execute(sql: sql, arguments: arguments) }
    }

    // MARK: - Paying once

    @Test func distinctTextsArePaidOnceAndNeverAgain() async throws {
        try await TemporaryFolder.with { folder in
            let server = try EmbeddingServer()
            defer { server.stop() }
            let texts = ["a", "b", "a", "c", "b", "a"]
            let progress = Mutex<[EmbeddingCounts]>([])
            let first = CachedBlackBox(try server.blackBox(limits: BatchLimits(items: 2)), cache: try cache(folder)) {
                counts in
                progress.withLock { $0.append(counts) }
            }
            #expect(try await first.plan(items(texts), as: .document) == EmbeddingCounts(texts: 6, distinct: 3))
            #expect(server.requests.isEmpty)
            let (vectors, counts) = try await first.answer(items(texts), as: .document)
            #expect(vectors.values == EmbeddingServer.vectors(texts))
            #expect(counts == EmbeddingCounts(texts: 6, distinct: 3, cached: 0, asked: 3))
            #expect(
                progress.withLock { $0.map(\.asked) } == [0, 2, 3]
                    || progress.withLock { $0.map(\.asked) } == [0, 1, 3])
            #expect(server.paid.sorted() == ["a", "b", "c"])

            // Another cache object on the same file, as a later run of the program.
            let later = CachedBlackBox(try server.blackBox(), cache: try cache(folder))
            let (again, laterCounts) = try await later.answer(items(["c", "d", "a"]), as: .document)
            #expect(again.values == EmbeddingServer.vectors(["c", "d", "a"]))
            #expect(laterCounts == EmbeddingCounts(texts: 3, distinct: 3, cached: 2, asked: 1))
            #expect(server.paid.sorted() == ["a", "b", "c", "d"])
            #expect(try await later.cache.count() == 4)
            #expect(try await later.embed([], as: .query).rows == 0)
        }
    }

    /// Cached vectors can be read without a request, also with a policy for long texts; and the server can be asked
    /// without the cache.
    @Test func whatIsKnownIsThereWithoutAsking() async throws {
        try await TemporaryFolder.with { folder in
            let server = try EmbeddingServer()
            defer { server.stop() }
            let box = CachedBlackBox(try server.blackBox(), cache: try cache(folder))
            #expect(try await box.known(items(["a"]), as: .document).indices.isEmpty)
            _ = try await box.embed(items(["a", "b"]), as: .document)
            let paid = server.requests.count
            for box in [box, OverflowBlackBox(box, policy: .truncate, limit: 100, ruler: TokenRuler())]
                as [any BlackBox]
            {
                let known = try await box.known(items(["c", "b", "a", "b"]), as: .document)
                #expect(known.indices == [1, 2, 3])
                #expect(known.vectors.values == EmbeddingServer.vectors(["b", "a", "b"]))
                #expect(try await box.known([], as: .query).indices.isEmpty)
            }
            #expect(server.requests.count == paid)
            #expect(try await box.embedAnew(items(["a"]), as: .document).values == EmbeddingServer.vectors(["a"]))
            #expect(server.requests.count == paid + 1)
            _ = try await box.embedAnew(items(["new"]), as: .document)
            #expect(try await box.cache.count() == 2)
            // With a drift check, cached texts are sometimes sent again, so `known` returns none.
            let drifting = CachedBlackBox(try server.blackBox(), cache: box.cache, drift: DriftCheck(rate: 0.5))
            #expect(try await drifting.known(items(["a"]), as: .document).indices.isEmpty)
        }
    }

    @Test func whatWasAnsweredBeforeAFailureIsNotPaidAgain() async throws {
        try await TemporaryFolder.with { folder in
            let broken = Mutex(true)
            let server = try EmbeddingServer { call in
                broken.withLock { $0 } && call.texts.contains("t7")
                    ? .text(#"{"error":"no credit"}"#, status: 402) : nil
            }
            defer { server.stop() }
            let texts = (0..<12).map { "t\($0)" }
            let box = CachedBlackBox(
                try server.blackBox(limits: BatchLimits(items: 2), concurrency: 1), cache: try cache(folder))
            let text = await message { _ = try await box.embed(items(texts), as: .document) }
            #expect(text.hasSuffix("answered 402: no credit"))
            #expect(try await box.cache.count() == 6)
            broken.withLock { $0 = false }
            #expect(try await box.embed(items(texts), as: .document).values == EmbeddingServer.vectors(texts))
            #expect(server.paid.sorted() == texts.sorted())
        }
    }

    /// Seeded schedules of faults: every distinct text is paid for exactly once, over as many runs as are needed.
    @Test(arguments: 0..<40)
    func randomFaultSchedules(seed: Int) async throws {
        try await TemporaryFolder.with { folder in
            let server = try EmbeddingServer { call in
                var generator = RandomGenerator(seed: UInt64(seed * 1000 + call.request.number))
                let whole = EmbeddingServer.answer(call.texts, base64: generator.uniform() < 0.5)
                if call.texts.count > 3 + seed % 5 { return .text(#"{"error":"batch size too large"}"#, status: 413) }
                switch generator.uniform() {
                case ..<0.08:
                    return .text(#"{"error":{"message":"slow down"}}"#, status: 429, headers: ["retry-after-ms": "3"])
                case ..<0.16: return .text("<html>bad gateway</html>", status: 502)
                case ..<0.22: return .text(whole, delivery: .cut(after: Int(generator.uniform() * 300)))
                case ..<0.26: return .text("", delivery: .hangUp)
                case ..<0.32: return .text(#"{"error":{"code":503,"message":"overloaded"}}"#, status: 503)
                case ..<0.34: return .text(#"{"error":{"message":"not today"}}"#, status: 403)
                case ..<0.50: return .text(whole, delivery: .chunked(50))
                case ..<0.60: return .text(whole, delivery: .wholeThenClose)
                default: return .text(whole)
                }
            }
            defer { server.stop() }
            let texts = (0..<60).map { "t\($0 * $0 % 41)" }
            let box = CachedBlackBox(
                try server.blackBox(limits: BatchLimits(items: 8), concurrency: 1 + seed % 4, attempts: 12),
                cache: try cache(folder))
            var vectors: Matrix?
            for _ in 0..<20 where vectors == nil {
                do {
                    vectors = try await box.embed(items(texts), as: .document)
                } catch let error as ProviderError {
                    guard case .refused(_, 403, "not today") = error else { throw error }
                }
            }
            let expected = EmbeddingServer.vectors(texts)
            let found = try #require(vectors)
            #expect(
                zip(found.values, expected).allSatisfy { abs($0 - $1) < 1e-6 } && found.values.count == expected.count)
            #expect(server.paid.sorted() == Set(texts).sorted())
        }
    }

    // MARK: - Keys

    /// Recorded with the first version of the cache: vectors that were paid for must always be found again.
    @Test func keysStayWhatTheyWere() {
        let key = EmbeddingKey(identity: Self.identity, role: .query, text: "a")
        #expect(key == EmbeddingKey(hexadecimal: "f0acbb3d62fda87d496fc87688867210c7c2d9a9e7eacb24f709793a9b9ab55c"))
    }

    @Test func everythingThatDeterminesAVectorIsInTheKey() {
        let base = EmbeddingKey(identity: Self.identity, role: .document, text: "t")
        var changed: [BlackBoxIdentity] = []
        func change(_ body: (inout BlackBoxIdentity) -> Void) {
            var identity = Self.identity
            body(&identity)
            changed.append(identity)
        }
        change { $0.provider = "p" }
        change { $0.model = "n" }
        change { $0.endpoint = "http://h/v2" }
        change { $0.endpoint = nil }
        change { $0.dimension = 8 }
        change { $0.documentInputType = "search_document" }
        change { $0.documentPrefix = "passage: " }
        change { $0.normalisation = .none }
        change { $0.truncation = "END" }
        change { $0.contentHash = "ab" }
        let keys = Set(changed.map { EmbeddingKey(identity: $0, role: .document, text: "t") } + [base])
        #expect(keys.count == changed.count + 1)
        #expect(EmbeddingKey(identity: Self.identity, role: .query, text: "t") != base)  // another prefix
        #expect(EmbeddingKey(identity: Self.identity, role: .document, text: "") != base)

        var plain = Self.identity
        plain.queryPrefix = ""
        #expect(EmbeddingKey(identity: plain, role: .query, text: "t") == base)  // asked in the same way: one vector

        var shifted = Self.identity
        shifted.model = "mh"
        shifted.endpoint = "ttp://h/v1"
        #expect(EmbeddingKey(identity: shifted, role: .document, text: "t") != base)
    }

    @Test func equalStringsOfDifferentBytesAreDifferentTexts() async throws {
        let (one, two) = ("caf\u{E9}", "cafe\u{301}")
        #expect(one == two)
        try await TemporaryFolder.with { folder in
            let server = try EmbeddingServer()
            defer { server.stop() }
            let box = CachedBlackBox(try server.blackBox(), cache: try cache(folder))
            let vectors = try await box.embed(items([one, two, one]), as: .document)
            #expect(vectors.values == EmbeddingServer.vectors([one, two, one]))
            #expect(vectors.row(0) != vectors.row(1) && server.paid.count == 2)
        }
    }

    @Test func placeOfTheFile() {
        func path(_ environment: [String: String]) -> String {
            EmbeddingCache.defaultFile(environment: environment).path
        }
        #expect(path(["MAFIN_CACHE": "/c", "XDG_CACHE_HOME": "/x", "HOME": "/h"]) == "/c/embeddings.sqlite")
        #expect(path(["XDG_CACHE_HOME": "/x", "HOME": "/h"]) == "/x/mafin/embeddings.sqlite")
        #if os(macOS)
            #expect(path(["HOME": "/h"]) == "/h/Library/Caches/mafin/embeddings.sqlite")
        #else
            #expect(path(["HOME": "/h"]) == "/h/.cache/mafin/embeddings.sqlite")
        #endif
    }

    // MARK: - Damage

    @Test(arguments: [
        "UPDATE vector SET value = substr(value, 1, 12) WHERE id = 1",
        "UPDATE vector SET value = x'0000803F' || substr(value, 5) WHERE id = 1",
        "UPDATE vector SET checksum = checksum + 1 WHERE id = 1",
        "UPDATE vector SET value = (SELECT value FROM vector WHERE id = 2), "
            + "checksum = (SELECT checksum FROM vector WHERE id = 2) WHERE id = 1",
    ])
    func damagedVectorsAreNeverServed(sql: String) async throws {
        try await TemporaryFolder.with { folder in
            let server = try EmbeddingServer()
            defer { server.stop() }
            let box = CachedBlackBox(try server.blackBox(), cache: try cache(folder))
            _ = try await box.embed(items(["a", "b"]), as: .document)
            try execute(sql, on: box.cache)
            let (vectors, counts) = try await box.answer(items(["a", "b"]), as: .document)
            #expect(vectors.values == EmbeddingServer.vectors(["a", "b"]))
            #expect(counts.cached == 1 && counts.asked == 1)
            #expect(server.paid == ["a", "b", "a"])
            #expect(try await box.answer(items(["a", "b"]), as: .document).counts.cached == 2)  // mended
        }
    }

    @Test func aFileThatIsNotACacheIsNamed() async throws {
        try await TemporaryFolder.with { folder in
            let file = try folder.write(String(repeating: "no database ", count: 200), to: "cache.sqlite")
            let text = await message { _ = try EmbeddingCache(file: file) }
            #expect(text == "cache \(file.path): it is damaged or not a cache; move it away to start a new one")

            let newer = try cache(folder, name: "newer.sqlite")
            try execute("PRAGMA user_version = 9", on: newer)
            let refusal = await message { _ = try cache(folder, name: "newer.sqlite") }
            #expect(refusal.contains("it has format 9, this program reads up to 4"), "\(refusal)")

            let inFile = await message { _ = try EmbeddingCache(file: file.appendingPathComponent("below.sqlite")) }
            #expect(inFile.contains("its folder cannot be created"), "\(inFile)")
        }
    }

    @Test func fullDiskIsOneClearErrorAndTearsNothing() async throws {
        try await TemporaryFolder.with { folder in
            let server = try EmbeddingServer { call in
                .text(
                    EmbeddingServer.answer(
                        call.texts.enumerated().map {
                            ($0, "\"\(EmbeddingServer.base64(EmbeddingServer.vector($1, dimension: 512)))\"")
                        }))
            }
            defer { server.stop() }
            let cache = try cache(folder)
            try cache.limitPages(40)
            let box = CachedBlackBox(try server.blackBox(limits: BatchLimits(items: 5), concurrency: 1), cache: cache)
            let texts = (0..<200).map { "t\($0)" }
            let text = await message { _ = try await box.embed(items(texts), as: .document) }
            #expect(text == "cache \(cache.path): no space left on the disk; everything stored before is intact")
            let stored = try await cache.count()
            #expect(stored > 0 && stored % 5 == 0 && stored < 200)
            #expect(server.requests.count == stored / 5 + 1)  // it stopped at the first batch that could not be kept

            let paid = server.paid.count
            let later = CachedBlackBox(try server.blackBox(), cache: try self.cache(folder))
            let (vectors, counts) = try await later.answer(items(texts), as: .document)
            #expect(vectors.values == texts.flatMap { EmbeddingServer.vector($0, dimension: 512) })
            #expect(counts.cached == stored && server.paid.count == paid + 200 - stored)
        }
    }

    @Test func aModelThatChangesItsDimensionIsNoticed() async throws {
        try await TemporaryFolder.with { folder in
            let dimension = Mutex(8)
            let server = try EmbeddingServer { call in
                let count = dimension.withLock { $0 }
                return .text(
                    EmbeddingServer.answer(
                        call.texts.enumerated().map {
                            ($0, EmbeddingServer.numbers(EmbeddingServer.vector($1, dimension: count)))
                        }))
            }
            defer { server.stop() }
            let cache = try cache(folder)
            _ = try await CachedBlackBox(try server.blackBox(), cache: cache).embed(items(["a"]), as: .document)
            dimension.withLock { $0 = 6 }
            for texts in [["a", "b"], ["c"]] {
                let text = await message {
                    _ = try await CachedBlackBox(try server.blackBox(), cache: cache).embed(items(texts), as: .document)
                }
                #expect(text.contains("has 6 numbers, but those of the same model in the cache"), "\(text)")
            }
            #expect(try await cache.count() == 1)
        }
    }

    // MARK: - Kills and other processes

    private static func rows(_ batch: Int, of process: Int = 0) -> (AnsweredRows, [EmbeddingKey], EmbeddingKey.Source) {
        let source = EmbeddingKey.Source(identity: identity, role: .document)
        let texts = (0..<20).map { "\(process) \(batch) \($0)" }
        let values = texts.flatMap { EmbeddingServer.vector($0, dimension: 256) }
        return (
            AnsweredRows(indices: Array(0..<20), vectors: Matrix(rows: 20, columns: 256, values: values)),
            texts.map { source.key(of: $0) }, source
        )
    }

    /// The number of batches, from the first, that are complete and correct. Of the other batches nothing may be in the
    /// cache.
    private static func wholeBatches(_ cache: EmbeddingCache, of process: Int = 0, upTo limit: Int) async throws -> Int
    {
        var whole = 0
        for batch in 0..<limit {
            let (expected, keys, source) = rows(batch, of: process)
            let (found, missing) = try await cache.vectors(for: keys, of: source)
            let wrong = found.indices.enumerated().filter {
                !expected.vectors.row($1).elementsEqual(found.vectors.row($0))
            }
            #expect(wrong.isEmpty)
            #expect(missing.isEmpty || missing.count == keys.count, "batch \(batch) is torn")
            if missing.isEmpty { whole += 1 }
        }
        return whole
    }

    /// A process that stores batch after batch is killed (SIGKILL, no clean-up) while it writes.
    @Test func killedAtAnyMoment() async throws {
        let folder = try TemporaryFolder()
        defer { try? FileManager.default.removeItem(at: folder.url) }
        let stored = folder.url.appendingPathComponent("stored")
        var whole = 0
        for delay: Double in [3, 11, 40, 90, 200] {
            try Data().write(to: stored)
            await #expect(processExitsWith: .signal(SIGKILL)) {
                [folder = folder.url as URL, delay = delay as Double, first = whole as Int] in
                let cache = try EmbeddingCache(file: folder.appendingPathComponent("cache.sqlite"))
                let log = try FileHandle(forWritingTo: folder.appendingPathComponent("stored"))
                Thread.detachNewThread {
                    Thread.sleep(forTimeInterval: delay / 1000)
                    kill(getpid(), SIGKILL)
                }
                for batch in first..<100_000 {
                    let (rows, keys, source) = EmbeddingCacheTests.rows(batch)
                    try await cache.store(rows, keys: keys, source: source)
                    try log.write(contentsOf: Data([1]))  // this batch was acknowledged
                }
            }
            let acknowledged = try Data(contentsOf: stored).count
            let cache = try cache(folder)
            let found = try await Self.wholeBatches(cache, upTo: whole + acknowledged + 3)
            // One more batch may be on disk: the kill can come between the write and its acknowledgement.
            #expect(found - whole - acknowledged == 0 || found - whole - acknowledged == 1)
            #expect(try await cache.count() == found * 20)
            whole = found
        }
        #expect(whole > 0, "nothing was written before any of the kills")
    }

    @Test func twoProcessesAtOnce() async throws {
        let folder = try TemporaryFolder()
        defer { try? FileManager.default.removeItem(at: folder.url) }
        async let other = #expect(processExitsWith: .success) { [folder = folder.url as URL] in
            let cache = try EmbeddingCache(file: folder.appendingPathComponent("cache.sqlite"))
            // Half of these batches are the same as those of the other process.
            for batch in 0..<60 {
                let (rows, keys, source) = EmbeddingCacheTests.rows(batch, of: batch % 2)
                try await cache.store(rows, keys: keys, source: source)
            }
        }
        let cache = try cache(folder)
        for batch in 0..<60 {
            let (rows, keys, source) = Self.rows(batch)
            try await cache.store(rows, keys: keys, source: source)
        }
        _ = await other
        #expect(try await Self.wholeBatches(cache, upTo: 60) == 60)
        #expect(try await Self.wholeBatches(cache, of: 1, upTo: 60) == 30)
        #expect(try await cache.count() == 90 * 20)
    }

    /// Two processes ask for vectors of the same texts at the same time: each text is paid for once, and both get all
    /// vectors.
    @Test func twoProcessesPayOnce() async throws {
        let folder = try TemporaryFolder()
        defer { try? FileManager.default.removeItem(at: folder.url) }
        let server = try EmbeddingServer { _ in
            Thread.sleep(forTimeInterval: 0.01)
            return nil
        }
        defer { server.stop() }
        async let other = #expect(processExitsWith: .success) {
            [folder = folder.url as URL, url = server.url as String] in
            let cache = try EmbeddingCache(file: folder.appendingPathComponent("cache.sqlite"))
            let texts = (0..<400).map { "t\($0)" }
            let vectors = try await CachedBlackBox(EmbeddingCacheTests.box(url), cache: cache)
                .embed(items(texts), as: .document)
            #expect(vectors.values == EmbeddingServer.vectors(texts))
        }
        let texts = (0..<400).reversed().map { "t\($0)" }
        let vectors = try await CachedBlackBox(Self.box(server.url), cache: try cache(folder))
            .embed(items(texts), as: .document)
        _ = await other
        #expect(vectors.values == EmbeddingServer.vectors(texts))
        #expect(server.paid.count == 400 && Set(server.paid).count == 400)
    }

    private static func box(_ url: String) throws -> ProviderBlackBox {
        try ProviderBlackBox(
            ProfileCatalog.builtIn.profile("openai"), model: "m", baseURL: url, apiKey: try APIKey(Dialect.key),
            options: ProviderBlackBox.Options(limits: BatchLimits(items: 4)), environment: [:])
    }

    @Test func manyOpenersAtOnce() async throws {
        try await TemporaryFolder.with { folder in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for process in 0..<8 {
                    group.addTask {
                        let cache = try EmbeddingCache(file: folder.url.appendingPathComponent("cache.sqlite"))
                        for batch in 0..<5 {
                            let (rows, keys, source) = Self.rows(batch, of: process)
                            try await cache.store(rows, keys: keys, source: source)
                        }
                    }
                }
                try await group.waitForAll()
            }
            #expect(try await cache(folder).count() == 8 * 5 * 20)
        }
    }

    @Test func answeredBatchesAreKeptWhenTheCallIsCancelled() async throws {
        try await TemporaryFolder.with { folder in
            let server = try EmbeddingServer { call in
                call.request.number >= 2 ? .text("", delivery: .silence(seconds: 60)) : nil
            }
            defer { server.stop() }
            let box = CachedBlackBox(
                try server.blackBox(limits: BatchLimits(items: 2), concurrency: 1), cache: try cache(folder))
            let task = Task { try await box.embed(items((0..<8).map { "t\($0)" }), as: .document) }
            while server.requests.count < 3 { try await Task.sleep(for: .milliseconds(5)) }
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            #expect(try await box.cache.count() == 4 && server.paid.count == 4)
        }
    }

    /// Requests that are running when Ctrl-C is pressed are paid for: their answers are received and stored, and no new
    /// request is sent.
    @Test func aCancelledCallKeepsWhatIsInFlight() async throws {
        try await TemporaryFolder.with { folder in
            let server = try EmbeddingServer { call in
                .text(EmbeddingServer.answer(call.texts, base64: true), delivery: .drip(bytes: 40, pause: 0.1))
            }
            defer { server.stop() }
            let box = CachedBlackBox(
                try server.blackBox(limits: BatchLimits(items: 1), concurrency: 2) {
                    $0.retry.finishing = .seconds(20)
                }, cache: try cache(folder))
            let task = Task { try await box.embed(items((0..<10).map { "t\($0)" }), as: .document) }
            while server.requests.count < 2 { try await Task.sleep(for: .milliseconds(5)) }
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            #expect(try await box.cache.count() == server.paid.count && server.paid.count == 2)
        }
    }
}
