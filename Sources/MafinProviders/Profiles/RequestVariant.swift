import MafinBlackBox
import MafinNumerics
import NIOCore

/// Everything in a request, besides its texts, that may change their vectors: literals of the body, the query, headers.
///
/// Encodings are left out because they change no vector. Headers that only identify the sender are left out too.
struct RequestVariant: Hashable {
    private let name: String
    private let body: String
    /// The bodies for images. They are compared, and hashed only if they differ from those of the built-in profile.
    private let imageBodies: [String]
    private let query: String
    private let headers: [String: String]

    /// - Parameter given: headers besides those of the profile.
    init(_ profile: ProviderProfile, model: String, dimensions: Int?, headers given: [String: String] = [:]) {
        name = profile.name
        var values: [RequestTemplate.Variable: String] = [.model: model]
        values[.dimensions] = dimensions.map(String.init)
        values[.inputType] = profile.request.queryType == nil ? nil : "$input_type"
        body = String(decoding: profile.request.template.bound(values).body(["$text"]).readableBytesView, as: UTF8.self)
        imageBodies = [profile.request.imageTemplate, profile.request.imageTextTemplate].map { template in
            guard let template else { return "" }
            let item = template.places.map { "$\($0.rawValue)" }
            return String(decoding: template.bound(values).body(items: [item]).readableBytesView, as: UTF8.self)
        }
        query = profile.endpoint.query ?? ""
        var headers: [String: String] = [:]
        for (name, value) in profile.endpoint.headers.merging(given, uniquingKeysWith: { $1 })
        where !Self.isAboutWhoAsks(name.lowercased()) {
            headers[name.lowercased()] = value
        }
        self.headers = headers
    }

    /// 16 hexadecimal digits of a hash of it; nil if the built-in profile of that name sends the same request (for a user's own name: if any
    /// built-in profile does).
    func difference(model: String, dimensions: Int?) -> String? {
        let catalog = ProfileCatalog.builtIn
        let names = catalog.names.contains(name) ? [name] : catalog.names
        var hasKnownImages = false
        for name in names {
            guard let profile = try? catalog.profile(name).adapted(to: model) else { continue }
            let own = RequestVariant(profile, model: model, dimensions: dimensions)
            let sendsSameImages = own.imageBodies == imageBodies
            hasKnownImages = hasKnownImages || sendsSameImages
            if (own.body, own.query) == (body, query), own.headers == headers, sendsSameImages { return nil }
        }
        let fields =
            [body, query] + (hasKnownImages ? [] : imageBodies)
            + headers.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
        return String(ContentHash.sha256(of: fields.joined(separator: "\n")).prefix(16))
    }

    private static func isAboutWhoAsks(_ name: String) -> Bool {
        [
            "auth", "key", "token", "secret", "password", "cookie", "organization", "project", "user-agent", "trace",
            "request-id", "correlation", "referer", "x-title", "accept", "content-",
        ].contains(where: name.contains)
    }
}
