import AsyncHTTPClient
import Foundation
import MafinBlackBox
import MafinNumerics
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Synchronization

/// An answer to a request: status, header and body.
struct HTTPAnswer: Sendable {
    var status: Int
    var headers: HTTPHeaders
    var body: ByteBuffer

    /// The pause that the header asks for before the next request.
    var retryDelay: Duration? {
        RetryPolicy.serverDelay(
            milliseconds: headers.first(name: "retry-after-ms"), after: headers.first(name: "retry-after"))
    }
}

/// A request that got no whole answer: no connection, cut off, too slow. Asking again may help.
struct ConnectionFailure: Error, CustomStringConvertible {
    let description: String
    /// Whether something of the request's body has left this machine: then the server may have worked on it, and may bill it.
    var wasSent = true
}

/// Sends requests to a server and returns whole answers. Tests use their own.
protocol RequestTransport: Sendable {
    /// One request and its whole answer.
    /// - Parameters:
    ///   - timeout: for the whole exchange.
    ///   - maximumBytes: longer bodies fail.
    /// - Throws: ``ConnectionFailure``, `CancellationError`
    func send(
        _ method: HTTPMethod, _ url: String, headers: HTTPHeaders, body: ByteBuffer?, timeout: Duration,
        maximumBytes: Int
    ) async throws -> HTTPAnswer
}

/// Sends requests over the network; knows nothing of what they mean.
struct HTTPTransport: RequestTransport {
    let client: HTTPClient

    private struct Way: Hashable {
        var settings: ConnectionSettings
        var idleSeconds: Int64
    }

    private static let clients = Mutex<[Way: HTTPClient]>([:])

    /// One client for each way of reaching servers, for as long as the process lives. Redirects are returned to the caller. A connection is tried
    /// once, because the caller decides about pauses between attempts.
    /// - Parameter idleSeconds: for how long a server may be silent: APIs may think for minutes before the first byte.
    /// - Throws: ``ProviderError/badEndpoint(_:reason:)`` for a malformed proxy, ``ProviderError/badCertificates(path:reason:)``
    init(_ settings: ConnectionSettings, idleSeconds: Int64 = 600) throws {
        var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
        configuration.timeout.read = .seconds(idleSeconds)
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 64
        configuration.timeout.connect = .nanoseconds(Int64(settings.connectTimeout.inSeconds * 1e9))
        if let proxy = try settings.proxyParts() {
            configuration.proxy = .server(
                host: proxy.host, port: proxy.port,
                authorization: proxy.user.map { .basic(username: $0, password: proxy.password ?? "") })
        }
        if let file = settings.certificateAuthorities {
            guard let certificates = try? NIOSSLCertificate.fromPEMFile(file.path) else {
                throw ProviderError.badCertificates(path: file.path, reason: "no PEM certificates can be read there")
            }
            var tls = TLSConfiguration.makeClientConfiguration()
            tls.additionalTrustRoots = [.certificates(certificates)]
            configuration.tlsConfiguration = tls
        }
        let prepared = configuration
        client = Self.clients.withLock { clients in
            let way = Way(settings: settings, idleSeconds: idleSeconds)
            if let client = clients[way] { return client }
            let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: prepared)
            clients[way] = client
            return client
        }
    }

    func send(
        _ method: HTTPMethod, _ url: String, headers: HTTPHeaders, body: ByteBuffer? = nil, timeout: Duration,
        maximumBytes: Int
    ) async throws -> HTTPAnswer {
        var request = HTTPClientRequest(url: url)
        request.method = method
        request.headers = headers
        if let trace = OutgoingTrace.header { request.headers.replaceOrAdd(name: "traceparent", value: trace) }
        // The client takes the body once it has a connection and has sent the request's head.
        let isTaken = Atomic(body == nil)
        if let body {
            request.body = .stream(
                AsyncStream { isTaken.exchange(true, ordering: .relaxed) ? nil : body },
                length: .known(Int64(body.readableBytes)))
        }
        let prepared = request
        do {
            return try await Self.within(timeout) {
                try await Self.namingFailures {
                    let response = try await client.execute(prepared, timeout: .hours(24))
                    let expected = response.headers.first(name: "content-length").flatMap { Int($0) }
                    let collected = try await response.body.collect(upTo: maximumBytes)
                    // The body of a cancelled request ends as if it were complete.
                    try Task.checkCancellation()
                    if method != .HEAD, let expected, collected.readableBytes != expected,
                        response.headers.first(name: "content-encoding") == nil
                    {
                        throw ConnectionFailure(
                            description: "the answer ended after \(collected.readableBytes) of \(expected) bytes")
                    }
                    return HTTPAnswer(status: Int(response.status.code), headers: response.headers, body: collected)
                }
            }
        } catch var failure as ConnectionFailure {
            failure.wasSent = isTaken.load(ordering: .relaxed)
            throw failure
        }
    }

    /// Runs `body` and turns whatever the client throws into a sentence.
    static func namingFailures<Result: Sendable>(_ body: () async throws -> Result) async throws -> Result {
        do {
            return try await body()
        } catch let error where error is ConnectionFailure || error is ProviderError || error is CancellationError {
            throw error
        } catch {
            if Task.isCancelled { throw CancellationError() }
            throw ConnectionFailure(description: describe(error))
        }
    }

    private static func describe(_ error: any Error) -> String {
        if let error = error as? NIOConnectionError {
            let reason = error.connectionErrors.first.map { "\($0.error)" } ?? error.dnsAError.map { "\($0)" }
            return "no connection to \(error.host):\(error.port)" + (reason.map { " (\($0))" } ?? "")
        }
        if let error = error as? IOError { return "connection failed: \(String(cString: strerror(error.errnoCode)))" }
        if error is NIOSSLExtraError { return "the server's certificate is not for this address" }
        if let error = error as? NIOSSLError, case .handshakeFailed = error {
            return "no trusted TLS connection (\(error)); for a certificate authority of your own, name its file"
        }
        switch error as? HTTPClientError {
        case .remoteConnectionClosed?: return "the server closed the connection before its answer was complete"
        case .connectTimeout?: return "the connection was not made in time"
        case .readTimeout?: return "the server fell silent"
        case .proxyAuthenticationRequired?: return "the proxy wants a name and password"
        default: return "\(error)"
        }
    }

    /// `body`'s result, or a ``ConnectionFailure`` when it takes longer.
    private static func within<Result: Sendable>(
        _ limit: Duration, _ body: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        try await withThrowingTaskGroup(of: Result.self) { group in
            group.addTask { try await body() }
            group.addTask {
                try await Task.sleep(for: limit)
                throw ConnectionFailure(description: "no whole answer within \(limit)")
            }
            defer { group.cancelAll() }
            guard let result = try await group.next() else { throw CancellationError() }
            return result
        }
    }
}
