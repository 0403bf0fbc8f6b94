import Dispatch
import Foundation
import Synchronization

/// A small HTTP/1.1 server on loopback for tests: a closure answers each request, and can imitate the faults of real
/// servers.
///
/// It uses blocking sockets and one thread per connection, so that broken connections and slow answers happen exactly
/// as written below.
public final class StubHTTPServer: Sendable {
    /// A request as it arrived.
    public struct Request: Sendable {
        /// `GET`, `POST` …
        public let method: String
        /// Path and query, as sent.
        public let target: String
        /// Header fields, names in lower case.
        public let headers: [String: String]
        /// The body.
        public let body: [UInt8]
        /// How many requests the server had had before this one.
        public let number: Int
        /// How many connections the server had had before this one's.
        public let connection: Int

        /// A request that no server has received.
        public init(
            method: String, target: String, headers: [String: String], body: [UInt8], number: Int = 0,
            connection: Int = 0
        ) {
            self.method = method
            self.target = target
            self.headers = headers
            self.body = body
            self.number = number
            self.connection = connection
        }

        /// The body as JSON.
        public var json: [String: Any]? {
            (try? JSONSerialization.jsonObject(with: Data(body))) as? [String: Any]
        }
    }

    /// How the bytes of a response get to the client.
    public enum Delivery: Sendable {
        /// All at once; the connection stays open for further requests.
        case whole
        /// All at once; the connection is then closed without `Connection: close`, as when an idle keep-alive
        /// connection ends.
        case wholeThenClose
        /// `Transfer-Encoding: chunked` in pieces of so many bytes.
        case chunked(Int)
        /// So many bytes of the body at a time, with a pause before each.
        case drip(bytes: Int, pause: Double)
        /// Head and the first bytes of the body, then the connection is closed.
        case cut(after: Int)
        /// The connection is closed without an answer.
        case hangUp
        /// Nothing for so many seconds, then the connection is closed.
        case silence(seconds: Double)
    }

    /// What to answer.
    public struct Response: Sendable {
        /// Status code.
        public var status: Int
        /// Header fields besides `Content-Length`.
        public var headers: [String: String]
        /// The body.
        public var body: [UInt8]
        /// How it is sent.
        public var delivery: Delivery

        /// A response; `Content-Length` is added unless it is given.
        public init(
            status: Int = 200, headers: [String: String] = [:], body: [UInt8] = [], delivery: Delivery = .whole
        ) {
            self.status = status
            self.headers = headers
            self.body = body
            self.delivery = delivery
        }

        /// A response with a text body.
        public static func text(
            _ text: String, status: Int = 200, type: String = "application/json", headers: [String: String] = [:],
            delivery: Delivery = .whole
        ) -> Response {
            Response(
                status: status, headers: headers.merging(["Content-Type": type]) { given, _ in given },
                body: Array(text.utf8), delivery: delivery)
        }
    }

    private struct State {
        var requests: [Request] = []
        var connections: [Int32] = []
        var accepted = 0
        var stopped = false
    }

    /// Where the server listens: `http://127.0.0.1:PORT`.
    public let url: String
    private let listener: Int32
    private let address: sockaddr_in
    private let listening = DispatchSemaphore(value: 0)
    private let state = Mutex(State())
    private let handler: @Sendable (Request) -> Response

    /// Starts a server on a free port of the loopback interface; ``stop()`` ends it.
    public init(handler: @escaping @Sendable (Request) -> Response) throws {
        signal(SIGPIPE, SIG_IGN)  // a client that has gone away must not end the test process
        listener = Self.makeSocket()
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listener = self.listener
        let status = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic -> Int32 in
                guard bind(listener, generic, length) == 0, listen(listener, 128) == 0 else { return -1 }
                return getsockname(listener, generic, &length)
            }
        }
        guard status == 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
        url = "http://127.0.0.1:\(UInt16(bigEndian: address.sin_port))"
        self.address = address
        self.handler = handler
        Thread.detachNewThread { [self] in acceptLoop() }
    }

    /// All requests so far, in the order in which they were complete.
    public var requests: [Request] { state.withLock { $0.requests } }

    /// Stops listening and closes every connection; returns when the port is free.
    ///
    /// The accepting thread closes its own socket: closed by another one, its number could belong to a new server's socket by the time
    /// the thread accepts on it again. It is woken by a connection.
    public func stop() {
        let wasStopped = state.withLock { state in
            defer { state.stopped = true }
            for connection in state.connections { shutdown(connection, Int32(SHUT_RDWR)) }
            return state.stopped
        }
        guard !wasStopped else { return }
        let waker = Self.makeSocket()
        var address = address
        withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                _ = connect(waker, generic, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        close(waker)
        listening.wait()
        listening.signal()
    }

    private static func makeSocket() -> Int32 {
        #if canImport(Glibc)
            socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        #else
            socket(AF_INET, SOCK_STREAM, 0)
        #endif
    }

    private func acceptLoop() {
        while true {
            let connection = accept(listener, nil, nil)
            let isStopped = state.withLock { $0.stopped }
            guard connection >= 0, !isStopped else {
                if connection >= 0 { close(connection) }
                close(listener)
                listening.signal()
                return
            }
            var noDelay: Int32 = 1
            setsockopt(connection, Int32(IPPROTO_TCP), TCP_NODELAY, &noDelay, socklen_t(MemoryLayout<Int32>.size))
            let number = state.withLock { state in
                state.connections.append(connection)
                state.accepted += 1
                return state.accepted - 1
            }
            Thread.detachNewThread { [self] in
                serve(connection, number: number)
                state.withLock { $0.connections.removeAll { $0 == connection } }
                close(connection)
            }
        }
    }

    private func serve(_ connection: Int32, number: Int) {
        var buffer: [UInt8] = []
        while let request = readRequest(connection, number: number, &buffer) {
            guard send(handler(request), to: request, connection) else { return }
        }
    }

    private func readRequest(_ connection: Int32, number: Int, _ buffer: inout [UInt8]) -> Request? {
        let blank = Array("\r\n\r\n".utf8)
        var headEnd: Int?
        while headEnd == nil {
            headEnd = buffer.indices.dropLast(3).first { buffer[$0..<$0 + 4].elementsEqual(blank) }
            if headEnd == nil, !receive(connection, &buffer) { return nil }
        }
        guard let headEnd else { return nil }
        let lines = String(decoding: buffer[..<headEnd], as: UTF8.self).components(separatedBy: "\r\n")
        let start = lines[0].split(separator: " ")
        guard start.count == 3 else { return nil }
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            headers[line[..<colon].lowercased()] =
                line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
        }
        let bodyStart = headEnd + 4
        let length = Int(headers["content-length"] ?? "0") ?? 0
        while buffer.count < bodyStart + length { if !receive(connection, &buffer) { return nil } }
        let body = Array(buffer[bodyStart..<bodyStart + length])
        buffer.removeFirst(bodyStart + length)
        return state.withLock { state in
            let request = Request(
                method: String(start[0]), target: String(start[1]), headers: headers, body: body,
                number: state.requests.count, connection: number)
            state.requests.append(request)
            return request
        }
    }

    private func receive(_ connection: Int32, _ buffer: inout [UInt8]) -> Bool {
        var piece = [UInt8](repeating: 0, count: 1 << 16)
        let count = recv(connection, &piece, piece.count, 0)
        guard count > 0 else { return false }
        buffer.append(contentsOf: piece[..<count])
        return true
    }

    /// Returns whether the connection may be used for another request.
    private func send(_ response: Response, to request: Request, _ connection: Int32) -> Bool {
        var head = "HTTP/1.1 \(response.status) Status\r\n"
        for (name, value) in response.headers { head += "\(name): \(value)\r\n" }
        if case .chunked = response.delivery {
            head += "Transfer-Encoding: chunked\r\n"
        } else if response.headers["Content-Length"] == nil {
            head += "Content-Length: \(response.body.count)\r\n"
        }
        head += "\r\n"
        let body = request.method == "HEAD" ? [] : response.body
        switch response.delivery {
        case .hangUp: return false
        case .silence(let seconds):
            Thread.sleep(forTimeInterval: seconds)
            return false
        case .whole: return write(Array(head.utf8) + body, connection)
        case .wholeThenClose:
            _ = write(Array(head.utf8) + body, connection)
            return false
        case .cut(let count):
            _ = write(Array(head.utf8) + body.prefix(count), connection)
            return false
        case .drip(let size, let pause):
            guard write(Array(head.utf8), connection) else { return false }
            for start in stride(from: 0, to: body.count, by: size) {
                Thread.sleep(forTimeInterval: pause)
                guard write(Array(body[start..<min(start + size, body.count)]), connection) else { return false }
            }
            return true
        case .chunked(let size):
            var bytes = Array(head.utf8)
            for start in stride(from: 0, to: body.count, by: size) {
                let piece = body[start..<min(start + size, body.count)]
                bytes += Array("\(String(piece.count, radix: 16))\r\n".utf8) + piece + Array("\r\n".utf8)
            }
            return write(bytes + Array("0\r\n\r\n".utf8), connection)
        }
    }

    private func write(_ bytes: [UInt8], _ connection: Int32) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes { buffer -> Int in
                guard let base = buffer.baseAddress else { return 0 }
                return Foundation.send(connection, base + sent, bytes.count - sent, 0)
            }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }
}
