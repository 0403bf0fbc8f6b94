import HTTPTypes
import MafinBlackBox

/// A request for vectors in OpenAI's shape, also with Voyage's fields: `POST /v1/embeddings`.
struct EmbeddingsRequest: Sendable {
    var model: String
    var texts: [String]
    var role: TextRole
    var encoding: VectorEncoding
    var lambda: Float?

    /// Bounds and names of the service that a request is read for.
    struct Reading: Sendable {
        /// The served model's name.
        var model: String
        var defaultRole: TextRole
        var dimension: Int
        var maximumInputs: Int
    }

    /// - Throws: ``ServiceError`` with the field that is wrong.
    init(_ fields: RequestFields, for service: Reading) throws {
        let named = try ModelName(try fields.text("model"), served: service.model)
        texts = try fields.inputs("input", maximum: service.maximumInputs)
        role = try Self.role(fields, named) ?? named.role ?? service.defaultRole
        model = named.whole
        switch try fields.text("encoding_format") {
        case nil, "float": encoding = .float
        case "base64": encoding = .base64
        case let other?:
            throw ServiceError.invalid(
                "encoding_format must be float or base64, found '\(other.clipped)'", parameter: "encoding_format")
        }
        for name in ["dimensions", "output_dimension"] {
            try Self.requireWhole(try fields.integer(name), dimension: service.dimension, parameter: name)
        }
        if let type = try fields.text("output_dtype"), type != "float" {
            throw ServiceError.invalid(
                "output_dtype must be float, found '\(type.clipped)': joined vectors are not quantised here",
                parameter: "output_dtype")
        }
        if try fields.boolean("truncation") == false {
            throw ServiceError.invalid(
                "truncation cannot be turned off: the local encoder reads a text's beginning, as it did in training",
                parameter: "truncation")
        }
        lambda = try fields.number("lambda")
    }

    /// The role that `input_type` names, as Voyage, Cohere and servers with OpenAI's API write it. The model's name must not say the other role.
    static func role(_ fields: RequestFields, _ named: ModelName) throws -> TextRole? {
        guard let text = try fields.text("input_type") else { return nil }
        func wrong(_ reason: String) -> ServiceError { .invalid("input_type \(reason)", parameter: "input_type") }
        let role: TextRole
        switch text {
        case "query", "search_query": role = .query
        case "document", "search_document", "passage": role = .document
        default:
            throw wrong(
                "must be query or document (or Cohere's search_query or search_document), found '\(text.clipped)'")
        }
        guard let suffix = named.role, suffix != role else { return role }
        throw wrong("says \(text.clipped), the model's name says \(suffix.rawValue)")
    }

    /// Refuses to cut a joined vector, because its second part is what was trained.
    static func requireWhole(_ asked: Int?, dimension: Int, parameter: String) throws {
        guard let asked, asked != dimension else { return }
        throw ServiceError.invalid(
            "\(parameter) must be \(dimension), found \(asked): a joined vector is the black box's vector followed by the local encoder's, "
                + "and cutting it would cut off what was trained",
            parameter: parameter, code: "dimensions_not_supported")
    }
}

/// A model's name with its suffix: `name`, `name:query`, `name:document`.
struct ModelName: Equatable {
    /// As the client wrote it.
    var whole: String
    var role: TextRole?

    /// - Parameter text: `nil` means the served model.
    /// - Throws: ``ServiceError`` 404 for any other model.
    init(_ text: String?, served: String) throws {
        whole = text ?? served
        if whole == served { return }
        for role in TextRole.allCases where whole == "\(served):\(role.rawValue)" {
            self.role = role
            return
        }
        throw ServiceError(
            .notFound, .invalidRequest,
            "the model '\(whole.clipped)' is not served here; there is '\(served)', and '\(served):query' and '\(served):document' for clients that cannot say what a text is",
            parameter: "model", code: "model_not_found")
    }
}
