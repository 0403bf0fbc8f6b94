import Foundation
import MafinNumerics
import MafinProviders
import NIOCore
import NIOHTTP1

/// How the server of a store is reached.
public struct StoreConnection: Sendable {
    /// The key; nil: none is sent.
    public var key: String?
    /// Proxy, certificates and time limits.
    public var settings: ConnectionSettings

    /// A connection.
    public init(key: String? = nil, settings: ConnectionSettings = ConnectionSettings()) {
        (self.key, self.settings) = (key, settings)
    }
}

/// Sends requests to the server of a store, again if that may help. All requests of the stores may be sent twice.
struct StoreServer {
    let kind: StoreKind
    /// Base address, without a slash at its end.
    let url: String
    private let transport: HTTPTransport
    private let headers: HTTPHeaders
    private let timeout: Duration

    private static let attempts = 6
    private static let maximumBytes = 512 << 20

    /// - Throws: `ProviderError` for a malformed proxy or certificate file.
    init(_ kind: StoreKind, url: String, _ connection: StoreConnection) throws {
        (self.kind, self.url) = (kind, url)
        transport = try HTTPTransport(connection.settings)
        timeout = connection.settings.timeout
        var headers = HTTPHeaders([("content-type", "application/json"), ("accept", "application/json")])
        if let key = connection.key {
            switch kind {
            case .chroma: headers.add(name: "x-chroma-token", value: key)
            case .qdrant: headers.add(name: "api-key", value: key)
            case .elasticsearch: headers.add(name: "authorization", value: "ApiKey \(key)")
            case .opensearch: headers.add(name: "authorization", value: "Basic \(Data(key.utf8).base64EncodedString())")
            default: headers.add(name: "authorization", value: "Bearer \(key)")
            }
        }
        self.headers = headers
    }

    /// An answer.
    struct Answer {
        var status: Int
        var body: JSONValue
    }

    /// Sends a request and returns its answer.
    /// - Parameters:
    ///   - path: after the base address, with its slash.
    ///   - body: JSON, or lines of JSON.
    ///   - accepting: statuses besides 200…299 that are no errors.
    /// - Throws: ``StoreError``.
    func send(
        _ method: HTTPMethod, _ path: String, _ body: [UInt8]? = nil, type: String? = nil, accepting: Set<Int> = [],
        what: String
    ) async throws -> Answer {
        var headers = headers
        if let type { headers.replaceOrAdd(name: "content-type", value: type) }
        var reason = ""
        for attempt in 1...Self.attempts {
            if attempt > 1 { try await Task.sleep(for: .milliseconds(250 << attempt)) }
            let answer: HTTPAnswer
            do {
                answer = try await transport.send(
                    method, url + path, headers: headers, body: body.map { ByteBuffer(bytes: $0) }, timeout: timeout,
                    maximumBytes: Self.maximumBytes)
            } catch let failure as ConnectionFailure {
                reason = failure.description
                continue
            }
            let bytes = Array(answer.body.readableBytesView)
            if [429, 502, 503, 504].contains(answer.status) {
                reason = "status \(answer.status): \(Self.complaint(bytes))"
                if let delay = answer.retryDelay { try await Task.sleep(for: min(delay, .seconds(60))) }
                continue
            }
            guard (200..<300).contains(answer.status) || accepting.contains(answer.status) else {
                throw StoreError.refused(
                    store: "\(kind.name) (\(url))", what: what,
                    reason: "status \(answer.status): \(Self.complaint(bytes))")
            }
            var value = JSONValue.null
            do {
                if !bytes.isEmpty { value = try JSONValue(parsing: bytes) }
            } catch  where (200..<300).contains(answer.status) {
                // Nothing says that such a server did what it was asked for.
                throw StoreError.mismatch(
                    store: "\(kind.name) (\(url))", expected: "JSON as the answer to \(what)",
                    found: Self.complaint(bytes))
            } catch {}
            return Answer(status: answer.status, body: value)
        }
        throw StoreError.unreachable(
            store: "\(kind.name) (\(url))", reason: "\(what) failed \(Self.attempts) times, at last: \(reason)")
    }

    /// The server's own words, cut to a line.
    static func complaint(_ bytes: [UInt8]) -> String {
        var text = String(decoding: bytes, as: UTF8.self)
        if let value = try? JSONValue(parsing: bytes) {
            let found = [
                value["message"], value["status"]?["error"], value["error"]?["reason"], value["error"], value["reason"],
            ]
            text = found.compactMap { $0?.text }.first ?? text
        }
        let line = text.split(whereSeparator: \.isNewline).joined(separator: " ")
        return line.count > 300 ? line.prefix(300) + " …" : line
    }

    /// A part of a path.
    static func escaped(_ name: String) -> String {
        name.addingPercentEncoding(withAllowedCharacters: .alphanumerics.union(CharacterSet(charactersIn: "-._~")))
            ?? name
    }

    /// An error of an answer that lacks something.
    func unexpected(_ what: String) -> StoreError {
        .mismatch(store: "\(kind.name) (\(url))", expected: what, found: "another answer")
    }
}
