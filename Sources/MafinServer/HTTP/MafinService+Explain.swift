import HTTPTypes
import MafinBlackBox
import MafinPipeline
import MafinRetrieval
import Synchronization

extension MafinService {
    /// `POST /explain`: how much each word of a query and a passage adds to the local encoder's score.
    ///
    /// Each explanation encodes thousands of tokens. These are counted, and all explanations together may hold only a part of the queue.
    func explain(_ request: ServedRequest, _ model: ServedModel) async throws -> Reply {
        let fields = try await fields(request)
        let query = try fields.query()
        let id = try fields.document()
        guard let space = model.localSpace else {
            throw ServiceError(
                .notFound, .invalidRequest,
                "there is no local encoder, whose words could be explained: the artefact has the sources "
                    + model.sourceNames, code: "no_local_encoder")
        }
        let (index, row) = try model.row(of: id, parameter: "document")
        let document = try index.document(row).textForEncoding
        guard let ofQuery = WordShares(of: query, as: .query, against: document, in: space),
            let ofDocument = WordShares(of: document, as: .document, against: query, in: space)
        else {
            throw ServiceError(
                .unprocessableContent, .invalidRequest,
                "the local encoder reads images, and only the words of texts can be explained", code: "no_words")
        }
        let tokens = ofQuery.maximumTokens + ofDocument.maximumTokens
        guard let share = explanations.share(tokens) else {
            throw ServiceError.overloaded(retryAfter: space.engine.seconds)
        }
        defer { withExtendedLifetime(share) {} }
        async let left = ofQuery.find()
        async let right = ofDocument.find()
        let found = try await (query: left, document: right)
        metrics.recordInputs(.query, texts: found.query.texts, tokens: found.query.tokens)
        metrics.recordInputs(.document, texts: found.document.texts, tokens: found.document.tokens)
        request.facts.withLock {
            $0.inputs = found.query.texts + found.document.texts
            $0.tokens = found.query.tokens + found.document.tokens
        }
        let sides: [JSONObject] = [
            ["side": "query", "pieces": found.query.pieces], ["side": "document", "pieces": found.document.pieces],
        ]
        return try Reply(json: [
            "object": "explanation", "query": query, "document": id, "local_score": found.query.score,
            "method": "leave-one-out", "sides": sides,
        ])
    }
}
