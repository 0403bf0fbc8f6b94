import Foundation
import Hummingbird
import MafinBlackBox
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinText
import Synchronization

extension MafinService {
    /// `POST /v1/embeddings`: OpenAI's shape, and Voyage's.
    func embeddings(_ exchange: ServiceResponder.Exchange, _ generation: Generation) async throws -> Response {
        let fields = try RequestFields(try await body(exchange))
        let request = try EmbeddingsRequest(fields, for: reading(generation))
        let joined = try await embed(request.texts, request.role, request.lambda, exchange, generation)
        return Answers.embeddings(joined, model: request.model, encoding: request.encoding)
    }

    /// `POST /v2/embed`: Cohere's shape.
    func cohere(_ exchange: ServiceResponder.Exchange, _ generation: Generation) async throws -> Response {
        let request = try CohereRequest(try await body(exchange), for: reading(generation))
        if request.refusesLongTexts {
            let tokenizer = generation.engine.tokenizer(request.role)
            for (place, text) in request.texts.enumerated() {
                let count = tokenizer.fullLength(of: text)
                guard count <= tokenizer.maximumLength else {
                    throw ServiceError.invalid(
                        "texts[\(place)] has \(count) tokens, the local encoder reads \(tokenizer.maximumLength); shorten it, or send truncate END",
                        parameter: "texts")
                }
            }
        }
        let joined = try await embed(request.texts, request.role, request.lambda, exchange, generation)
        return Answers.cohere(joined, texts: request.texts, encodings: request.encodings, id: exchange.id)
    }

    private func embed(
        _ texts: [String], _ role: TextRole, _ lambda: Float?, _ exchange: ServiceResponder.Exchange,
        _ generation: Generation
    ) async throws -> Generation.Joined {
        exchange.facts.withLock { $0.inputs = texts.count }
        let joined = try await generation.embed(
            texts, as: role, lambda: lambda, maximumTokens: options.queueTokens)
        exchange.facts.withLock { $0.tokens = joined.tokenCount }
        return joined
    }

    private func reading(_ generation: Generation) -> EmbeddingsRequest.Reading {
        .init(
            model: generation.name, defaultRole: options.defaultRole, dimension: generation.dimension,
            maximumInputs: options.maximumInputs)
    }

    // MARK: Models

    private struct Model: Encodable {
        var id: String
        var object = "model"
        var created: Int
        var ownedBy = "mafin"
        var inputType: String
        var dimension: Int
        var blackBoxDimension: Int
        var lambda: Float?

        enum CodingKeys: String, CodingKey {
            case id, object, created, dimension, lambda
            case ownedBy = "owned_by"
            case inputType = "input_type"
            case blackBoxDimension = "black_box_dimension"
        }
    }

    private struct ModelList: Encodable {
        var object = "list"
        var data: [Model]
    }

    private func allModels(_ generation: Generation) -> [Model] {
        ["", ":query", ":document"].map { suffix in
            Model(
                id: generation.name + suffix, created: Int(generation.created.timeIntervalSince1970),
                inputType: suffix.isEmpty ? options.defaultRole.rawValue : String(suffix.dropFirst()),
                dimension: generation.dimension, blackBoxDimension: generation.manifest.blackBoxDimension,
                lambda: generation.manifest.mixing.lambda)
        }
    }

    /// `GET /v1/models`
    func models(_ generation: Generation) throws -> Response {
        try Answers.json(ModelList(data: allModels(generation)))
    }

    /// `GET /v1/models/{model}`
    func model(_ id: String, _ generation: Generation) throws -> Response {
        let id = id.removingPercentEncoding ?? id
        guard let model = allModels(generation).first(where: { $0.id == id }) else {
            _ = try ModelName(id, served: generation.name)
            throw ServiceError.notFound(id)
        }
        return try Answers.json(model)
    }
}

extension LocalEngine.RoleTokenizer {
    /// Tokens of a text if none were cut.
    func fullLength(of text: String) -> Int { tokenizer.encode(prefix + text, maxLength: .max).count }
}
