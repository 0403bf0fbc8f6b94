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
        let joined = try await embed(asked.texts.map { Item($0) }, asked.role, asked.lambda, request, model)
        return Reply.embeddings(joined, model: asked.model, encoding: asked.encoding)
    }

    /// `POST /v2/embed`: Cohere's shape.
    func cohere(_ request: ServedRequest, _ model: ServedModel) async throws -> Reply {
        let asked = try CohereRequest(try await fields(request), for: reading(model))
        // Without a local encoder nothing cuts a text.
        let reader = model.isOffline ? model.standIn?.engine : model.engine
        if asked.refusesLongTexts, let tokenizer = reader?.tokenizer(asked.role) {
            for (place, text) in asked.texts.enumerated() {
                let count = tokenizer.fullLength(of: text)
                guard count <= tokenizer.maximumLength else {
                    throw ServiceError.invalid(
                        "texts[\(place)] has \(count) tokens, the local encoder reads \(tokenizer.maximumLength); shorten it, or send truncate END",
                        parameter: "texts")
                }
            }
        }
        let joined = try await embed(asked.items, asked.role, asked.lambda, request, model)
        return Reply.cohere(
            joined, texts: asked.texts, images: asked.images.count, encodings: asked.encodings, id: request.id)
    }

    private func embed(
        _ items: [Item], _ role: TextRole, _ lambda: Float?, _ request: ServedRequest,
        _ model: ServedModel
    ) async throws -> ServedModel.Joined {
        request.facts.withLock { $0.inputs = items.count }
        let joined = try await model.embed(
            items, as: role, lambda: lambda, maximumTokens: options.queueTokens)
        request.facts.withLock { $0.tokens = joined.tokens }
        return joined
    }

    private func reading(_ model: ServedModel) -> EmbeddingsRequest.Reading {
        .init(
            model: model.name, defaultRole: options.defaultRole, dimension: model.dimension,
            maximumInputs: options.maximumInputs)
    }
}
