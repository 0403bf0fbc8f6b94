import MafinBlackBox
import MafinImages

/// A request in Cohere's shape: `POST /v2/embed`, of texts, of images, or of items in parts.
struct CohereRequest: Sendable {
    /// What is embedded.
    var items: [Item]
    /// The field that holds it.
    var field: String
    var role: TextRole
    /// The encodings asked for, in the request's order.
    var encodings: [VectorEncoding]
    var lambda: Float?
    /// Whether a text that is too long is an error (`truncate: NONE`). If not, it is cut.
    var refusesLongTexts: Bool

    /// - Throws: ``ServiceError`` with the field that is wrong.
    init(_ fields: RequestFields, for service: EmbeddingsRequest.Reading) throws {
        let named = try ModelName(try fields.text("model"), served: service.model)
        let given = try ["texts", "images", "inputs"].filter { try fields.has($0) }
        guard given.count <= 1 else {
            throw ServiceError.invalid(
                "a request has one of texts, images and inputs, found \(given.joined(separator: " and "))",
                parameter: given[1])
        }
        field = given.first ?? "texts"
        items =
            switch field {
            case "images": try fields.images(field, maximum: service.maximumInputs)?.map { Item(image: $0) } ?? []
            case "inputs": try fields.items(field, maximum: service.maximumInputs) ?? []
            default: try fields.inputs(field, maximum: service.maximumInputs, mayBeOne: false).map { Item($0) }
            }
        // Cohere's own name of an image's role, which says nothing of query and document.
        let isImage = try field == "images" && fields.text("input_type") == "image"
        guard
            let role = try isImage ? named.role ?? service.defaultRole : EmbeddingsRequest.role(fields, named)
        else {
            throw ServiceError.invalid(
                "input_type is missing: search_query or search_document", parameter: "input_type")
        }
        self.role = role
        encodings =
            try fields.texts("embedding_types", maximum: 64)?.map { name in
                guard let encoding = VectorEncoding(rawValue: name) else {
                    throw ServiceError.invalid(
                        "embedding_types may be float and base64, found '\(name.clipped)': joined vectors are not quantised here",
                        parameter: "embedding_types")
                }
                return encoding
            } ?? [.float]
        guard !encodings.isEmpty, Set(encodings).count == encodings.count else {
            throw ServiceError.invalid(
                "embedding_types names none, or one twice", parameter: "embedding_types")
        }
        try EmbeddingsRequest.requireWhole(
            try fields.integer("output_dimension"), dimension: service.dimension, parameter: "output_dimension")
        switch try fields.text("truncate") {
        case nil, "END": refusesLongTexts = false
        case "NONE": refusesLongTexts = true
        case let other?:
            throw ServiceError.invalid(
                "truncate must be END or NONE, found '\(other.clipped)': the encoder reads a text from its beginning",
                parameter: "truncate")
        }
        lambda = try fields.number("lambda")
    }
}
