import HTTPTypes
import Synchronization

extension MafinService {
    /// `POST /feedback` marks a result; `GET /feedback?query=…` gives the marks that this client has made.
    func feedback(_ request: ServedRequest, _ model: ServedModel) async throws -> Reply {
        guard let feedback else {
            throw ServiceError(
                .notFound, .invalidRequest, "marks are not kept: start the service with --feedback FOLDER",
                code: "no_feedback")
        }
        let owner = request.facts.withLock { $0.key?.name }
        func reply(_ query: String?) async throws -> Reply {
            let state = try await feedback.state(of: query, by: owner)
            return try Reply(json: [
                "object": "feedback", "query": query, "grades": state.grades, "labels": state.labels,
                "queries": state.queries,
            ])
        }
        if request.method == .get || request.method == .head { return try await reply(request.parameter("query")) }
        let fields = try await fields(request)
        let query = try fields.query(maximumBytes: FeedbackLog.maximumQueryBytes)
        let document = try fields.document()
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
