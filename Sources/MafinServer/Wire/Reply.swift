import Foundation
import HTTPTypes
import MafinMethod
import MafinNumerics
import NIOCore

/// The answer to a request, whole.
struct Reply: Sendable {
    var status: HTTPResponse.Status = .ok
    var headers = HTTPFields()
    var body = ByteBuffer()

    init(status: HTTPResponse.Status = .ok, headers: HTTPFields = HTTPFields()) {
        (self.status, self.headers) = (status, headers)
    }

    init(_ body: ByteBuffer, type: String, status: HTTPResponse.Status = .ok) {
        (self.status, self.body) = (status, body)
        headers[.contentType] = type
    }

    init(_ text: String, type: String = "text/plain; charset=utf-8", status: HTTPResponse.Status = .ok) {
        self.init(ByteBuffer(string: text), type: type, status: status)
    }

    init(json value: JSONObject, status: HTTPResponse.Status = .ok) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        self.init(ByteBuffer(bytes: try encoder.encode(value)), type: "application/json", status: status)
    }

    /// OpenAI's list of vectors; Voyage's is the same but for the usage.
    /// - Parameter pixels: of all images, as Voyage counts them for items in parts; `nil`: the request was of texts.
    static func embeddings(
        _ joined: ServedModel.Joined, model: String, encoding: VectorEncoding, pixels: Int? = nil
    ) -> Reply {
        let vectors = joined.vectors
        var buffer = ByteBuffer()
        buffer.reserveCapacity(vectors.rows * (encoding.size(columns: vectors.columns) + 64) + 256)
        buffer.writeString("{\"object\":\"list\",\"data\":[")
        for row in 0..<vectors.rows {
            buffer.writeString("\(row == 0 ? "" : ",")\n{\"object\":\"embedding\",\"index\":\(row),\"embedding\":")
            encoding.append(vectors.row(row), to: &buffer)
            buffer.writeString("}")
        }
        let tokens = joined.tokens
        let ofImages = pixels.map { ",\"text_tokens\":\($0 > 0 ? 0 : tokens),\"image_pixels\":\($0)" } ?? ""
        buffer.writeString(
            "],\"model\":\(JSONText.quoted(model)),\"usage\":{\"prompt_tokens\":\(tokens),\"total_tokens\":\(tokens)\(ofImages)}"
        )
        if !joined.leftOut.isEmpty {
            let names = joined.leftOut.map { JSONText.quoted($0.rawValue) }.joined(separator: ",")
            buffer.writeString(",\"left_out\":[\(names)]")
        }
        let isOfStandIn = joined.answeredBy == .standIn
        if isOfStandIn { buffer.writeString(",\"answered_by\":\"stand-in\"") }
        if let reason = joined.degraded {
            buffer.writeString(
                ",\"degraded\":{\"half\":\"black_box\",\(isOfStandIn ? "" : "\"lambda\":1,")\"reason\":\(JSONText.quoted(reason))}"
            )
        }
        buffer.writeString("}\n")
        return Reply(buffer, type: "application/json").flagged(degraded: joined.degraded != nil, joined.answeredBy)
    }

    /// Cohere's answer: vectors by type.
    static func cohere(
        _ joined: ServedModel.Joined, texts: [String], images: Int = 0, encodings: [VectorEncoding], id: String
    ) -> Reply {
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
            ",\"meta\":{\"api_version\":{\"version\":\"2\"},\"billed_units\":{\(images > 0 ? "\"images\":\(images)" : "\"input_tokens\":\(joined.tokens)")}"
                + (joined.degraded.map { reason in
                    let by = joined.answeredBy == .standIn ? "answered by the stand-in" : "local encoder alone"
                    return ",\"warnings\":[\(JSONText.quoted("\(by): \(reason)"))]"
                } ?? "")
                + "}")
        buffer.writeString(",\"response_type\":\"embeddings_by_type\"}\n")
        return Reply(buffer, type: "application/json").flagged(degraded: joined.degraded != nil, joined.answeredBy)
    }

    /// Adds the headers that say that the black box is unavailable, and that the stand-in answered, if so.
    func flagged(degraded: Bool, _ answeredBy: ServedModel.AnsweredBy?) -> Reply {
        var reply = self
        if answeredBy == .standIn { reply.headers[.mafinAnsweredBy] = "stand-in" }
        if degraded { reply.headers[.mafinDegraded] = "black_box" }
        return reply
    }

    /// The APIs whose errors are imitated.
    enum Dialect: Sendable { case openAI, cohere }

    /// An error in the shape that the client knows.
    static func error(_ error: ServiceError, in dialect: Dialect, id: String) -> Reply {
        let message = JSONText.quoted(error.message)
        let text: String
        switch dialect {
        case .cohere:
            text = "{\"id\":\(JSONText.quoted(id)),\"message\":\(message)}\n"
        case .openAI:
            func optional(_ text: String?) -> String { text.map(JSONText.quoted) ?? "null" }
            text =
                "{\"error\":{\"message\":\(message),\"type\":\"\(error.kind.rawValue)\",\"param\":\(optional(error.parameter)),\"code\":\(optional(error.code))}"
                // Voyage's client looks for the message here, and its requests look like those of OpenAI's client.
                + ",\"detail\":\(message)}\n"
        }
        var reply = Reply(text, type: "application/json", status: error.status)
        if let seconds = error.retryAfter { reply.headers[.retryAfter] = String(seconds) }
        if error.status == .unauthorized { reply.headers[.wwwAuthenticate] = "Bearer" }
        if !error.allowed.isEmpty { reply.headers[.allow] = error.allowed.joined(separator: ", ") }
        return reply
    }
}

extension HTTPField.Name {
    private static func name(_ text: String) -> HTTPField.Name {
        guard let name = HTTPField.Name(text) else { preconditionFailure("\(text) is a header's name") }
        return name
    }

    static let mafinAnsweredBy = name("x-mafin-answered-by")
    static let mafinDegraded = name("x-mafin-degraded")
    static let requestID = name("x-request-id")
    static let traceparent = name("traceparent")
    static let apiKey = name("api-key")
    static let xAPIKey = name("x-api-key")
}
