import MafinBlackBox
import MafinImages

/// A request in Cohere's shape: `POST /v2/embed`, of texts or of images.
struct CohereRequest: Sendable {
    /// Empty in a request of images.
    var texts: [String]
    /// Data URLs, decoded to files; empty in a request of texts.
    var images: [ItemImage]
    var role: TextRole
    /// What is embedded.
    var items: [Item] { images.isEmpty ? texts.map { Item($0) } : images.map { Item(image: $0) } }
    /// The encodings asked for, in the request's order.
    var encodings: [VectorEncoding]
    var lambda: Float?
    /// Whether a text that is too long is an error (`truncate: NONE`). If not, it is cut.
    var refusesLongTexts: Bool

    /// - Throws: ``ServiceError`` with the field that is wrong.
    init(_ fields: RequestFields, for service: EmbeddingsRequest.Reading) throws {
        let named = try ModelName(try fields.text("model"), served: service.model)
        if try fields.has("inputs") {
            throw ServiceError.invalid(
                "inputs cannot be embedded here: send texts, or images as data URLs", parameter: "inputs")
        }
        images = try fields.images("images", maximum: service.maximumInputs) ?? []
        if !images.isEmpty, try fields.has("texts") {
            throw ServiceError.invalid("a request has texts or images, not both", parameter: "images")
        }
        texts = images.isEmpty ? try fields.inputs("texts", maximum: service.maximumInputs, mayBeOne: false) : []
        // Cohere's own name of an image's role, which says nothing of query and document.
        let isImage = try !images.isEmpty && fields.text("input_type") == "image"
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
