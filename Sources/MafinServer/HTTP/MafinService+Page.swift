import Foundation
import HTTPTypes
import Hummingbird
import MafinBlackBox
import MafinMethod
import MafinNumerics
import MafinPipeline
import NIOCore
import Synchronization

extension MafinService {
    /// `GET /`: the page, one file without anything from elsewhere.
    func page(_ generation: Generation) throws -> Response {
        let facts = PageFacts(
            model: generation.name, lambda: generation.manifest.mixing.lambda ?? 0.5,
            documents: generation.index?.count ?? 0, hasIndex: generation.index != nil,
            hasFeedback: feedback != nil, hasReport: options.report != nil, hasBM25: generation.lexical != nil,
            hasKeys: !keys.isEmpty)
        let text = try String(decoding: JSONEncoder().encode(facts), as: UTF8.self).replacing("<", with: "\\u003c")
        var response = Answers.text(
            PageSource.page.replacing("/*CONFIG*/", with: text), type: "text/html; charset=utf-8")
        // Nothing but what lies in this page may run, and it may ask nobody but this server.
        response.headers[.contentSecurityPolicy] = PageSource.policy
        response.headers[.cacheControl] = "no-cache"
        return response
    }

    /// `GET /report`: the evaluation report that the service was started with.
    func report() throws -> Response {
        guard let file = options.report, let data = FileManager.default.contents(atPath: file.path) else {
            throw ServiceError(
                .notFound, .invalidRequest,
                "there is no report: 'mafin compare --output REPORT' writes one; start the service with --report REPORT/index.html",
                code: "no_report")
        }
        return Answers.bytes(ByteBuffer(bytes: data), type: "text/html; charset=utf-8")
    }

    /// `POST /report`: a cookie that opens the report for some minutes, as a link cannot bring a key.
    func reportTicket(_ exchange: ServiceResponder.Exchange) throws -> Response {
        let name = exchange.facts.withLock { $0.key } ?? ""
        return Response(status: .noContent, headers: [.setCookie: reportTickets.cookie(for: name)])
    }

    /// `GET /openapi.json`: with the bounds of this service and the lengths of this artefact's vectors.
    func openAPI(_ generation: Generation) -> Response {
        let fusion =
            generation.lexical == nil
            ? #"{"type": "null", "description": "BM25 is not held: the service was started without --bm25."}"#
            : #"{"type": ["number", "null"], "minimum": 0, "maximum": 1, "description": "Weight of BM25 beside the joined ranking (convex, min-max normalised)."}"#
        // Only the query's vector of a query-sided artefact depends on it.
        let share = #"{"type": ["number", "null"], "minimum": 0, "maximum": 1}"#
        let isFree = generation.manifest.mixing.isLambdaFree
        var text = String(decoding: PackageResources.openapi_json, as: UTF8.self)
        for (name, value) in [
            ("\"MAFIN_BLACK_BOX_DIMENSION\"", "\(generation.manifest.blackBoxDimension)"),
            ("\"MAFIN_DIMENSION\"", "\(generation.dimension)"), ("\"MAFIN_MAX_INPUTS\"", "\(options.maximumInputs)"),
            ("\"MAFIN_BM25\"", fusion), ("\"MAFIN_LAMBDA\"", isFree ? share : #"{"type": "null"}"#),
            (
                "\"MAFIN_DEFAULT_LAMBDA\"",
                isFree && options.defaultRole == .query ? share : #"{"type": "null"}"#
            ),
            ("MAFIN_DEFAULT_ROLE", options.defaultRole.rawValue),
            ("MAFIN_MODEL", String(JSONText.quoted(generation.name).dropFirst().dropLast())),
            ("MAFIN_VERSION", LibraryVersion.current.version),
        ] { text = text.replacing(name, with: value) }
        return Answers.text(text, type: "application/json")
    }
}

/// What the page has to know before it asks anything.
private struct PageFacts: Encodable {
    var model: String
    var lambda: Float
    var documents: Int
    var hasIndex: Bool
    var hasFeedback: Bool
    var hasReport: Bool
    var hasBM25: Bool
    var hasKeys: Bool
}

/// The page's parts, put together once.
enum PageSource {
    private static let style = String(decoding: PackageResources.page_css, as: UTF8.self)
    private static let script = String(decoding: PackageResources.page_js, as: UTF8.self)

    static let page: String = String(decoding: PackageResources.page_html, as: UTF8.self)
        .replacing("/*STYLE*/", with: style).replacing("/*SCRIPT*/", with: script)

    static let policy: String = {
        func hash(_ text: String) -> String {
            "'sha256-\(Data(ContentHash.sha256(Array(text.utf8))).base64EncodedString())'"
        }
        return "default-src 'none'; connect-src 'self'; img-src data:; form-action 'none'; base-uri 'none'; "
            + "frame-ancestors 'none'; style-src \(hash(style)); script-src \(hash(script))"
    }()
}
