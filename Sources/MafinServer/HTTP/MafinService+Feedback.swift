import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdCore
import Synchronization

extension MafinService {
    private struct FeedbackBody: Encodable {
        var object = "feedback"
        var query: String?
        var grades: [String: Int]
        var labels: Int
        var queries: Int
    }

    /// `POST /feedback` marks a result; `GET /feedback?query=…` says which marks there are.
    func feedback(_ exchange: ServiceResponder.Exchange, _ generation: Generation) async throws -> Response {
        guard let feedback else {
            throw ServiceError(
                .notFound, .invalidRequest, "marks are not kept: start the service with --feedback FOLDER",
                code: "no_feedback")
        }
        if exchange.request.method == .get || exchange.request.method == .head {
            let query = exchange.request.uri.queryParameters["query"].map { String($0) }
            let counts = await feedback.counts
            let grades: [String: Int] = if let query { await feedback.grades(of: query) } else { [:] }
            return try Answers.json(
                FeedbackBody(query: query, grades: grades, labels: counts.labels, queries: counts.queries))
        }
        let fields = try RequestFields(try await body(exchange))
        guard let query = try fields.text("query"), !query.allSatisfy(\.isWhitespace), query.utf8.count <= 10_000 else {
            throw ServiceError.invalid("query is missing, empty or longer than 10,000 bytes", parameter: "query")
        }
        guard let document = try fields.text("document") else {
            throw ServiceError.invalid("document is missing: the id of a document of the index", parameter: "document")
        }
        guard generation.index?.row(of: document) != nil else { throw ServiceError.unknownDocument(document) }
        guard !document.unicodeScalars.contains(where: { $0.properties.isWhitespace }) else {
            throw ServiceError.invalid(
                "the id of this document holds white space, which a qrels file cannot", parameter: "document")
        }
        let grade = try fields.integer("grade", in: 0...1)
        let grades = try await feedback.mark(query: query, document: document, grade: grade)
        let counts = await feedback.counts
        return try Answers.json(
            FeedbackBody(query: query, grades: grades, labels: counts.labels, queries: counts.queries))
    }
}
