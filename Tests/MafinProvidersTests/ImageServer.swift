import Foundation
import MafinBlackBox
import MafinImages
import MafinNumerics
import MafinProviders
import MafinTestSupport
import Synchronization

/// A test server that speaks a vendor's dialect for images. Written by hand from the vendors' pages, not from our profiles.
final class ImageServer: Sendable {
    /// An API for images.
    enum Vendor: String, CaseIterable, Sendable {
        case cohere, voyage, jinaClip, jina, infinity, images

        /// The profile and the model of it.
        var model: (profile: String, name: String) {
            switch self {
            case .cohere: ("cohere", "embed-v4.0")
            case .voyage: ("voyage", "voyage-multimodal-3")
            case .jinaClip: ("jina", "jina-clip-v2")
            case .jina: ("jina", "jina-embeddings-v4")
            case .infinity: ("infinity", "clip")
            case .images: ("images", "any")
            }
        }

        var path: String {
            switch self {
            case .cohere: "/v2/embed"
            case .voyage: "/v1/multimodalembeddings"
            case .jinaClip, .jina, .images: "/v1/embeddings"
            case .infinity: "/embeddings"
            }
        }

        var readsBoth: Bool { [.cohere, .voyage, .images].contains(self) }

        fileprivate var members: Set<String> {
            switch self {
            case .cohere: ["model", "inputs", "texts", "input_type", "embedding_types", "output_dimension", "truncate"]
            case .voyage: ["model", "inputs", "input_type", "truncation", "output_dimension", "output_encoding"]
            case .jinaClip: ["model", "input", "dimensions", "embedding_type", "normalized"]
            case .jina: ["model", "input", "task", "dimensions", "embedding_type", "truncate", "normalized"]
            case .infinity: ["model", "input", "dimensions", "encoding_format", "modality"]
            case .images: ["model", "input", "input_type", "dimensions", "encoding_format"]
            }
        }
    }

    struct Refusal: Error { var message: String }

    let vendor: Vendor
    private let stub: StubHTTPServer
    private let paid = Mutex<[String]>([])

    var url: String { stub.url }
    var requests: [StubHTTPServer.Request] { stub.requests }
    /// What was answered: hashes of images, texts, or both.
    var paidItems: [String] { paid.withLock { $0 } }
    func stop() { stub.stop() }

    /// - Parameter misbehave: the answer to a request of these items, or nil for the right one.
    init(
        _ vendor: Vendor,
        misbehave: @escaping @Sendable (_ items: [String], _ number: Int) -> StubHTTPServer.Response? = { _, _ in nil }
    ) throws {
        self.vendor = vendor
        let box = Box()
        stub = try StubHTTPServer { request in
            let items: [String]
            do {
                items = try Self.items(of: request, vendor)
            } catch {
                let words = (error as? Refusal)?.message ?? "\(error)"
                return .text(#"{"message": "\#(words)", "detail": "\#(words)"}"#, status: 400)
            }
            let response = misbehave(items, request.number) ?? .text(Self.answer(items, vendor))
            switch response.delivery {
            case .hangUp, .silence: break
            case .cut(let bytes) where bytes < response.body.count: break
            default: if response.status == 200 { box.server?.paid.withLock { $0 += items } }
            }
            return response
        }
        box.server = self
    }

    private final class Box: @unchecked Sendable { weak var server: ImageServer? }

    private static func items(of request: StubHTTPServer.Request, _ vendor: Vendor) throws -> [String] {
        guard request.method == "POST", request.target == vendor.path else {
            throw Refusal(message: "no route \(request.target)")
        }
        guard request.headers["authorization"] == "Bearer \(Dialect.key)" else { throw Refusal(message: "invalid key") }
        guard let body = request.json, body["model"] as? String == vendor.model.name else {
            throw Refusal(message: "no such model")
        }
        if let unknown = Set(body.keys).subtracting(vendor.members).min() {
            throw Refusal(message: "unknown member \(unknown)")
        }
        if vendor == .cohere || vendor == .voyage || vendor == .images {
            guard
                ["search_query", "search_document", "query", "document"].contains(body["input_type"] as? String ?? "")
            else { throw Refusal(message: "input type missing") }
        }
        if let texts = (body["texts"] ?? body["input"]) as? [String], body["modality"] == nil { return texts }
        let list = body[vendor == .cohere || vendor == .voyage ? "inputs" : "input"]
        if vendor == .infinity {
            guard body["modality"] as? String == "image", let urls = list as? [String] else {
                throw Refusal(message: "no images")
            }
            return try urls.map { try hash(ofDataURL: $0) }
        }
        guard let inputs = list as? [[String: Any]] else { throw Refusal(message: "no inputs") }
        return try inputs.map { input in
            switch vendor {
            case .cohere, .voyage:
                guard let content = input["content"] as? [[String: Any]], input.count == 1, !content.isEmpty else {
                    throw Refusal(message: "no content")
                }
                return try content.map { part in
                    switch part["type"] as? String {
                    case "text": return part["text"] as? String ?? ""
                    case "image_url" where vendor == .cohere:
                        return try hash(ofDataURL: (part["image_url"] as? [String: String])?["url"] ?? "")
                    case "image_base64" where vendor == .voyage:
                        return try hash(ofDataURL: part["image_base64"] as? String ?? "")
                    default: throw Refusal(message: "unknown type of content")
                    }
                }.joined(separator: " + ")
            case .images:
                let image = try (input["image"] as? String).map { try hash(ofDataURL: $0) }
                return [input["text"] as? String, image].compactMap { $0 }.joined(separator: " + ")
            default:
                guard input.count == 1 else { throw Refusal(message: "one of text and image") }
                if let text = input["text"] as? String { return text }
                return try hash(ofBase64: input["image"] as? String ?? "")
            }
        }
    }

    private static func hash(ofDataURL text: String) throws -> String {
        let parts = text.split(separator: ",", maxSplits: 1).map(String.init)
        guard parts.count == 2, ["data:image/png;base64", "data:image/jpeg;base64"].contains(parts[0]) else {
            throw Refusal(message: "not a data URL")
        }
        return try hash(ofBase64: parts[1])
    }

    /// What a server does first: it decodes the image.
    private static func hash(ofBase64 text: String) throws -> String {
        guard let bytes = Data(base64Encoded: text) else { throw Refusal(message: "not base64") }
        _ = try ImageReader.decode(bytes, name: "image")
        return ContentHash.hexadecimal(ContentHash.sha256(bytes))
    }

    private static func answer(_ items: [String], _ vendor: Vendor) -> String {
        let rows = items.map { EmbeddingServer.numbers(EmbeddingServer.vector($0)) }
        if vendor == .cohere {
            return #"{"id":"1","embeddings":{"float":[\#(rows.joined(separator: ","))]},"#
                + #""meta":{"billed_units":{"images":\#(items.count),"image_tokens":\#(items.count * 7)}}}"#
        }
        let data = rows.enumerated().map { #"{"object":"embedding","index":\#($0),"embedding":\#($1)}"# }
        return
            #"{"object":"list","data":[\#(data.joined(separator: ","))],"model":"m","usage":{"image_pixels":1,"total_tokens":\#(items.count * 7)}}"#
    }

    /// A black box that uses this server.
    func blackBox(
        limits: BatchLimits = BatchLimits(items: 4), change: (inout ProviderBlackBox.Options) -> Void = { _ in }
    ) throws -> ProviderBlackBox {
        var options = ProviderBlackBox.Options(
            limits: limits, maximumConcurrentRequests: 2,
            retry: RetryPolicy(maximumAttempts: 6, firstDelay: .milliseconds(5), longestDelay: .milliseconds(20)),
            connection: ConnectionSettings(timeout: .seconds(20)))
        change(&options)
        return try ProviderBlackBox(
            ProfileCatalog.builtIn.profile(vendor.model.profile), model: vendor.model.name, baseURL: url,
            apiKey: try APIKey(Dialect.key), options: options, environment: [:])
    }
}

/// Small PNG files: `count` different ones of one colour each.
func pictures(_ count: Int, side: Int = 5) throws -> [ItemImage] {
    try (0..<count).map { number in
        let file = TestPicture.png(width: side, height: side) { _, _ in [UInt8(number), 128, UInt8(255 - number)] }
        return try ItemImage(bytes: file, name: "picture \(number)")
    }
}
