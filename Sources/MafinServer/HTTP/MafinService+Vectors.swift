import MafinBlackBox
import MafinImages
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinText
import Synchronization

extension MafinService {
    /// `POST /v1/embeddings`: OpenAI's shape, and Voyage's.
    func embeddings(_ request: ServedRequest, _ model: ServedModel) async throws -> Reply {
        let asked = try EmbeddingsRequest(try await fields(request), for: reading(model))
        let joined = try await embed(
            asked.texts.map { Item($0) }, of: "input", asked.role, asked.lambda, request, model)
        return Reply.embeddings(joined, model: asked.model, encoding: asked.encoding)
    }

    /// `POST /v1/multimodalembeddings`: Voyage's shape for items of a text, an image, or both.
    func multimodal(_ request: ServedRequest, _ model: ServedModel) async throws -> Reply {
        let asked = try MultimodalRequest(try await fields(request), for: reading(model))
        let joined = try await embed(asked.items, of: "inputs", asked.role, asked.lambda, request, model)
        return Reply.embeddings(joined, model: asked.model, encoding: asked.encoding, pixels: asked.pixels)
    }

    /// `POST /v2/embed`: Cohere's shape.
    func cohere(_ request: ServedRequest, _ model: ServedModel) async throws -> Reply {
        let asked = try CohereRequest(try await fields(request), for: reading(model))
        // Without a local encoder nothing cuts a text.
        let reader = model.isOffline ? model.standIn?.engine : model.engine
        if asked.refusesLongTexts, let tokenizer = reader?.tokenizer(asked.role) {
            for (place, item) in asked.items.enumerated() {
                let count = tokenizer.fullLength(of: item.text)
                guard count <= tokenizer.maximumLength else {
                    throw ServiceError.invalid(
                        "\(asked.field)[\(place)] has \(count) tokens, the local encoder reads \(tokenizer.maximumLength); shorten it, or send truncate END",
                        parameter: asked.field)
                }
            }
        }
        let joined = try await embed(asked.items, of: asked.field, asked.role, asked.lambda, request, model)
        return Reply.cohere(
            joined, texts: asked.field == "texts" ? asked.items.map(\.text) : [],
            images: asked.items.count { $0.image != nil }, encodings: asked.encodings, id: request.id)
    }

    /// - Parameter field: the field of the request that holds the items.
    private func embed(
        _ items: [Item], of field: String, _ role: TextRole, _ lambda: Float?, _ request: ServedRequest,
        _ model: ServedModel
    ) async throws -> ServedModel.Joined {
        request.facts.withLock { $0.inputs = items.count }
        let joined = try await model.embed(
            items, as: role, lambda: lambda, maximumTokens: options.queueTokens, parameter: field)
        request.facts.withLock { $0.tokens = joined.tokens }
        return joined
    }

    private func reading(_ model: ServedModel) -> EmbeddingsRequest.Reading {
        .init(
            model: model.name, defaultRole: options.defaultRole, dimension: model.dimension,
            maximumInputs: options.maximumInputs)
    }
}
