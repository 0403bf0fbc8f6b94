import Foundation
import MafinBlackBox
import MafinNumerics
import NIOCore
import NIOHTTP1

/// Sends one request to a provider and returns its outcome. It makes one attempt. Its outcomes contain no secrets.
struct Exchange: Sendable {
    /// The outcome of a request.
    enum Outcome: Sendable {
        case answered(EmbeddingAnswer.Vectors, RateHeaders)
        /// A well-formed answer without vectors.
        case noVectors
        /// The server refuses the request.
        case complaint(ServerComplaint, RateHeaders)
        /// There was no complete answer; `wasSent`: part of the request's body was sent.
        case unreachable(String, wasSent: Bool)
        /// The answer cannot be used; `isPage`: it is a web page, for example of a proxy.
        case unusable(String, isPage: Bool)
        case cancelled

        /// Tokens that the vendor may bill: those it has counted, or all that were booked. A request is not billed if the server refused it or if
        /// nothing of its body was sent.
        func tokens(booked: Int) -> Int {
            switch self {
            case .answered(let vectors, _): vectors.tokens ?? booked
            case .complaint(let complaint, _): complaint.mayBeBilled ? booked : 0
            case .unreachable(_, let wasSent): wasSent ? booked : 0
            case .noVectors, .unusable, .cancelled: booked
            }
        }
    }

    let url: String
    /// The account in the ledger: provider, address, model, and six digits of a hash of the key. They do not reveal the key.
    let account: String
    private let profile: ProviderProfile
    private let model: String
    private let headers: HTTPHeaders
    private let secrets: [String]
    private let transport: any RequestTransport
    private let timeout: Duration

    /// - Throws: ``ProviderError``
    init(
        profile: ProviderProfile, model: String, address: Endpoint.Resolved, givenBaseURL: String?, apiKey: APIKey?,
        connection: ConnectionSettings, headers given: [String: String], environment: [String: String],
        transport: (any RequestTransport)?
    ) throws {
        self.profile = profile
        self.model = model
        var address = address
        let bases = profile.endpoint.baseURLOfKeys
        if givenBaseURL == nil, let apiKey, let other = bases.first(where: { apiKey.secret.hasPrefix($0.key) })?.value {
            address = try profile.endpoint.resolved(other, model: model, profile: profile.name)
        }
        url = address.url
        var headers = HTTPHeaders([("content-type", "application/json"), ("accept", "application/json")])
        var secrets = connection.secrets
        if let apiKey {
            let value = profile.endpoint.keyFormat.replacingOccurrences(of: "$key", with: apiKey.secret)
            headers.replaceOrAdd(name: profile.endpoint.keyHeader, value: value)
            secrets.append(apiKey.secret)
        }
        let further = given.sorted { $0.key < $1.key }.map { (name: $0.key, value: $0.value) }
        for (name, value) in profile.endpoint.resolvedHeaders(environment: environment) + further {
            let isName = !name.isEmpty && name.utf8.allSatisfy { (0x21...0x7E).contains($0) && $0 != UInt8(ascii: ":") }
            guard isName, value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
                throw ProviderError.badEndpoint(url, reason: "'\(name)' is not a valid header")
            }
            headers.replaceOrAdd(name: name, value: value)
            secrets += Self.secrets(ofHeader: name, value)
        }
        self.headers = headers
        self.secrets = secrets.sorted { $0.utf8.count > $1.utf8.count }
        timeout = connection.timeout
        let fingerprint = apiKey.map { String(ContentHash.sha256(of: "mafin account " + $0.secret).prefix(6)) } ?? "-"
        account = [profile.name, address.base, model, fingerprint].joined(separator: " ")
        self.transport = try transport ?? HTTPTransport(connection)
    }

    /// The server's host and port, with the scheme before it if the connection is not encrypted.
    var server: String {
        guard let parts = URLComponents(string: url), let host = parts.host else { return url }
        let port = parts.port.map { ":\($0)" } ?? ""
        return (parts.scheme == "https" ? "" : "\(parts.scheme ?? "")://") + host + port
    }

    /// The request's bytes around the texts of a role. `encoding` is a position in the profile's list.
    func form(
        for role: TextRole, identity: BlackBoxIdentity, encoding: Int, template: RequestTemplate? = nil
    ) -> BoundRequest {
        var values: [RequestTemplate.Variable: String] = [.model: model]
        values[.dimensions] = identity.dimension.map(String.init)
        values[.inputType] = identity.inputType(for: role)
        let encodings = profile.request.encodings
        values[.encoding] = encodings.dropFirst(encoding).first.flatMap { $0.isEmpty ? nil : $0 }
        return (template ?? profile.request.template).bound(values)
    }

    /// Sends one request of texts.
    func ask(
        _ form: BoundRequest, texts: [String], dimension: (expected: Int, why: String)?
    ) async -> Outcome {
        await ask(form, items: texts.map { [$0] }, dimension: dimension)
    }

    /// Sends one request.
    /// - Parameter items: the parts of each item, in the form's order.
    func ask(
        _ form: BoundRequest, items: [[String]], dimension: (expected: Int, why: String)?
    ) async -> Outcome {
        let answer: HTTPAnswer
        do {
            answer = try await transport.send(
                .POST, url, headers: headers, body: form.body(items: items), timeout: timeout, maximumBytes: 1 << 30)
        } catch let failure as ConnectionFailure {
            return .unreachable(redacted(failure.description), wasSent: failure.wasSent)
        } catch {
            return error is CancellationError ? .cancelled : .unreachable(redacted("\(error)"), wasSent: true)
        }
        let rates = RateHeaders(answer.headers)
        guard answer.status == 200 else { return .complaint(complaint(in: answer), rates) }
        do {
            let decoded = try answer.body.withUnsafeReadableBytes {
                try EmbeddingAnswer.decode(
                    $0.assumingMemoryBound(to: UInt8.self), shape: profile.answer.shape, count: items.count,
                    dimension: dimension)
            }
            switch decoded {
            case .vectors(let vectors): return .answered(vectors, rates)
            case .noVectors: return .noVectors
            case .complaint(let found): return .complaint(complaint(in: answer, found), rates)
            }
        } catch {
            let fault = error as? EmbeddingAnswer.Fault
            return .unusable(redacted(fault?.reason ?? "\(error)"), isPage: fault?.isPage ?? false)
        }
    }

    /// The server's complaint in an answer without vectors, without secrets.
    /// - Parameter found: the complaint, if it was read already.
    func complaint(in answer: HTTPAnswer, _ found: ServerComplaint? = nil) -> ServerComplaint {
        let target = (300..<400).contains(answer.status) ? answer.headers.first(name: "location") ?? "nowhere" : nil
        var complaint =
            found ?? target.map { ServerComplaint(status: answer.status, body: "redirects to \($0)".utf8) }
            ?? ServerComplaint(status: answer.status, body: answer.body.readableBytesView)
        complaint.message = redacted(complaint.message)
        complaint.labels = complaint.labels.map(redacted)
        complaint.retryDelay = answer.retryDelay ?? complaint.retryDelay
        return complaint
    }

    /// The text with all secrets replaced, because vendors quote keys in their messages.
    func redacted(_ text: String) -> String {
        secrets.reduce(text) { $0.replacingOccurrences(of: $1, with: "[key]") }
    }

    /// Sends another request to the same server, for everything except embeddings.
    func send(
        _ method: HTTPMethod, _ url: String, contentType: String? = nil, body: ByteBuffer? = nil
    ) async throws -> HTTPAnswer {
        var headers = headers
        if let contentType {
            headers.replaceOrAdd(name: "content-type", value: contentType)
        } else if body == nil {
            headers.remove(name: "content-type")
        }
        return try await transport.send(
            method, url, headers: headers, body: body, timeout: timeout, maximumBytes: 1 << 32)
    }

    /// The parts of a header's value that must not be shown. Any header may hold a key, and a server may quote the key without the word before
    /// it (`Bearer`). Headers that only name versions and formats hold none.
    private static func secrets(ofHeader name: String, _ value: String) -> [String] {
        let name = name.lowercased().split(separator: "-")
        let tellsFormat =
            name.last == "version" || ["accept", "content"].contains(name.first) || name == ["user", "agent"]
        guard !tellsFormat else { return [] }
        let words = value.split { " \t,;=\"".contains($0) }.map(String.init)
        return ([value] + words).filter { $0.utf8.count >= 8 }
    }
}
