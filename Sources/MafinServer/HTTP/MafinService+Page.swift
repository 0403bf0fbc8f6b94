import Crypto
import Foundation
import HTTPTypes
import Hummingbird
import Mafin
import NIOCore

extension MafinService {
    /// `GET /`: the page, one file without anything from elsewhere.
    func page(_ generation: Generation) throws -> Response {
        let facts = PageFacts(
            model: generation.name, lambda: generation.manifest.mixing.combination.lambda ?? 0.5,
            documents: generation.index?.count ?? 0, hasIndex: generation.index != nil,
            hasFeedback: feedback != nil, hasReport: options.report != nil, hasBM25: generation.lexical != nil)
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
                "there is no report: write one with 'mafin evaluate --report FILE' and start the service with --report FILE",
                code: "no_report")
        }
        return Answers.bytes(ByteBuffer(bytes: data), type: "text/html; charset=utf-8")
    }

    /// `GET /openapi.json`
    func openAPI(_ generation: Generation) -> Response {
        let text = String(decoding: PackageResources.openapi_json, as: UTF8.self)
            .replacing("MAFIN_VERSION", with: LibraryVersion.current.version)
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
}

/// The page's parts, put together once.
enum PageSource {
    private static let style = String(decoding: PackageResources.page_css, as: UTF8.self)
    private static let script = String(decoding: PackageResources.page_js, as: UTF8.self)

    static let page: String = String(decoding: PackageResources.page_html, as: UTF8.self)
        .replacing("/*STYLE*/", with: style).replacing("/*SCRIPT*/", with: script)

    static let policy: String = {
        func hash(_ text: String) -> String {
            "'sha256-\(Data(SHA256.hash(data: Data(text.utf8))).base64EncodedString())'"
        }
        return "default-src 'none'; connect-src 'self'; img-src data:; form-action 'none'; base-uri 'none'; "
            + "frame-ancestors 'none'; style-src \(hash(style)); script-src \(hash(script))"
    }()
}
