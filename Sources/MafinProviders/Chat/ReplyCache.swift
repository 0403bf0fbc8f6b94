import Foundation
import GRDB
import Logging
import MafinGeneration
import MafinNumerics

extension EmbeddingKey {
    /// The key of a cached reply: SHA-256 over model and prompt, without the limit on the reply's length. The limit is stored beside the reply,
    /// because a reply that has ended by itself is the same under any limit.
    init(_ prompt: LanguagePrompt, of identity: LanguageModelIdentity) {
        var hash = ContentHash()
        let fields: [String] = [
            "reply 2", identity.provider, identity.endpoint ?? "", identity.model, prompt.system, prompt.user,
            prompt.schema ?? "", prompt.schemaName, prompt.temperature.map { "\($0)" } ?? "", "\(prompt.seed)",
        ]
        for field in fields {
            withUnsafeBytes(of: UInt64(field.utf8.count).littleEndian) { hash.update($0) }
            hash.update(field)
        }
        self.init(bytes: Data(hash.finalize()))
    }
}

/// What the cache needs of a prompt to find its reply.
struct ReplyRequest: Sendable {
    let key: EmbeddingKey
    /// Maximum number of tokens of the reply. A cached reply that was cut off at fewer does not count.
    let maximumTokens: Int

    init(_ prompt: LanguagePrompt, of identity: LanguageModelIdentity) {
        key = EmbeddingKey(prompt, of: identity)
        maximumTokens = prompt.maximumTokens
    }
}

/// A reply as it is stored in the cache.
private struct StoredReply: Codable {
    var reply: LanguageReply
    /// The limit on its tokens when it was requested.
    var maximumTokens: Int
}

extension EmbeddingCache {
    /// The cached replies to some prompts, by their positions. A reply that was cut off counts only if no more tokens are allowed now.
    func replies(for requests: [ReplyRequest]) async throws -> [Int: LanguageReply] {
        try await read { [logger] database in
            var found: [Int: LanguageReply] = [:]
            let statement = try database.cachedStatement(sql: "SELECT checksum, value FROM reply WHERE key = ?")
            for (position, request) in requests.enumerated() {
                let key = request.key.bytes
                guard let row = try Row.fetchOne(statement, arguments: [key]) else { continue }
                let (checksum, value): (Int64, Data) = (row[0], row[1])
                guard checksum == StoredVector.checksum(key: key, value: value),
                    let stored = try? JSONDecoder().decode(StoredReply.self, from: value)
                else {
                    logger?.warning("a cached reply is damaged; its prompt is sent again")
                    continue
                }
                if stored.reply.isCutOff, stored.maximumTokens < request.maximumTokens { continue }
                found[position] = stored.reply
            }
            return found
        }
    }

    /// Stores a reply, which is on disk when this returns.
    /// - Parameter maximumTokens: the limit on its tokens when it was requested.
    func store(_ reply: LanguageReply, key: EmbeddingKey, maximumTokens: Int, model: String) async throws {
        let value = try JSONEncoder().encode(StoredReply(reply: reply, maximumTokens: maximumTokens))
        let checksum = StoredVector.checksum(key: key.bytes, value: value)
        try await write { database in
            try database.execute(
                sql: "INSERT OR REPLACE INTO reply (key, model, added, checksum, value) VALUES (?, ?, ?, ?, ?)",
                arguments: [key.bytes, model, Int64(Date().timeIntervalSince1970), checksum, value])
        }
    }
}

/// A language model whose replies are cached. No prompt is sent twice: not within a call, not in a later one, and not by another process.
public struct CachedLanguageModel: LanguageModel {
    private let base: any LanguageModel
    private let cache: EmbeddingCache

    /// Wraps a model.
    public init(_ base: any LanguageModel, cache: EmbeddingCache) {
        self.base = base
        self.cache = cache
    }

    /// The identity of the wrapped model: the cache does not change replies.
    public var identity: LanguageModelIdentity { base.identity }

    private var model: String { "\(identity.provider):\(identity.model)" }

    /// The prompts without a cached reply, each once.
    public func missing(_ prompts: [LanguagePrompt]) async throws -> [LanguagePrompt] {
        let (distinct, places) = distinct(prompts)
        let found = try await cache.replies(for: distinct)
        return distinct.indices.filter { found[$0] == nil }.map { prompts[places[$0][0]] }
    }

    /// The distinct requests, and for each the positions of its prompts.
    private func distinct(_ prompts: [LanguagePrompt]) -> (requests: [ReplyRequest], places: [[Int]]) {
        var positions: [EmbeddingKey: [Int]] = [:]
        var requests: [ReplyRequest] = []
        for (index, prompt) in prompts.enumerated() {
            let request = ReplyRequest(prompt, of: identity)
            if positions[request.key] == nil { requests.append(request) }
            positions[request.key, default: []].append(index)
        }
        return (requests, requests.map { positions[$0.key] ?? [] })
    }

    /// Hands over cached replies, then the others as they arrive. Refusals and replies that were cut off before their first word are not stored,
    /// so that their prompts can be sent again.
    public func answer(
        _ prompts: [LanguagePrompt], answered: @escaping @Sendable (Int, LanguageReply) async throws -> Void
    ) async throws {
        let (distinct, places) = distinct(prompts)
        @Sendable func cached(_ wanted: [Int]) async throws -> [Int] {
            let found = try await cache.replies(for: wanted.map { distinct[$0] })
            for (place, reply) in found.sorted(by: { $0.key < $1.key }) {
                for index in places[wanted[place]] { try await answered(index, reply) }
            }
            return wanted.indices.filter { found[$0] == nil }.map { wanted[$0] }
        }
        let missing = try await cached(Array(distinct.indices))
        try await CacheClaims.fetch(missing, of: distinct.map(\.key), in: cache, deliver: cached) { asked in
            try await base.answer(asked.map { prompts[places[$0][0]] }) { [cache, model] index, reply in
                let request = distinct[asked[index]]
                if reply.refusal == nil, !reply.isLost {
                    try await cache.store(reply, key: request.key, maximumTokens: request.maximumTokens, model: model)
                }
                for index in places[asked[index]] { try await answered(index, reply) }
            }
        }
    }
}
