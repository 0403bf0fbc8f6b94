import Foundation
import GRDB
import Logging
import MafinGeneration
import MafinNumerics

extension EmbeddingKey {
    /// What a cached reply is found by: SHA-256 over model and prompt, but not the bound on the reply's length, which is kept beside it:
    /// a reply that has ended by itself is the same under any bound.
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

/// A prompt as the cache looks for its reply.
struct ReplyRequest: Sendable {
    let key: EmbeddingKey
    /// Tokens that the reply may have: one that was cut off at fewer is no answer to it.
    let maximumTokens: Int

    init(_ prompt: LanguagePrompt, of identity: LanguageModelIdentity) {
        key = EmbeddingKey(prompt, of: identity)
        maximumTokens = prompt.maximumTokens
    }
}

/// A reply as it lies in the cache.
private struct StoredReply: Codable {
    var reply: LanguageReply
    /// Tokens that it was allowed.
    var maximumTokens: Int
}

extension EmbeddingCache {
    /// The cached replies to some prompts, by their positions. A reply that was cut off counts only where no more tokens are allowed now.
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
                    logger?.warning("a cached reply is damaged and asked again")
                    continue
                }
                if stored.reply.isCutOff, stored.maximumTokens < request.maximumTokens { continue }
                found[position] = stored.reply
            }
            return found
        }
    }

    /// Keeps a reply; it is on disk on return.
    /// - Parameter maximumTokens: that it was allowed.
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

/// A language model that is never asked for the same reply twice: not within a call, not in a later one, not by another process.
public struct CachedLanguageModel: LanguageModel {
    private let base: any LanguageModel
    private let cache: EmbeddingCache

    /// A model with a memory.
    public init(_ base: any LanguageModel, cache: EmbeddingCache) {
        self.base = base
        self.cache = cache
    }

    /// That of the model behind it: a cached reply is no other reply.
    public var identity: LanguageModelIdentity { base.identity }

    private var model: String { "\(identity.provider):\(identity.model)" }

    /// Which of some prompts have no reply yet, each once.
    public func missing(_ prompts: [LanguagePrompt]) async throws -> [LanguagePrompt] {
        let (distinct, places) = distinct(prompts)
        let found = try await cache.replies(for: distinct)
        return distinct.indices.filter { found[$0] == nil }.map { prompts[places[$0][0]] }
    }

    /// What is asked, each once, and which of the prompts ask it.
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

    /// A refusal is not kept, nor a reply that was cut off before its first word: it may be asked again.
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
