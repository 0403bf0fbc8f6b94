import Foundation
import Logging
import MafinBlackBox
import MafinPipeline
import NIOCore
import NIOHTTP1

/// A file of a repository at one commit.
struct HubFile: Sendable {
    let path: String
    let commit: String
    /// The hub's hash of its content.
    let etag: String
    let size: Int64?
}

extension ModelHub {
    /// The hub's description of a revision.
    struct Listing: Decodable, Sendable {
        struct Sibling: Decodable, Sendable {
            let rfilename: String
        }

        /// The commit.
        let sha: String
        let siblings: [Sibling]
    }

    /// The commit of a revision, and its files.
    func listing(of target: HubRepository) async throws -> Listing {
        let url =
            "\(location.endpoint)/api/models/\(target.name)/revision/\(Self.escaped(target.revision, slash: true))"
        // This is the first request to the hub. Without a network, it should fail at once.
        let answer = try await request(.GET, url, for: target, connectionAttempts: 2)
        guard let listing = try? JSONDecoder().decode(Listing.self, from: Data(answer.body.readableBytesView)),
            HubRepository.isCommit(listing.sha)
        else {
            throw ProviderError.badAnswer(
                endpoint: url,
                reason: "no list of files: " + ServerComplaint(status: 200, body: answer.body.readableBytesView).message
            )
        }
        return listing
    }

    /// Requests hash and size of a file's content, without the content.
    func metadata(of path: String, commit: String, in target: HubRepository) async throws -> HubFile {
        let url = resolveURL(path, commit: commit, in: target)
        let answer = try await request(.HEAD, url, for: target)
        if let other = answer.headers.first(name: "x-repo-commit"), other != commit {
            throw ProviderError.badAnswer(endpoint: url, reason: "it is of commit \(other), not \(commit)")
        }
        // For a large file, the linked ETag is the hash of its content, and the plain one that of the pointer to it.
        let given = answer.headers.first(name: "x-linked-etag") ?? answer.headers.first(name: "etag") ?? ""
        let etag = given.replacingOccurrences(of: "W/", with: "").trimmingCharacters(in: ["\""])
        guard HubRepository.isBlobName(etag) else {
            throw ProviderError.badAnswer(endpoint: url, reason: "no usable ETag ('\(etag.prefix(40))')")
        }
        let isRedirect = (300..<400).contains(answer.status)
        let size =
            answer.headers.first(name: "x-linked-size")
            ?? (isRedirect ? nil : answer.headers.first(name: "content-length"))
        return HubFile(path: path, commit: commit, etag: etag, size: size.flatMap { Int64($0) })
    }

    func resolveURL(_ path: String, commit: String, in target: HubRepository) -> String {
        "\(location.endpoint)/\(target.name)/resolve/\(commit)/\(Self.escaped(path, slash: false))"
    }

    /// Headers of a request. The token is sent to the hub only, never to the target of a redirect elsewhere.
    func headers(for url: String) -> HTTPHeaders {
        // Without compression, so that the size of the content is known.
        var headers = HTTPHeaders([("accept-encoding", "identity"), ("user-agent", "mafin")])
        if let token = location.token, Self.isSameOrigin(url, location.endpoint) {
            headers.add(name: "authorization", value: "Bearer \(token.secret)")
        }
        return headers
    }

    private static func isSameOrigin(_ one: String, _ other: String) -> Bool {
        guard let one = URLComponents(string: one), let other = URLComponents(string: other) else { return false }
        guard let host = one.host?.lowercased() else { return false }
        return one.scheme == other.scheme && host == other.host?.lowercased()
            && one.port == other.port
    }

    /// The absolute address that a redirect leads to.
    static func target(of location: String, from url: String) -> String? {
        guard let base = URL(string: url) else { return nil }
        return URL(string: location, relativeTo: base)?.absoluteString
    }

    /// The text percent-encoded for a path.
    private static func escaped(_ text: String, slash: Bool) -> String {
        var allowed = CharacterSet.alphanumerics.intersection(CharacterSet(charactersIn: "\u{20}"..."\u{7E}"))
        allowed.insert(charactersIn: slash ? "-._~" : "-._~/")
        return text.addingPercentEncoding(withAllowedCharacters: allowed) ?? text
    }

    /// Sends a small request to the hub, and repeats it until it is answered. Redirects on the hub itself are followed (a renamed repository).
    /// A redirect elsewhere is the answer to a HEAD request, because it carries the headers that are needed.
    private func request(
        _ method: HTTPMethod, _ start: String, for target: HubRepository, connectionAttempts: Int = .max
    ) async throws -> HTTPAnswer {
        try await retrying(target, connectionAttempts: connectionAttempts) {
            var url = start
            for _ in 0..<10 {
                let answer = try await transport.send(
                    method, url, headers: headers(for: url), timeout: .seconds(60), maximumBytes: 64 << 20)
                if (200..<300).contains(answer.status) { return .done(answer) }
                if (300..<400).contains(answer.status), let next = answer.headers.first(name: "location"),
                    let next = Self.target(of: next, from: url)
                {
                    if method == .HEAD, !Self.isSameOrigin(next, url) { return .done(answer) }
                    url = next
                    continue
                }
                return try attempt(failedWith: answer, target)
            }
            throw ProviderError.badAnswer(endpoint: start, reason: "it redirects without end")
        }
    }

    /// The outcome of one attempt.
    enum Attempt<Result> {
        case done(Result)
        case again(reason: String, after: Duration?)
    }

    /// Repeats attempts, with pauses, until one is done.
    /// - Parameter connectionAttempts: maximum number of attempts without any answer, if that is lower than the policy's.
    func retrying<Result>(
        _ target: HubRepository, connectionAttempts: Int = .max, _ body: () async throws -> Attempt<Result>
    ) async throws -> Result {
        var failures = 0
        var brokenConnections = 0
        while true {
            let (reason, serverDelay): (String, Duration?)
            do {
                switch try await body() {
                case .done(let result): return result
                case .again(let why, let after): (reason, serverDelay) = (why, after)
                }
            } catch let failure as ConnectionFailure {
                (reason, serverDelay) = (failure.description, nil)
                brokenConnections += 1
            }
            failures += 1
            guard brokenConnections < connectionAttempts,
                let delay = retry.delay(afterAttempt: failures, asked: serverDelay)
            else {
                throw ProviderError.hubUnavailable(
                    repository: target.name, endpoint: location.endpoint, attempts: failures, reason: reason)
            }
            logger?.warning("repeating the request", metadata: ["reason": "\(reason)", "after": "\(delay.logText)"])
            try await Task.sleep(for: delay)
        }
    }

    /// Decides whether a request that failed with this answer is repeated, or throws.
    func attempt<Result>(failedWith answer: HTTPAnswer, _ target: HubRepository) throws -> Attempt<Result> {
        let status = answer.status
        let complaint = ServerComplaint(status: status, body: answer.body.readableBytesView)
        let words = answer.headers.first(name: "x-error-message") ?? complaint.message
        let message = location.token.map { words.replacingOccurrences(of: $0.secret, with: "[key]") } ?? words
        switch status {
        case 408, 429, 500, 502, 503, 504, 520..<600:
            return .again(reason: "\(status) \(message)", after: answer.retryDelay)
        // Without a token, the hub does not say whether a repository is private or does not exist.
        case 404,
            401 where location.token == nil && answer.headers.first(name: "x-error-code") != "GatedRepo":
            throw ProviderError.notOnHub(
                repository: target.name, revision: target.revision, endpoint: location.endpoint, message: message)
        case 401, 403:
            throw ProviderError.hubAccessDenied(
                repository: target.name, endpoint: location.endpoint, status: status, message: message)
        default: throw ProviderError.refused(endpoint: location.endpoint, status: status, message: message)
        }
    }
}
