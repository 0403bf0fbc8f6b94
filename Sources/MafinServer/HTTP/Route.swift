import HTTPTypes

/// The paths that the service answers, and the rules of each.
enum Route: String, CaseIterable, Sendable {
    case embeddings = "/v1/embeddings"
    case multimodal = "/v1/multimodalembeddings"
    case cohere = "/v2/embed"
    case models = "/v1/models"
    case model = "/v1/models/{model}"
    case search = "/search"
    case document = "/document"
    case context = "/v1/context"
    case explain = "/explain"
    case feedback = "/feedback"
    case live = "/livez"
    case ready = "/readyz"
    case metrics = "/metrics"
    case openAPI = "/openapi.json"
    case page = "/"
    case report = "/report"

    /// The path as the metrics and `/openapi.json` write it.
    var path: String { rawValue }

    var methods: [HTTPRequest.Method] {
        switch self {
        case .embeddings, .multimodal, .cohere, .search, .context, .explain: [.post]
        case .feedback, .report: [.get, .post]
        default: [.get]
        }
    }

    /// Whether requests need a key if the service has keys. The page itself holds nothing secret. Its requests need a key.
    var needsKey: Bool { ![.live, .ready, .metrics, .openAPI, .page].contains(self) }

    /// Whether the bound on requests at a time applies. Health and metrics are always answered.
    var isCounted: Bool { ![.live, .ready, .metrics].contains(self) }

    var dialect: Reply.Dialect? { self == .cohere ? .cohere : nil }

    /// Other paths of the endpoints, for clients whose base URL has no version, or one too many.
    private static let secondNames: [String: Route] = [
        "/embeddings": .embeddings, "/multimodalembeddings": .multimodal, "/models": .models, "/v1/search": .search,
        "": .page,
    ]

    /// The route of a path, and the part of the path that is its parameter.
    static func find(_ path: String) -> (Route?, String) {
        let prefix = "/v1/models/"
        guard !path.hasPrefix(prefix) else {
            return path.count > prefix.count ? (.model, String(path.dropFirst(prefix.count))) : (nil, "")
        }
        return (Route(rawValue: path) ?? secondNames[path], "")
    }

    /// A method's name, or one word for all unknown methods.
    static func known(_ method: HTTPRequest.Method) -> String {
        let names: [HTTPRequest.Method] = [.get, .head, .post, .put, .delete, .options, .patch, .trace, .connect]
        return names.contains(method) ? method.rawValue : "OTHER"
    }
}
