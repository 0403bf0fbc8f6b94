import Foundation
import HTTPTypes
import Hummingbird
import MafinNumerics
import NIOCore

/// What every answer is written with.
enum Answers {
    /// A value as JSON.
    static func json(_ value: some Encodable, status: HTTPResponse.Status = .ok) throws -> Response {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return bytes(ByteBuffer(bytes: try encoder.encode(value)), type: "application/json", status: status)
    }

    static func text(_ text: String, type: String = "text/plain; charset=utf-8", status: HTTPResponse.Status = .ok)
        -> Response
    {
        bytes(ByteBuffer(string: text), type: type, status: status)
    }

    static func bytes(_ buffer: ByteBuffer, type: String, status: HTTPResponse.Status = .ok) -> Response {
        Response(status: status, headers: [.contentType: type], body: ResponseBody(byteBuffer: buffer))
    }

    /// OpenAI's list of vectors; Voyage's is the same but for the usage.
    static func embeddings(
        _ joined: Generation.Joined, model: String, encoding: VectorEncoding
    ) -> Response {
        let vectors = joined.vectors
        var buffer = ByteBuffer()
        buffer.reserveCapacity(vectors.rows * (encoding.size(columns: vectors.columns) + 64) + 256)
        buffer.writeString("{\"object\":\"list\",\"data\":[")
        for row in 0..<vectors.rows {
            buffer.writeString("\(row == 0 ? "" : ",")\n{\"object\":\"embedding\",\"index\":\(row),\"embedding\":")
            encoding.append(vectors.row(row), to: &buffer)
            buffer.writeString("}")
        }
        let tokens = joined.tokenCount
        buffer.writeString(
            "],\"model\":\(JSONText.quoted(model)),\"usage\":{\"prompt_tokens\":\(tokens),\"total_tokens\":\(tokens)}")
        if let reason = joined.degraded {
            buffer.writeString(
                ",\"degraded\":{\"half\":\"black_box\",\"lambda\":1,\"reason\":\(JSONText.quoted(reason))}")
        }
        buffer.writeString("}\n")
        return flagged(bytes(buffer, type: "application/json"), joined.degraded)
    }

    /// Cohere's answer: vectors by type.
    static func cohere(
        _ joined: Generation.Joined, texts: [String], encodings: [VectorEncoding], id: String
    ) -> Response {
        let vectors = joined.vectors
        var buffer = ByteBuffer()
        buffer.writeString("{\"id\":\(JSONText.quoted(id)),\"embeddings\":{")
        for (place, encoding) in encodings.enumerated() {
            buffer.writeString("\(place == 0 ? "" : ",")\"\(encoding.rawValue)\":[")
            for row in 0..<vectors.rows {
                if row > 0 { buffer.writeString(",") }
                encoding.append(vectors.row(row), to: &buffer)
            }
            buffer.writeString("]")
        }
        buffer.writeString("},\"texts\":[" + texts.map(JSONText.quoted).joined(separator: ",") + "]")
        buffer.writeString(
            ",\"meta\":{\"api_version\":{\"version\":\"2\"},\"billed_units\":{\"input_tokens\":\(joined.tokenCount)}"
                + (joined.degraded.map { ",\"warnings\":[\(JSONText.quoted("local half alone: \($0)"))]" } ?? "") + "}")
        buffer.writeString(",\"response_type\":\"embeddings_by_type\"}\n")
        return flagged(bytes(buffer, type: "application/json"), joined.degraded)
    }

    private static func flagged(_ response: Response, _ degraded: String?) -> Response {
        guard degraded != nil else { return response }
        var response = response
        response.headers[.mafinDegraded] = "black_box"
        return response
    }

    /// The dialects of errors.
    enum Dialect: Sendable { case openAI, cohere }

    /// An error in the shape that the client knows.
    static func error(_ error: ServiceError, in dialect: Dialect, id: String) -> Response {
        let message = JSONText.quoted(error.message)
        let text: String
        switch dialect {
        case .cohere:
            text = "{\"id\":\(JSONText.quoted(id)),\"message\":\(message)}\n"
        case .openAI:
            func optional(_ text: String?) -> String { text.map(JSONText.quoted) ?? "null" }
            text =
                "{\"error\":{\"message\":\(message),\"type\":\"\(error.kind.rawValue)\",\"param\":\(optional(error.parameter)),\"code\":\(optional(error.code))}"
                // Voyage's client looks for the message here, and says nothing else by which it could be known.
                + ",\"detail\":\(message)}\n"
        }
        var response = Answers.text(text, type: "application/json", status: error.status)
        if let seconds = error.retryAfter { response.headers[.retryAfter] = String(seconds) }
        if error.status == .unauthorized { response.headers[.wwwAuthenticate] = "Bearer" }
        if !error.allowed.isEmpty { response.headers[.allow] = error.allowed.joined(separator: ", ") }
        return response
    }
}

extension HTTPField.Name {
    private static func name(_ text: String) -> HTTPField.Name {
        guard let name = HTTPField.Name(text) else { preconditionFailure("\(text) is a header's name") }
        return name
    }

    static let mafinDegraded = name("x-mafin-degraded")
    static let requestID = name("x-request-id")
    static let traceparent = name("traceparent")
    static let apiKey = name("api-key")
    static let xAPIKey = name("x-api-key")
    static let googAPIKey = name("x-goog-api-key")
}
