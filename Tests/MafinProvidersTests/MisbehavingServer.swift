import MafinBlackBox
import MafinNumerics
import MafinProviders
import MafinTestSupport
import Testing

/// Tests in which a black box uses a server whose answers the test chooses.
protocol MisbehavingServer {}

extension MisbehavingServer {
    static var texts: [String] {
        (0..<11).map { "text number \($0)" } + ["tab\t\"quote\" \\ \u{1} line\n é 日本 😀"]
    }

    /// Checks that the call succeeds, that every text was paid for once, and that every vector is in its row.
    func expectAnswered(
        _ texts: [String] = Self.texts, concurrency: Int = 3, limits: BatchLimits = BatchLimits(items: 4),
        timeout: Duration = .seconds(20),
        sourceLocation: SourceLocation = #_sourceLocation,
        misbehave: @escaping @Sendable (EmbeddingServer.Call) -> StubHTTPServer.Response?
    ) async throws {
        let server = try EmbeddingServer(misbehave: misbehave)
        defer { server.stop() }
        let box = try server.blackBox(limits: limits, concurrency: concurrency, timeout: timeout)
        let vectors = try await box.embed(items(texts), as: .document)
        #expect(close(vectors.values, EmbeddingServer.vectors(texts)), sourceLocation: sourceLocation)
        #expect(server.paid.sorted() == texts.sorted(), sourceLocation: sourceLocation)
    }

    /// The error message when the call fails.
    func failure(
        _ texts: [String] = Self.texts, key: String? = Dialect.key, dimensions: Int? = nil, attempts: Int = 3,
        timeout: Duration = .seconds(20),
        misbehave: @escaping @Sendable (EmbeddingServer.Call) -> StubHTTPServer.Response?
    ) async throws -> (message: String, requests: Int) {
        let server = try EmbeddingServer(misbehave: misbehave)
        defer { server.stop() }
        let box = try server.blackBox(
            key: key, dimensions: dimensions, concurrency: 1, attempts: attempts, timeout: timeout)
        let text = await message { _ = try await box.embed(items(texts), as: .document) }
        return (text, server.requests.count)
    }

    func close(_ one: [Float], _ other: [Float]) -> Bool {
        one.count == other.count && zip(one, other).allSatisfy { abs($0 - $1) < 1e-6 }
    }
}
