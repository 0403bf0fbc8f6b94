import Foundation
import NIOCore
import NIOHTTP1

/// Asks a service that is no provider: another `mafin serve`.
package struct JSONClient: Sendable {
    private let transport: any RequestTransport
    private let key: String?
    private let timeout: Duration

    /// An answer that was not complete, or none.
    package struct Failure: Error, CustomStringConvertible {
        package var description: String
    }

    /// - Parameters:
    ///   - key: sent as a bearer token; `nil`: none.
    ///   - timeout: for one request and its whole answer.
    /// - Throws: ``ProviderError`` for a malformed proxy.
    package init(_ settings: ConnectionSettings = ConnectionSettings(), key: String?, timeout: Duration) throws {
        transport = try HTTPTransport(settings, idleSeconds: 60)
        (self.key, self.timeout) = (key, timeout)
    }

    /// Sends a body, or asks without one.
    /// - Parameter maximumBytes: a longer answer is a failure.
    /// - Returns: status and body.
    /// - Throws: ``Failure``; `CancellationError`.
    package func send(_ url: String, body: Data?, maximumBytes: Int = 64 << 20) async throws -> (
        status: Int, body: Data
    ) {
        var headers = HTTPHeaders([("accept", "application/json")])
        if body != nil { headers.add(name: "content-type", value: "application/json") }
        if let key { headers.add(name: "authorization", value: "Bearer \(key)") }
        do {
            let answer = try await transport.send(
                body == nil ? .GET : .POST, url, headers: headers, body: body.map { ByteBuffer(bytes: $0) },
                timeout: timeout, maximumBytes: maximumBytes)
            return (answer.status, Data(answer.body.readableBytesView))
        } catch let failure as ConnectionFailure {
            throw Failure(description: failure.description)
        }
    }
}
