import Foundation
import HTTPTypes
import Synchronization

extension MafinService {
    private struct FeedbackBody: Encodable {
        var object = "feedback"
        var query: String?
        var grades: [String: Int]
        var labels: Int
        var queries: Int
    }

    /// `POST /feedback` marks a result; `GET /feedback?query=…` says which marks this client has made.
    func feedback(_ request: ServedRequest, _ model: ServedModel) async throws -> Reply {
        guard let feedback else {
            throw ServiceError(
                .notFound, .invalidRequest, "marks are not kept: start the service with --feedback FOLDER",
                code: "no_feedback")
        }
        let owner = request.facts.withLock { $0.key?.name }
        func reply(_ query: String?) async throws -> Reply {
            let state = try await feedback.state(of: query, by: owner)
            return try Reply(
                json: FeedbackBody(query: query, grades: state.grades, labels: state.labels, queries: state.queries))
        }
        if request.method == .get || request.method == .head { return try await reply(request.parameter("query")) }
        let fields = try await fields(request)
        guard let query = try fields.text("query"), !query.allSatisfy(\.isWhitespace),
            query.utf8.count <= FeedbackLog.maximumQueryBytes
        else {
            throw ServiceError.invalid(
                "query is missing, empty or longer than \(FeedbackLog.maximumQueryBytes) bytes", parameter: "query")
        }
        guard let document = try fields.text("document") else {
            throw ServiceError.invalid("document is missing: the id of a document of the index", parameter: "document")
        }
        _ = try model.row(of: document, parameter: "document")
        guard !document.unicodeScalars.contains(where: { $0.properties.isWhitespace }) else {
            throw ServiceError.invalid(
                "the id of this document holds white space, which a qrels file cannot", parameter: "document")
        }
        try await feedback.append(
            .init(
                key: owner, query: query, document: document, grade: try fields.integer("grade", in: 0...1),
                index: model.index?.hash ?? ""))
        return try await reply(query)
    }
}
