import HTTPTypes
import MafinBlackBox
import MafinImages

/// A request in Voyage's shape for texts and images: `POST /v1/multimodalembeddings`.
struct MultimodalRequest: Sendable {
    var model: String
    var items: [Item]
    var role: TextRole
    var encoding: VectorEncoding
    var lambda: Float?
    /// Pixels of all images.
    var pixels: Int

    /// - Throws: ``ServiceError`` with the field that is wrong.
    init(_ fields: RequestFields, for service: EmbeddingsRequest.Reading) throws {
        let named = try ModelName(try fields.text("model"), served: service.model)
        guard let items = try fields.items("inputs", maximum: service.maximumInputs) else {
            throw ServiceError.invalid(
                "inputs is missing: an array of objects with content", parameter: "inputs")
        }
        self.items = items
        model = named.whole
        role = try EmbeddingsRequest.role(fields, named) ?? named.role ?? service.defaultRole
        switch try fields.text("output_encoding") {
        case nil: encoding = .float
        case "base64": encoding = .base64
        case let other?:
            throw ServiceError.invalid(
                "output_encoding must be base64 or null, found '\(other.clipped)'", parameter: "output_encoding")
        }
        try EmbeddingsRequest.requireWhole(
            try fields.integer("output_dimension"), dimension: service.dimension, parameter: "output_dimension")
        if try fields.boolean("truncation") == false {
            throw ServiceError.invalid(
                "truncation cannot be turned off: the local encoder reads a text's beginning, as it did in training",
                parameter: "truncation")
        }
        lambda = try fields.number("lambda")
        do {
            pixels = try items.compactMap(\.image).reduce(0) { sum, image in
                let size = try ImageReader.size(of: image.bytes(), name: image.name)
                return sum + size.width * size.height
            }
        } catch let error as ImageError {
            throw ServiceError(.unprocessableContent, .invalidRequest, "\(error)", parameter: "inputs")
        }
    }
}
