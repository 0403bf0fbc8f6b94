import Foundation
import MafinNumerics
import MafinTestSupport
import NIOCore
import NIOHTTP1
import Synchronization

@testable import MafinProviders

/// A clock for tests: a sleep ends at once and moves the time forward.
final class VirtualTime: TimeSource {
    private let clock = Mutex(Duration.zero)

    var now: Duration { clock.withLock { $0 } }
    var wallTime: Double { now.inSeconds }

    func sleep(until time: Duration) async throws {
        await Task.yield()
        clock.withLock { $0 = max($0, time) }
    }
}

/// A vendor's server within the process, for thousands of runs. A closure decides the answers; the server records what
/// was paid for.
final class FakeTransport: RequestTransport {
    enum Reaction: Sendable {
        /// The right answer.
        case answer
        /// Another answer, for which nothing is paid.
        case respond(status: Int, headers: [String: String] = [:], body: String)
        /// No answer arrives.
        case fail(String)
    }

    private struct State {
        var paid: [String] = []
        var requests = 0
        var inFlight = 0
        var highestInFlight = 0
    }

    private let dialect: Dialect
    private let model: String
    private let state = Mutex(State())
    private let react: @Sendable (Int, Dialect.Call) -> Reaction

    init(_ dialect: Dialect, model: String, react: @escaping @Sendable (Int, Dialect.Call) -> Reaction) {
        self.dialect = dialect
        self.model = model
        self.react = react
    }

    /// Every text that was answered.
    var paid: [String] { state.withLock { $0.paid } }
    var requests: Int { state.withLock { $0.requests } }
    var highestInFlight: Int { state.withLock { $0.highestInFlight } }

    func send(
        _ method: HTTPMethod, _ url: String, headers: HTTPHeaders, body: ByteBuffer?, timeout: Duration,
        maximumBytes: Int
    ) async throws -> HTTPAnswer {
        let number = state.withLock { state in
            state.requests += 1
            state.inFlight += 1
            state.highestInFlight = max(state.highestInFlight, state.inFlight)
            return state.requests - 1
        }
        defer { state.withLock { $0.inFlight -= 1 } }
        await Task.yield()
        if Task.isCancelled { throw CancellationError() }
        let target = url.replacingOccurrences(of: "http://fake", with: "")
        let fields = Dictionary(headers.map { ($0.name.lowercased(), $0.value) }) { first, _ in first }
        let request = StubHTTPServer.Request(
            method: method.rawValue, target: target, headers: fields,
            body: body.map { Array($0.readableBytesView) } ?? [],
            number: number)
        let call: Dialect.Call
        do {
            call = try dialect.read(request, model: model)
        } catch let objection as Dialect.Objection {
            return answer(dialect.refusal(objection.message, status: objection.status), status: objection.status)
        }
        switch react(number, call) {
        case .answer:
            state.withLock { $0.paid += call.texts }
            let tokens = call.texts.reduce(0) { $0 + EmbeddingServer.tokens($1) }
            return answer(
                dialect.answer(
                    call.texts.map { EmbeddingServer.vector($0) }, base64: call.wantsBase64 && number % 3 != 0,
                    tokens: tokens))
        case .respond(let status, let headers, let body): return answer(body, status: status, headers: headers)
        case .fail(let reason): throw ConnectionFailure(description: reason)
        }
    }

    private func answer(_ body: String, status: Int = 200, headers: [String: String] = [:]) -> HTTPAnswer {
        HTTPAnswer(
            status: status, headers: HTTPHeaders(headers.map { ($0.key, $0.value) }), body: ByteBuffer(string: body))
    }
}
