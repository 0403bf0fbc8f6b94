import Foundation
import HTTPTypes
import MafinNumerics

extension MafinService {
    /// `GET /`: the page, one file that loads nothing from elsewhere.
    func page(_ model: ServedModel) throws -> Reply {
        var reply = Reply(model.page, type: "text/html; charset=utf-8")
        // Only the page's own script may run, and it may send requests only to this server.
        reply.headers[.contentSecurityPolicy] = PageSource.policy
        reply.headers[.cacheControl] = "no-cache"
        return reply
    }
}

/// The page's parts, put together once.
enum PageSource {
    private static let style = String(decoding: PackageResources.page_css, as: UTF8.self)
    private static let script = String(decoding: PackageResources.page_js, as: UTF8.self)
    private static let whole: String = String(decoding: PackageResources.page_html, as: UTF8.self)
        .replacing("/*STYLE*/", with: style).replacing("/*SCRIPT*/", with: script)

    /// - Parameter facts: what the page has to know before its first request.
    static func page(_ facts: JSONObject) throws -> String {
        let config = try String(decoding: JSONEncoder().encode(facts), as: UTF8.self).replacing("<", with: "\\u003c")
        return whole.replacing("/*CONFIG*/", with: config)
    }

    static let policy: String = {
        func hash(_ text: String) -> String {
            "'sha256-\(Data(ContentHash.sha256(Data(text.utf8))).base64EncodedString())'"
        }
        return "default-src 'none'; connect-src 'self'; img-src data:; form-action 'none'; base-uri 'none'; "
            + "frame-ancestors 'none'; style-src \(hash(style)); script-src \(hash(script))"
    }()
}
