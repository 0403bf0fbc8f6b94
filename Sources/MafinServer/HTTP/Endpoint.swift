import HTTPTypes

/// The paths of the service.
enum Endpoint: CaseIterable, Sendable {
    case embeddings, cohere, models, model, search, document, context, explain, feedback
    case live, ready, metrics, openAPI, page, report

    /// The path as the metrics and `/openapi.json` write it.
    var path: String {
        switch self {
        case .embeddings: "/v1/embeddings"
        case .cohere: "/v2/embed"
        case .models: "/v1/models"
        case .model: "/v1/models/{model}"
        case .search: "/search"
        case .document: "/document"
        case .context: "/v1/context"
        case .explain: "/explain"
        case .feedback: "/feedback"
        case .live: "/livez"
        case .ready: "/readyz"
        case .metrics: "/metrics"
        case .openAPI: "/openapi.json"
        case .page: "/"
        case .report: "/report"
        }
    }

    var methods: [HTTPRequest.Method] {
        switch self {
        case .embeddings, .cohere, .search, .context, .explain: [.post]
        case .feedback, .report: [.get, .post]
        default: [.get]
        }
    }

    /// Whether a key is needed where there are keys. The page itself holds nothing that needs one; what it asks for does.
    var needsKey: Bool {
        switch self {
        case .live, .ready, .metrics, .openAPI, .page: false
        default: true
        }
    }

    /// Whether the bound on requests at a time applies. Paths that say how the service is are always answered.
    var isCounted: Bool {
        switch self {
        case .live, .ready, .metrics: false
        default: true
        }
    }

    var dialect: Reply.Dialect? { self == .cohere ? .cohere : nil }

    /// The endpoint of a path, and the part of the path that is its parameter.
    static func find(_ path: String) -> (Endpoint?, String) {
        switch path {
        // Second names are for clients whose base URL lacks the version.
        case "/v1/embeddings", "/embeddings": return (.embeddings, "")
        case "/v2/embed": return (.cohere, "")
        case "/v1/models", "/models": return (.models, "")
        case "/search", "/v1/search": return (.search, "")
        case "/document": return (.document, "")
        case "/v1/context": return (.context, "")
        case "/explain": return (.explain, "")
        case "/feedback": return (.feedback, "")
        case "/livez": return (.live, "")
        case "/readyz": return (.ready, "")
        case "/metrics": return (.metrics, "")
        case "/openapi.json": return (.openAPI, "")
        case "/", "": return (.page, "")
        case "/report": return (.report, "")
        default:
            let prefix = "/v1/models/"
            return path.hasPrefix(prefix) && path.count > prefix.count
                ? (.model, String(path.dropFirst(prefix.count))) : (nil, "")
        }
    }

    /// A method's name, or one word for all unknown methods.
    static func known(_ method: HTTPRequest.Method) -> String {
        let names: [HTTPRequest.Method] = [.get, .head, .post, .put, .delete, .options, .patch, .trace, .connect]
        return names.contains(method) ? method.rawValue : "OTHER"
    }
}
