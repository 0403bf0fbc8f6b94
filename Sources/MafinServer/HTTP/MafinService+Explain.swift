import Foundation
import MafinBlackBox
import MafinRetrieval
import Synchronization

extension MafinService {
    private struct Side: Encodable {
        var side: String
        var pieces: [WordShares.Piece]
    }

    private struct ExplainBody: Encodable {
        var object = "explanation"
        var query: String
        var document: String
        var localScore: Float
        var method = "leave-one-out"
        var sides: [Side]

        enum CodingKeys: String, CodingKey {
            case object, query, document, method, sides
            case localScore = "local_score"
        }
    }

    /// `POST /explain`: the words of a query and a passage that carry the local half's score.
    ///
    /// Explanations cost thousands of tokens each. They are counted as such, and all of them together may hold a part of the queue only.
    func explain(_ request: ServedRequest, _ model: ServedModel) async throws -> Reply {
        let fields = try await fields(request)
        guard let query = try fields.text("query"), !query.allSatisfy(\.isWhitespace) else {
            throw ServiceError.invalid("query is missing or empty", parameter: "query")
        }
        guard let id = try fields.text("document") else {
            throw ServiceError.invalid("document is missing: the id of a document of the index", parameter: "document")
        }
        let (index, row) = try model.row(of: id, parameter: "document")
        let document = try index.document(row).textForEncoding
        let ofQuery = WordShares(of: query, as: .query, against: document, engine: model.engine)
        let ofDocument = WordShares(of: document, as: .document, against: query, engine: model.engine)
        let tokens = ofQuery.maximumTokens + ofDocument.maximumTokens
        guard let share = explanations.share(tokens) else {
            throw ServiceError.overloaded(retryAfter: model.engine.seconds)
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
        return try Reply(
            json: ExplainBody(
                query: query, document: id, localScore: found.query.score,
                sides: [
                    Side(side: "query", pieces: found.query.pieces),
                    Side(side: "document", pieces: found.document.pieces),
                ]))
    }
}
