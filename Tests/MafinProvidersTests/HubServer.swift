import Foundation
import MafinNumerics
import MafinTestSupport
import Synchronization

/// A model hub for tests. Like the real hub, it lists a repository, answers HEAD with the name and the size of a
/// content, serves small files itself, redirects large files to a content server of another origin, and supports
/// ranges.
final class HubServer: Sendable {
    static let commit = "0123456789abcdef0123456789abcdef01234567"
    static let repository = "org/tiny-encoder"

    /// The files of the repository. Files of a kilobyte or more are "large".
    let files: [String: [UInt8]]
    let hub: StubHTTPServer
    let contents: StubHTTPServer

    typealias Misbehaviour = @Sendable (StubHTTPServer.Request) -> StubHTTPServer.Response?

    static let standardFiles: [String: [UInt8]] = [
        "config.json": Array(#"{"model_type": "bert", "hidden_size": 4}"#.utf8),
        "tokenizer.json": Array(#"{"version": "1.0"}"#.utf8),
        "vocab.txt": Array("[PAD]\n[UNK]\n".utf8),
        "modules.json": Array("[]".utf8),
        "1_Pooling/config.json": Array(#"{"pooling_mode_mean_tokens": true}"#.utf8),
        "model.safetensors": (0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 13) },
        "README.md": Array("# read me".utf8),
        "pytorch_model.bin": Array(repeating: 7, count: 2000),
        "onnx/model.onnx": Array(repeating: 8, count: 2000),
        "onnx/config.json": Array("{}".utf8),
        "../outside.json": Array("{}".utf8),
        "model.safetensors.index.json": Array("{}".utf8),
    ]

    init(
        files: [String: [UInt8]] = standardFiles, hub misbehavingHub: @escaping Misbehaviour = { _ in nil },
        contents misbehavingContents: @escaping Misbehaviour = { _ in nil }
    ) throws {
        self.files = files
        let contents = try StubHTTPServer { request in
            if let response = misbehavingContents(request) { return response }
            guard let body = files.values.first(where: { request.target.contains(Self.sha256($0)) }) else {
                return .text("no such content", status: 404)
            }
            return Self.content(body, request)
        }
        self.contents = contents
        hub = try StubHTTPServer { request in
            misbehavingHub(request) ?? Self.answer(request, files: files, contents: contents.url)
        }
    }

    func stop() {
        hub.stop()
        contents.stop()
    }

    static func sha256(_ bytes: [UInt8]) -> String {
        ContentHash.hexadecimal(ContentHash.sha256(bytes))
    }

    /// The hash that `git hash-object` gives.
    static func gitHash(_ bytes: [UInt8]) -> String {
        var hash = ContentHash(.sha1)
        hash.update("blob \(bytes.count)\0")
        hash.update(bytes)
        return ContentHash.hexadecimal(hash.finalize())
    }

    static func etag(_ bytes: [UInt8]) -> String { bytes.count >= 1000 ? sha256(bytes) : gitHash(bytes) }

    private static func answer(
        _ request: StubHTTPServer.Request, files: [String: [UInt8]], contents: String
    ) -> StubHTTPServer.Response {
        let base = "/\(repository)/resolve/"
        let prefix = base + (request.target.hasPrefix(base + "main/") ? "main/" : "\(commit)/")
        if request.target.hasPrefix("/api/models/\(repository)/revision/") {
            let siblings = files.keys.sorted().map { ["rfilename": $0] }
            let object: [String: Any] = ["id": repository, "sha": commit, "siblings": siblings]
            let json = (try? JSONSerialization.data(withJSONObject: object)) ?? Data()
            return .text(String(decoding: json, as: UTF8.self))
        }
        guard request.target.hasPrefix(prefix), let body = files[String(request.target.dropFirst(prefix.count))] else {
            return .text(
                #"{"error":"Repository not found"}"#, status: 404, headers: ["X-Error-Code": "RepoNotFound"])
        }
        if body.count < 1000 {
            var response = content(body, request)
            response.headers["ETag"] = "\"\(etag(body))\""
            response.headers["X-Repo-Commit"] = commit
            return response
        }
        return StubHTTPServer.Response(
            status: 302,
            headers: [
                "Location": "\(contents)/signed/\(sha256(body))?expires=1", "X-Repo-Commit": commit,
                "X-Linked-Etag": "\"\(sha256(body))\"", "X-Linked-Size": "\(body.count)", "ETag": "\"of-the-pointer\"",
            ])
    }

    /// A body or the range of it that is asked for.
    static func content(_ body: [UInt8], _ request: StubHTTPServer.Request) -> StubHTTPServer.Response {
        guard let range = request.headers["range"], let from = Int(range.dropFirst("bytes=".count).dropLast()) else {
            return StubHTTPServer.Response(headers: ["Content-Length": "\(body.count)"], body: body)
        }
        guard from < body.count else { return StubHTTPServer.Response(status: 416) }
        return StubHTTPServer.Response(
            status: 206, headers: ["Content-Range": "bytes \(from)-\(body.count - 1)/\(body.count)"],
            body: Array(body[from...]))
    }
}
