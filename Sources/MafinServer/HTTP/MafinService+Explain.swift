import Foundation
import HTTPTypes
import Hummingbird
import MafinBlackBox
import MafinNumerics
import MafinRetrieval
import MafinText
import Synchronization

extension MafinService {
    private struct Piece: Encodable {
        var text: String
        var share: Float?
    }

    private struct Side: Encodable {
        var side: String
        var pieces: [Piece]
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
    func explain(_ exchange: ServiceResponder.Exchange, _ generation: Generation) async throws -> Response {
        let fields = try RequestFields(try await body(exchange))
        guard let query = try fields.text("query"), !query.allSatisfy(\.isWhitespace) else {
            throw ServiceError.invalid("query is missing or empty", parameter: "query")
        }
        guard let index = generation.index else {
            throw ServiceError(.notFound, .invalidRequest, "no index is served", code: "no_index")
        }
        guard let id = try fields.text("document") else {
            throw ServiceError.invalid("document is missing: the id of a document of the index", parameter: "document")
        }
        guard let row = index.row(of: id) else { throw ServiceError.unknownDocument(id) }
        let document = try index.document(row).textForEncoding
        let words = WordShares(engine: generation.engine)
        async let ofQuery = words.shares(of: query, as: .query, against: document)
        async let ofDocument = words.shares(of: document, as: .document, against: query)
        let (left, right) = try await (ofQuery, ofDocument)
        return try Answers.json(
            ExplainBody(
                query: query, document: id, localScore: left.score,
                sides: [
                    Side(side: "query", pieces: left.pieces.map { Piece(text: $0.text, share: $0.share) }),
                    Side(side: "document", pieces: right.pieces.map { Piece(text: $0.text, share: $0.share) }),
                ]))
    }
}
