import Foundation
import MafinBlackBox
import MafinNumerics
import MafinTestSupport
import MafinText
import Synchronization
import Testing

@testable import MafinProviders

@Suite struct OverflowTests {
    /// A server with a limit on the number of words.
    private func server(_ limit: Int) throws -> EmbeddingServer {
        try EmbeddingServer { call in
            call.texts.contains { $0.split(separator: " ").count > limit }
                ? .text(
                    #"{"error":{"message":"This model's maximum context length is \#(limit) tokens"}}"#, status: 400)
                : nil
        }
    }

    private func words(_ count: Int, _ word: String = "word") -> String {
        (0..<count).map { "\(word)\($0)" }.joined(separator: " ")
    }

    private func box(
        _ server: EmbeddingServer, _ folder: TemporaryFolder, _ policy: OverflowPolicy, limit: Int?,
        ruler: TokenRuler = TokenRuler()
    ) throws -> OverflowBlackBox {
        let cache = try EmbeddingCache(file: folder.url.appendingPathComponent("cache.sqlite"))
        return OverflowBlackBox(
            CachedBlackBox(try server.blackBox(), cache: cache), policy: policy, limit: limit, ruler: ruler)
    }

    private func unitMean(_ pieces: [String]) -> [Float] {
        var sum = [Double](repeating: 0, count: 8)
        for piece in pieces {
            for (column, value) in EmbeddingServer.vector(piece).enumerated() {
                sum[column] += Double(value) * Double(piece.utf8.count)
            }
        }
        let length = sum.reduce(0) { $0 + $1 * $1 }.squareRoot()
        return sum.map { Float($0 / length) }
    }

    @Test func errorNamesTheTextsAndEmbedsTheRest() async throws {
        try await TemporaryFolder.with { folder in
            let server = try server(20)
            defer { server.stop() }
            let texts = [words(5), words(30), words(6), words(40)]
            let text = await message {
                _ = try await box(server, folder, .error, limit: 20).embed(items(texts), as: .document)
            }
            #expect(
                text.contains("refuses 2 documents ('d1', 'd3'): This model's maximum context length is 20"), "\(text)")
            #expect(server.paid.sorted() == [texts[0], texts[2]].sorted())
        }
    }

    @Test func truncateKeepsTheBeginningAndAsksNothingTwice() async throws {
        try await TemporaryFolder.with { folder in
            let server = try server(20)
            defer { server.stop() }
            let texts = [words(5), words(30), words(6), words(400, "x")]
            let box = try box(server, folder, .truncate, limit: 20)
            #expect(box.identity.truncation == "truncate 20 tokens")
            let first = try await box.embed(items(texts), as: .document)
            #expect(server.paid.count == 4)
            let cut = server.paid.filter { !texts.contains($0) }
            #expect(cut.count == 2 && cut.allSatisfy { piece in texts.contains { $0.hasPrefix(piece) } })
            #expect(Array(first.row(0)) == EmbeddingServer.vector(texts[0]))
            for row in [1, 3] {
                let piece = try #require(cut.first { texts[row].hasPrefix($0) })
                #expect(zip(first.row(row), EmbeddingServer.vector(piece)).allSatisfy { abs($0 - $1) < 1e-6 })
            }
            #expect(try await box.embed(items(texts), as: .document) == first)
            #expect(server.paid.count == 4)
        }
    }

    @Test func splitMeanIsTheWeightedMeanOfThePieces() async throws {
        try await TemporaryFolder.with { folder in
            let server = try server(20)
            defer { server.stop() }
            let texts = [words(5), words(70), words(3)]
            let box = try box(server, folder, .splitMean, limit: 20)
            let vectors = try await box.embed(items(texts), as: .document)
            let pieces = server.paid.filter { !texts.contains($0) }.sorted { first, second in
                texts[1].range(of: first)?.lowerBound ?? texts[1].startIndex < texts[1].range(of: second)?.lowerBound
                    ?? texts[1].startIndex
            }
            #expect(pieces.joined() == texts[1] && pieces.count >= 4)
            #expect(zip(vectors.row(1), unitMean(pieces)).allSatisfy { abs($0 - $1) < 1e-5 })
            #expect(Array(vectors.row(2)) == EmbeddingServer.vector(texts[2]))
            let paid = server.paid.count
            #expect(try await box.embed(items(texts), as: .document) == vectors)
            #expect(server.paid.count == paid)
        }
    }

    /// A search without the black box finds long documents too, but not those of which a piece is missing.
    @Test(arguments: [20, nil])
    func theMeanOfCachedPiecesIsKnown(limit: Int?) async throws {
        try await TemporaryFolder.with { folder in
            let server = try server(20)
            defer { server.stop() }
            let texts = [words(5), words(70), words(3), words(80, "x")]
            let cache = try EmbeddingCache(file: folder.url.appendingPathComponent("cache.sqlite"))
            let box = OverflowBlackBox(
                CachedBlackBox(try server.blackBox(), cache: cache), policy: .splitMean, limit: limit,
                ruler: TokenRuler(), cache: cache)
            #expect(try await box.known(items(texts), as: .document).indices.isEmpty)
            let asked = try await box.embed(items(Array(texts[..<3])), as: .document)
            let paid = server.paid.count
            let known = try await box.known(items(texts), as: .document)
            #expect(known.indices == [0, 1, 2] && known.vectors == asked && server.paid.count == paid)
        }
    }

    /// The limit is not known: after each refusal the pieces get shorter, until the server accepts them.
    @Test(arguments: [OverflowPolicy.truncate, .splitMean])
    func limitsThatOnlyRefusalsTell(policy: OverflowPolicy) async throws {
        try await TemporaryFolder.with { folder in
            let server = try server(10)
            defer { server.stop() }
            let texts = [words(4), words(100), words(9)]
            let vectors = try await box(server, folder, policy, limit: nil).embed(items(texts), as: .query)
            #expect(vectors.rows == 3 && Array(vectors.row(0)) == EmbeddingServer.vector(texts[0]))
            let pieces = server.paid.filter { !texts.contains($0) }
            #expect(policy == .truncate ? pieces.count == 1 : pieces.count >= 10)
            #expect(pieces.allSatisfy { $0.split(separator: " ").count <= 10 })
            #expect(Set(server.paid).count == server.paid.count)
        }
    }

    @Test func manyLongTextsAmongMoreShortOnesAreAllCut() async throws {
        try await TemporaryFolder.with { folder in
            let server = try server(20)
            defer { server.stop() }
            let texts = (0..<600).map { $0 % 3 == 0 ? words(22, "w\($0)-") : "short \($0)" }
            let vectors = try await box(server, folder, .truncate, limit: nil).embed(items(texts), as: .document)
            #expect(vectors.rows == 600 && server.paid.count == 600)
            #expect(Set(server.paid).count == 600)
        }
    }

    /// The limit is not known and most texts exceed it: what one refusal shows is used for all texts.
    @Test(arguments: [OverflowPolicy.truncate, .splitMean])
    func aLimitThatMostTextsExceedIsLearned(policy: OverflowPolicy) async throws {
        try await TemporaryFolder.with { folder in
            let server = try server(20)
            defer { server.stop() }
            let texts = (0..<800).map { $0 % 10 == 0 ? "short \($0)" : words(60 + $0 % 40, "w\($0)-") }
            let vectors = try await box(server, folder, policy, limit: nil).embed(items(texts), as: .document)
            #expect(vectors.rows == 800 && Set(server.paid).count == server.paid.count)
            #expect(server.paid.allSatisfy { $0.split(separator: " ").count <= 20 })
            // The accepted pieces are not much shorter than necessary.
            let pieces = server.paid.filter { !$0.hasPrefix("short") }
            #expect(policy == .splitMean || pieces.allSatisfy { $0.split(separator: " ").count >= 8 })
            #expect(server.requests.count - server.paid.count / 4 < 5000)
        }
    }

    @Test(.enabled(if: TestModel.isAvailable, Comment(rawValue: TestModel.skipMessage)))
    func exactCountsSayBeforehandWhichTextsAreTooLong() async throws {
        let folder = try #require(TestModel.folder())
        let ruler = TokenRuler(tokenizer: try WordPieceTokenizer(modelFolder: folder))
        try await TemporaryFolder.with { temporary in
            let server = try server(1000)
            defer { server.stop() }
            let texts = ["a short text", words(80), "naïve café 日本語 " + words(30, "mot")]
            let error = await message {
                _ = try await box(server, temporary, .error, limit: 64, ruler: ruler).embed(items(texts), as: .document)
            }
            #expect(
                error.hasPrefix("2 documents are longer than the 64 tokens that the model accepts: 'd1', 'd2'"))
            #expect(server.requests.isEmpty)
            _ = try await box(server, temporary, .splitMean, limit: 64, ruler: ruler).embed(items(texts), as: .document)
            #expect(ruler.counts(of: server.paid).allSatisfy { $0 <= 64 })
            #expect(
                texts[1...].allSatisfy { text in
                    server.paid.filter { text.contains($0) }.map(\.utf8.count).reduce(0, +) == text.utf8.count
                })
        }
    }

    @Test(arguments: [
        ("", 5, [String]()), ("abc", 5, ["abc"]), ("abcdefgh", 5, ["abcde", "fgh"]),
        ("abc defgh ij", 5, ["abc ", "defgh", " ij"]), ("ééééé", 5, ["éé", "éé", "é"]), ("日本語", 1, ["日", "本", "語"]),
        ("a😀b", 2, ["a", "😀", "b"]),
    ])
    func pieces(text: String, bytes: Int, expected: [String]) {
        let pieces = TokenRuler.pieces(of: text, maximumBytes: bytes)
        #expect(pieces == expected && pieces.joined() == text)
    }

    /// Ollama's trap: the server truncates long texts without an error, and only the token count shows it.
    @Test func silentTruncationIsWarnedOf() async throws {
        let messages = Messages()
        let server = try EmbeddingServer(.ollama) { call in
            .text(
                Dialect.ollama.answer(
                    call.texts.map { EmbeddingServer.vector($0) }, base64: false,
                    tokens: call.texts.reduce(0) { $0 + min(50, EmbeddingServer.tokens($1)) }))
        }
        defer { server.stop() }
        let box = try server.blackBox { $0.logger = messages.logger }
        _ = try await box.embed(items([words(10), words(20)]), as: .document)
        #expect(messages.all.isEmpty)
        _ = try await box.embed(items([words(10), words(300)]), as: .document)
        #expect(messages.all.count == 1 && messages.all[0].hasPrefix("the server cuts long texts without an error"))
        #expect(messages.all[0].contains("longest=d1"))
    }
}
