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
package struct HTTPAnswer: Sendable {
    package var status: Int
    package var headers: HTTPHeaders
    package var body: ByteBuffer

    /// The pause that the header asks for before the next request.
    package var retryDelay: Duration? {
        RetryPolicy.serverDelay(
            milliseconds: headers.first(name: "retry-after-ms"), after: headers.first(name: "retry-after"))
    }
}

/// A request without a complete answer: no connection, cut off, too slow. Sending it again may help.
package struct ConnectionFailure: Error, CustomStringConvertible {
    package let description: String
    /// Whether part of the request's body was sent. Then the server may have worked on it and may bill it.
    package var wasSent = true
}

/// Sends requests to a server and returns complete answers. Tests use their own implementation.
package protocol RequestTransport: Sendable {
    /// Sends one request and returns its complete answer.
    /// - Parameters:
    ///   - timeout: for the whole exchange.
    ///   - maximumBytes: a longer body is an error.
    /// - Throws: ``ConnectionFailure``, `CancellationError`
    func send(
        _ method: HTTPMethod, _ url: String, headers: HTTPHeaders, body: ByteBuffer?, timeout: Duration,
        maximumBytes: Int
    ) async throws -> HTTPAnswer
}

/// Sends requests over the network.
package struct HTTPTransport: RequestTransport {
    let client: HTTPClient

    private struct Way: Hashable {
        var settings: ConnectionSettings
        var idleSeconds: Int64
    }

    private static let clients = Mutex<[Way: HTTPClient]>([:])

    /// There is one client for each combination of settings while the process lives. Redirects are returned to the caller. A connection is tried
    /// once, because the caller decides about further attempts.
    /// - Parameter idleSeconds: how long a server may send nothing. APIs may work for minutes before the first byte.
    /// - Throws: ``ProviderError/badEndpoint(_:reason:)`` for a malformed proxy, ``ProviderError/badCertificates(path:reason:)``
    package init(_ settings: ConnectionSettings, idleSeconds: Int64 = 600) throws {
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

    package func send(
        _ method: HTTPMethod, _ url: String, headers: HTTPHeaders, body: ByteBuffer? = nil, timeout: Duration,
        maximumBytes: Int
    ) async throws -> HTTPAnswer {
        var request = HTTPClientRequest(url: url)
        request.method = method
        request.headers = headers
        if let trace = OutgoingTrace.header { request.headers.replaceOrAdd(name: "traceparent", value: trace) }
        // The client reads the body after it has connected and has sent the request's head.
        let isTaken = Atomic(body == nil)
        if let body {
            request.body = .stream(
                AsyncStream { isTaken.exchange(true, ordering: .relaxed) ? nil : body },
                length: .known(Int64(body.readableBytes)))
        }
        let prepared = request
        do {
            return try await withDeadline(timeout) {
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
            } late: {
                ConnectionFailure(description: "no complete answer within \(timeout)")
            }
        } catch var failure as ConnectionFailure {
            failure.wasSent = isTaken.load(ordering: .relaxed)
            throw failure
        }
    }

    /// Runs `body` and converts the client's errors to a ``ConnectionFailure``.
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
            return "no trusted TLS connection (\(error)); for your own certificate authority, pass its file (--ca-file)"
        }
        switch error as? HTTPClientError {
        case .remoteConnectionClosed?: return "the server closed the connection before its answer was complete"
        case .connectTimeout?: return "the connection was not made in time"
        case .readTimeout?: return "the server stopped answering"
        case .proxyAuthenticationRequired?: return "the proxy requires a name and password"
        default: return "\(error)"
        }
    }
}
