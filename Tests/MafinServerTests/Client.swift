import AsyncHTTPClient
import Foundation
import MafinBlackBox
import NIOCore
import NIOHTTP1
import Testing

@testable import MafinServer

/// An answer as a client sees it.
struct Answer: Sendable {
    let status: Int
    let headers: HTTPHeaders
    let data: Data

    /// A header's value.
    func header(_ name: String) -> String? { headers.first(name: name) }

    /// The body as a JSON object.
    var json: [String: Any] {
        ((try? JSONSerialization.jsonObject(with: data)) as? [String: Any]) ?? [:]
    }

    var text: String { String(decoding: data, as: UTF8.self) }

    /// The message of an error in OpenAI's shape.
    var message: String { (json["error"] as? [String: Any])?["message"] as? String ?? "" }
    var code: String? { (json["error"] as? [String: Any])?["code"] as? String }

    /// Vectors of OpenAI's list, in the order of their index.
    func vectors() throws -> [[Float]] {
        let data = try #require(json["data"] as? [[String: Any]])
        return try data.enumerated().map { place, entry in
            #expect(entry["index"] as? Int == place)
            if let text = entry["embedding"] as? String { return try Self.floats(base64: text) }
            return try #require(entry["embedding"] as? [Any]).map { try #require($0 as? NSNumber).floatValue }
        }
    }

    static func floats(base64 text: String) throws -> [Float] {
        let bytes = try #require(Data(base64Encoded: text))
        return stride(from: 0, to: bytes.count, by: 4).map { offset in
            Float(bitPattern: bytes[offset..<offset + 4].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) })
        }
    }
}

/// A client of a service that listens on loopback.
struct Client: Sendable {
    let port: Int

    func get(_ path: String, _ headers: [String: String] = [:]) async throws -> Answer {
        try await send("GET", path, headers)
    }

    func post(_ path: String, _ body: [String: Any], _ headers: [String: String] = [:]) async throws -> Answer {
        try await post(path, data: JSONSerialization.data(withJSONObject: body), headers)
    }

    /// Asks for the vector of one text.
    func embed(_ text: String, as role: TextRole = .document) async throws -> Answer {
        try await post("/v1/embeddings", ["input": text, "input_type": role.rawValue])
    }

    func post(_ path: String, data: Data, _ headers: [String: String] = [:]) async throws -> Answer {
        try await send("POST", path, ["content-type": "application/json"].merging(headers) { $1 }, data)
    }

    func send(
        _ method: String, _ path: String, _ headers: [String: String] = [:], _ body: Data? = nil
    ) async throws -> Answer {
        var request = HTTPClientRequest(url: "http://127.0.0.1:\(port)\(path)")
        request.method = HTTPMethod(rawValue: method)
        for (name, value) in headers { request.headers.add(name: name, value: value) }
        if let body { request.body = .bytes(ByteBuffer(bytes: body)) }
        let response = try await HTTPClient.shared.execute(request, timeout: .seconds(30))
        let answer = try await response.body.collect(upTo: 64 << 20)
        return Answer(
            status: Int(response.status.code), headers: response.headers, data: Data(answer.readableBytesView))
    }
}

extension MafinService {
    /// Runs the service on a free port of loopback while `body` asks it.
    func serving<Result: Sendable>(_ body: @escaping @Sendable (Client) async throws -> Result) async throws -> Result {
        var listening = Listening()
        listening.port = 0
        listening.handlesSignals = false
        let (ports, announced) = AsyncStream<Int>.makeStream()
        return try await withThrowingTaskGroup(of: Result?.self) { [listening] group in
            group.addTask {
                try await self.run(listening) { announced.yield($0) }
                return nil
            }
            group.addTask {
                for await port in ports { return try await body(Client(port: port)) }
                return nil
            }
            defer { group.cancelAll() }
            while let result = try await group.next() {
                if let result { return result }
            }
            throw CancellationError()
        }
    }
}

/// The largest difference of two vectors.
func distance(_ first: [Float], _ second: [Float]) -> Float {
    first.count == second.count ? zip(first, second).map { abs($0 - $1) }.max() ?? 0 : .infinity
}
