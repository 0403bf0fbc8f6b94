import Foundation
import MafinBlackBox
import MafinProviders
import MafinTestSupport
import Synchronization

/// A test server that speaks a vendor's dialect. It gives right answers unless it is told otherwise, and records what
/// was paid for.
final class EmbeddingServer: Sendable {
    /// One request, with the facts that a misbehaving answer needs.
    struct Call: Sendable {
        let request: StubHTTPServer.Request
        let texts: [String]
        let wantsBase64: Bool
        var inputType: String?
        var dimensions: Int?
    }

    static let dimension = 8

    let dialect: Dialect
    private let stub: StubHTTPServer
    private let paidTexts: PaidTexts

    private final class PaidTexts: Sendable {
        let texts = Mutex<[String]>([])
    }

    /// - Parameters:
    ///   - dialect: the vendor's API; requests that the vendor would refuse are refused in the same form.
    ///   - misbehave: the answer to a request, or nil for the right one. Texts are paid for if the status is 200 and
    ///     the whole answer is sent.
    init(
        _ dialect: Dialect = .openAI, misbehave: @escaping @Sendable (Call) -> StubHTTPServer.Response? = { _ in nil }
    ) throws {
        self.dialect = dialect
        let paid = PaidTexts()
        paidTexts = paid
        stub = try StubHTTPServer { request in
            let read: Dialect.Call
            do {
                read = try dialect.read(request)
            } catch let error as Dialect.Objection {
                return .text(dialect.refusal(error.message, status: error.status), status: error.status)
            } catch {
                return .text("\(error)", status: 500)
            }
            let call = Call(
                request: request, texts: read.texts, wantsBase64: read.wantsBase64, inputType: read.inputType,
                dimensions: read.dimensions)
            let response =
                misbehave(call)
                ?? .text(
                    dialect.answer(
                        call.texts.map { Self.vector($0, dimension: call.dimensions ?? Self.dimension) },
                        base64: call.wantsBase64, tokens: call.texts.reduce(0) { $0 + Self.tokens($1) }))
            switch response.delivery {
            case .hangUp, .silence: break
            case .cut(let bytes) where bytes < response.body.count: break
            default: if response.status == 200 { paid.texts.withLock { $0 += call.texts } }
            }
            return response
        }
    }

    /// A token count as a server might give it: the number of words and a few more.
    static func tokens(_ text: String) -> Int { text.split(separator: " ").count + 2 }

    var url: String { stub.url }
    var requests: [StubHTTPServer.Request] { stub.requests }
    /// Every text that was answered and therefore paid for, in order.
    var paid: [String] { paidTexts.texts.withLock { $0 } }

    func stop() { stub.stop() }

    /// The vector of a text: of unit length, the same every time, different for different texts.
    static func vector(_ text: String, dimension: Int = dimension) -> [Float] {
        var state: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in text.utf8 { state = (state ^ UInt64(byte)) &* 0x100_0000_01B3 }
        var values: [Float] = []
        for _ in 0..<dimension {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            values.append(Float(Int32(truncatingIfNeeded: state >> 32)) / Float(Int32.max))
        }
        let length = values.reduce(0) { $0 + $1 * $1 }.squareRoot()
        return values.map { $0 / length }
    }

    static func vectors(_ texts: [String]) -> [Float] { texts.flatMap { vector($0) } }

    static func base64(_ vector: [Float]) -> String { vector.withUnsafeBytes { Data($0) }.base64EncodedString() }

    static func numbers(_ vector: [Float]) -> String { "[" + vector.map { "\($0)" }.joined(separator: ", ") + "]" }

    /// A right answer: `embedding` as base64 or numbers.
    static func answer(_ texts: [String], base64: Bool) -> String {
        answer(
            texts.enumerated().map { index, text in
                (index, base64 ? "\"\(Self.base64(vector(text)))\"" : numbers(vector(text)))
            })
    }

    /// An answer of the given indices (nil: none) and JSON embeddings.
    static func answer(_ rows: [(index: Int?, embedding: String)]) -> String {
        let data = rows.map { row in
            let index = row.index.map { #""index": \#($0), "# } ?? ""
            return #"{"object": "embedding", \#(index)"embedding": \#(row.embedding)}"#
        }
        return #"{"object": "list", "data": ["# + data.joined(separator: ", ")
            + #"], "model": "m", "usage": {"prompt_tokens": 8, "total_tokens": 8}}"#
    }

    /// A black box that uses this server, with very short pauses between attempts.
    func blackBox(
        key: String? = Dialect.key, dimensions: Int? = nil, limits: BatchLimits = BatchLimits(items: 4),
        concurrency: Int = 3,
        attempts: Int = 6, timeout: Duration = .seconds(20), queryPrefix: String? = nil,
        change: (inout ProviderBlackBox.Options) -> Void = { _ in }
    ) throws -> ProviderBlackBox {
        var options = ProviderBlackBox.Options(
            limits: limits, maximumConcurrentRequests: concurrency,
            retry: RetryPolicy(
                maximumAttempts: attempts, firstDelay: .milliseconds(5), longestDelay: .milliseconds(20)),
            connection: ConnectionSettings(timeout: timeout))
        change(&options)
        return try ProviderBlackBox(
            ProfileCatalog.builtIn.profile(dialect.rawValue), model: "m", baseURL: url,
            apiKey: key.map { try APIKey($0) }, dimensions: dimensions, queryPrefix: queryPrefix, options: options,
            environment: [:])
    }
}

/// Items with ids `d0`, `d1`, …
func items(_ texts: [String]) -> [EmbeddingItem] {
    texts.enumerated().map { EmbeddingItem(id: "d\($0)", text: $1) }
}

/// The error message of a failing call.
func message(_ body: () async throws -> Void) async -> String {
    do {
        try await body()
        return "nothing was thrown"
    } catch { return "\(error)" }
}
