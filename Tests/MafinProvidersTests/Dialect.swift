import Foundation
import MafinTestSupport
import Testing

/// The embedding APIs as their vendors describe them: the form of a request, of an answer and of a refusal. Written by
/// hand from the vendors' pages, not from our profiles.
enum Dialect: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case openAI = "openai"
    case azure
    case azureClassic = "azure-classic"
    case cohere, voyage, gemini, mistral, jina, ollama
    case textEmbeddingsInference = "tei"

    var testDescription: String { rawValue }

    static let key = "sk-test-secret-0123456789"

    /// The parts of a request that a server reads.
    struct Call: Sendable {
        var texts: [String]
        /// The vendor's values for query and document, if there are any.
        var inputType: String?
        var wantsBase64 = false
        var dimensions: Int?
    }

    /// The reason for which the server would refuse a request; nil: none.
    struct Objection: Error {
        let status: Int
        let message: String
    }

    func path(_ model: String) -> String {
        switch self {
        case .openAI, .voyage, .mistral, .jina: "/v1/embeddings"
        case .azure: "/openai/v1/embeddings"
        case .azureClassic: "/openai/deployments/\(model)/embeddings?api-version=2024-10-21"
        case .cohere: "/v2/embed"
        case .gemini: "/v1beta/models/\(model):batchEmbedContents"
        case .ollama: "/api/embed"
        case .textEmbeddingsInference: "/embed"
        }
    }

    private var keyHeader: (name: String, value: String)? {
        switch self {
        case .azure, .azureClassic: ("api-key", Self.key)
        case .gemini: ("x-goog-api-key", Self.key)
        case .ollama, .textEmbeddingsInference: nil
        default: ("authorization", "Bearer \(Self.key)")
        }
    }

    /// The largest number of texts in one request.
    var cap: Int? {
        switch self {
        case .cohere: 96
        case .gemini: 100
        case .textEmbeddingsInference: 32
        case .voyage: 1000
        case .mistral: 512
        case .openAI, .azure, .azureClassic, .jina: 2048
        case .ollama: nil
        }
    }

    var inputTypes: (query: String, document: String)? {
        switch self {
        case .cohere: ("search_query", "search_document")
        case .voyage: ("query", "document")
        case .gemini: ("RETRIEVAL_QUERY", "RETRIEVAL_DOCUMENT")
        case .jina: ("retrieval.query", "retrieval.passage")
        default: nil
        }
    }

    var hasBase64: Bool { ![.gemini, .ollama, .textEmbeddingsInference].contains(self) }

    /// The members of a body that the vendor's page lists.
    private var members: Set<String> {
        switch self {
        case .openAI, .azure: ["model", "input", "dimensions", "encoding_format", "user"]
        case .azureClassic: ["input", "dimensions", "encoding_format", "user"]
        case .cohere: ["model", "texts", "input_type", "embedding_types", "output_dimension", "truncate", "max_tokens"]
        case .voyage:
            ["model", "input", "input_type", "truncation", "output_dimension", "output_dtype", "encoding_format"]
        case .gemini: ["requests"]
        case .mistral: ["model", "input", "output_dimension", "output_dtype", "encoding_format"]
        case .jina:
            ["model", "input", "task", "dimensions", "embedding_type", "truncate", "normalized", "late_chunking"]
        case .ollama: ["model", "input", "truncate", "dimensions", "keep_alive", "options"]
        case .textEmbeddingsInference:
            ["inputs", "truncate", "truncation_direction", "normalize", "prompt_name", "dimensions"]
        }
    }

    /// Reads a request as the vendor's server would.
    func read(_ request: StubHTTPServer.Request, model: String = "m") throws -> Call {
        guard request.method == "POST", request.target == path(model) else {
            throw Objection(status: 404, message: "no route \(request.method) \(request.target)")
        }
        if let keyHeader, request.headers[keyHeader.name] != keyHeader.value {
            throw Objection(status: 401, message: "invalid key")
        }
        guard request.headers["content-type"] == "application/json", let body = request.json else {
            throw Objection(status: 400, message: "no JSON body")
        }
        if let unknown = Set(body.keys).subtracting(members).min() {
            throw Objection(status: 400, message: "unknown member \(unknown)")
        }
        var call = try self == .gemini ? readGemini(body, model) : readFlat(body, model)
        guard !call.texts.isEmpty else { throw Objection(status: 400, message: "no texts") }
        if let cap, call.texts.count > cap {
            throw Objection(
                status: 400, message: "total number of texts must be at most \(cap) - received \(call.texts.count)")
        }
        if let inputTypes {
            guard let found = call.inputType, [inputTypes.query, inputTypes.document].contains(found) else {
                throw Objection(status: 400, message: "input type missing")
            }
        } else {
            call.inputType = nil
        }
        return call
    }

    private func readGemini(_ body: [String: Any], _ model: String) throws -> Call {
        guard let requests = body["requests"] as? [[String: Any]] else {
            throw Objection(status: 400, message: "no requests")
        }
        var call = Call(texts: [])
        for request in requests {
            guard request["model"] as? String == "models/\(model)", let content = request["content"] as? [String: Any],
                let parts = content["parts"] as? [[String: String]], parts.count == 1, let text = parts[0]["text"]
            else { throw Objection(status: 400, message: "malformed request") }
            call.texts.append(text)
            call.inputType = request["taskType"] as? String
            call.dimensions = request["outputDimensionality"] as? Int
        }
        return call
    }

    private func readFlat(_ body: [String: Any], _ model: String) throws -> Call {
        if self != .azureClassic, self != .textEmbeddingsInference, body["model"] as? String != model {
            throw Objection(status: 404, message: "model not found")
        }
        let texts: Any? = body[self == .cohere ? "texts" : self == .textEmbeddingsInference ? "inputs" : "input"]
        guard let texts = texts as? [String] else {
            throw Objection(status: 400, message: "texts must be an array of strings")
        }
        var call = Call(texts: texts)
        call.dimensions = (body["dimensions"] ?? body["output_dimension"]) as? Int
        switch self {
        case .cohere:
            call.inputType = body["input_type"] as? String
            let types = body["embedding_types"] as? [String] ?? ["float"]
            call.wantsBase64 = types == ["base64"]
            guard body["truncate"] as? String == "NONE" else {
                throw Objection(status: 400, message: "cuts in silence")
            }
        case .voyage:
            call.inputType = body["input_type"] as? String
            call.wantsBase64 = body["encoding_format"] as? String == "base64"
            guard body["truncation"] as? Bool == false else { throw Objection(status: 400, message: "cuts in silence") }
        case .jina:
            call.inputType = body["task"] as? String
            call.wantsBase64 = body["embedding_type"] as? String == "base64"
        case .ollama, .textEmbeddingsInference:
            guard body["truncate"] as? Bool == false else { throw Objection(status: 400, message: "cuts in silence") }
        default: call.wantsBase64 = body["encoding_format"] as? String == "base64"
        }
        return call
    }

    /// The vendor's answer.
    func answer(_ vectors: [[Float]], base64: Bool, tokens: Int = 8) -> String {
        let rows = vectors.map { base64 ? "\"\(EmbeddingServer.base64($0))\"" : EmbeddingServer.numbers($0) }
        let list = rows.joined(separator: ",")
        switch self {
        case .cohere:
            return #"{"id":"1","embeddings":{"\#(base64 ? "base64" : "float")":[\#(list)]},"texts":[],"#
                + #""meta":{"api_version":{"version":"2"},"billed_units":{"input_tokens":\#(tokens)}},"response_type":"embeddings_by_type"}"#
        case .gemini:
            return #"{"embeddings":["# + rows.map { #"{"values":\#($0)}"# }.joined(separator: ",") + "]}"
        case .ollama:
            return
                #"{"model":"m","embeddings":[\#(list)],"total_duration":14143917,"load_duration":1019500,"prompt_eval_count":\#(tokens)}"#
        case .textEmbeddingsInference: return "[\(list)]"
        default:
            let data = rows.enumerated().map { #"{"object":"embedding","index":\#($0),"embedding":\#($1)}"# }
            return
                #"{"object":"list","data":[\#(data.joined(separator: ","))],"model":"m","usage":{"prompt_tokens":\#(tokens),"total_tokens":\#(tokens)}}"#
        }
    }

    /// The vendor's refusal.
    func refusal(_ message: String, code: String = "null", status: Int) -> String {
        let quoted = String(
            decoding: (try? JSONSerialization.data(withJSONObject: message, options: .fragmentsAllowed)) ?? Data(),
            as: UTF8.self)
        switch self {
        case .openAI, .azure, .azureClassic:
            return #"{"error":{"message":\#(quoted),"type":"invalid_request_error","param":null,"code":\#(code)}}"#
        case .cohere: return #"{"message":\#(quoted)}"#
        case .voyage, .jina: return #"{"detail":\#(quoted)}"#
        case .gemini:
            return #"{"error":{"code":\#(status),"message":\#(quoted),"status":"X","details":[]}}"#
        case .mistral: return #"{"object":"error","message":\#(quoted),"type":"t","param":null,"code":null}"#
        case .ollama: return #"{"error":\#(quoted)}"#
        case .textEmbeddingsInference: return #"{"error":\#(quoted),"error_type":"Validation"}"#
        }
    }
}
