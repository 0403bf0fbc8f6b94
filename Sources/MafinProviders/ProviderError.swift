import Foundation
import MafinBlackBox

/// What can go wrong between this machine and an embedding API, the cache of its answers, or a model hub.
public enum ProviderError: Error, Sendable, Equatable, CustomStringConvertible {
    /// A key is there but cannot be used.
    case badKey(source: String, reason: String)
    /// The server wants a key, and there is none.
    case missingKey(endpoint: String, variable: String)
    /// What may be spent is bounded, and nobody has said what a token costs.
    case missingPrice
    /// A flag that makes no sense where somebody waits for each answer.
    case notForService(flag: String)
    /// A provider's profile is malformed; the place is a key or a line.
    case badProfile(source: String, place: String, reason: String)
    /// No profile bears the name.
    case unknownProvider(String, known: [String])
    /// An address or an option of a server makes no sense.
    case badEndpoint(String, reason: String)
    /// An artefact names an address that is not its provider's own, and the user has not named it.
    case untrustedAddress(String, provider: String)
    /// A file of certificate authorities is none.
    case badCertificates(path: String, reason: String)
    /// APIs refuse empty texts, so none is sent.
    case emptyTexts(role: TextRole, count: Int, first: [String])
    /// The server refuses, and asking again would not help.
    case refused(endpoint: String, status: Int, message: String)
    /// The server did not answer, or asked to come back later, at every attempt; after which time, where it said so.
    case unavailable(endpoint: String, attempts: Int, reason: String, retryAfter: Duration? = nil)
    /// The server answered with something that cannot be used.
    case badAnswer(endpoint: String, reason: String)
    /// One vector of an answer cannot be used.
    case badVector(endpoint: String, id: String, reason: String)
    /// The server refuses these texts for themselves, or gave no usable vector for them; all others were answered.
    case textsRefused(endpoint: String, role: TextRole, texts: [RefusedText])
    /// Texts are longer than the model takes; nothing was asked.
    case textsTooLong(role: TextRole, limit: Int, count: Int, first: [String])
    /// Jobs of a batch API are sent and not answered yet; nobody wanted to wait.
    case batchPending(jobs: [String], texts: Int)
    /// The next request could cost more than may be spent, so it was not sent.
    case overBudget(endpoint: String, reason: String)

    /// The cache cannot be opened, read or written.
    case cacheUnusable(path: String, reason: String)
    /// There is no room for the cache.
    case cacheFull(path: String)
    /// The server's vectors are of another length than those it gave before under the same name.
    case dimensionChanged(id: String, found: Int, cached: Int, path: String)

    /// The model gives other vectors than those it gave before under the same name.
    case modelDrifted(model: String, checked: Int, id: String, cosine: Double, path: String)
    /// A file to be imported, or the way in which the cache is used, does not fit.
    case cacheMisuse(path: String, reason: String)

    /// The hub has no such repository, revision or file, or shows it to nobody without a token.
    case notOnHub(repository: String, revision: String, endpoint: String, message: String)
    /// The hub wants a token, or another one.
    case hubAccessDenied(repository: String, endpoint: String, status: Int, message: String)
    /// The hub cannot be reached or keeps failing.
    case hubUnavailable(repository: String, endpoint: String, attempts: Int, reason: String)
    /// The repository lacks what an encoder needs.
    case unusableRepository(String, reason: String)
    /// A downloaded file is not what the hub announced.
    case corruptDownload(file: String, expected: String, found: String)
    /// A downloaded file or its folder cannot be written.
    case cannotStore(path: String, reason: String)

    /// One sentence: what failed, where, and what to do about it where that is known.
    public var description: String {
        switch self {
        case .badKey(let source, let reason): "\(source): the key \(reason)"
        case .missingKey(let endpoint, let variable):
            "\(endpoint) wants an API key: set \(variable), or name the variable or the file that holds it (--api-key-env, --api-key-file; for a language model --llm-key-env, --llm-key-file)"
        case .notForService(let flag): "\(flag) makes no sense for a service: somebody waits for each answer"
        case .missingPrice: "--max-cost needs --price, what a million tokens cost"
        case .badProfile(let source, let place, let reason): "\(source): \(place): \(reason)"
        case .unknownProvider(let name, let known):
            "no provider is called '\(name)'; known are \(known.joined(separator: ", "))"
        case .badEndpoint(let endpoint, let reason): "'\(endpoint)': \(reason)"
        case .untrustedAddress(let address, let provider):
            "the artefact asks \(provider) at \(address), which is not the address of that provider; artefacts can come from strangers, so no text and no key is sent there unless you pass --base-url \(address)"
        case .emptyTexts(let role, let count, let first):
            "\(count) \(role.plural) to embed \(count == 1 ? "is" : "are") empty: \(BlackBoxError.list(first, of: count))"
        case .refused(let endpoint, let status, let message): "\(endpoint) answered \(status): \(message)"
        case .unavailable(let endpoint, let attempts, let reason, _):
            "\(endpoint): no answer after \(attempts) attempt\(attempts == 1 ? "" : "s")\(attempts == 1 ? ": " : "; the last: ")\(reason)"
        case .badAnswer(let endpoint, let reason): "\(endpoint): unusable answer: \(reason)"
        case .badVector(let endpoint, let id, let reason): "\(endpoint): unusable vector for '\(id)': \(reason)"
        case .badCertificates(let path, let reason): "certificates \(path): \(reason)"
        case .textsRefused(let endpoint, let role, let texts):
            RefusedText.description(endpoint: endpoint, role: role, texts: texts)
        case .textsTooLong(let role, let limit, let count, let first):
            "\(count) \(role.plural) \(count == 1 ? "is" : "are") longer than the \(limit) tokens that the model takes: \(BlackBoxError.list(first, of: count)); cut them, or pass --on-overflow truncate or split-mean"
        case .batchPending(let jobs, let texts):
            "\(texts) texts are in \(jobs.count) batch\(jobs.count == 1 ? "" : "es") that the provider has not answered yet (\(BlackBoxError.list(jobs.prefix(3), of: jobs.count))); the same command, or mafin batch resume, collects them"
        case .overBudget(let endpoint, let reason): "\(endpoint): \(reason)"
        case .cacheUnusable(let path, let reason): "cache \(path): \(reason)"
        case .cacheFull(let path): "cache \(path): no space left on the disk; everything stored before is intact"
        case .dimensionChanged(let id, let found, let cached, let path):
            "the vector of '\(id)' has \(found) numbers, but those of the same model in the cache \(path) have \(cached)"
        case .modelDrifted(let model, let checked, let id, let cosine, let path):
            "model '\(model)' has changed: of \(checked) texts asked again, '\(id)' has a cosine of \(String(format: "%.4f", cosine)) to its vector in the cache \(path); remove the old vectors (mafin cache gc --source) or use another cache"
        case .cacheMisuse(let path, let reason): "\(path): \(reason)"
        case .notOnHub(let repository, let revision, let endpoint, let message):
            "\(endpoint) has no '\(repository)' at revision '\(revision)', or shows it only with a token: \(message)"
        case .hubAccessDenied(let repository, let endpoint, let status, let message):
            "\(endpoint) answered \(status) for '\(repository)': \(message); set HF_TOKEN to a token that may read it"
        case .hubUnavailable(let repository, let endpoint, let attempts, let reason):
            "\(endpoint): '\(repository)' could not be pulled after \(attempts) attempts; the last: \(reason)"
        case .unusableRepository(let repository, let reason): "model repository '\(repository)': \(reason)"
        case .corruptDownload(let file, let expected, let found):
            "\(file): downloaded content is not what was announced: expected \(expected), found \(found)"
        case .cannotStore(let path, let reason): "\(path): cannot be written: \(reason)"
        }
    }

    /// Who can mend it; commands turn this into their exit code.
    public var category: Category {
        switch self {
        case .badKey, .missingKey, .missingPrice, .notForService, .badProfile, .unknownProvider, .badEndpoint,
            .untrustedAddress, .badCertificates, .overBudget:
            .usage
        case .emptyTexts, .textsTooLong, .textsRefused, .cacheUnusable, .cacheFull, .dimensionChanged, .modelDrifted,
            .cacheMisuse, .unusableRepository, .cannotStore:
            .data
        case .refused, .unavailable, .batchPending, .badAnswer, .badVector, .notOnHub, .hubAccessDenied,
            .hubUnavailable, .corruptDownload:
            .network
        }
    }

    /// Who can mend an error.
    public enum Category: Sendable {
        /// Whoever typed the command.
        case usage
        /// Whoever has the files.
        case data
        /// Whoever runs the server, or time.
        case network
    }

    /// - Throws: ``emptyTexts(role:count:first:)``
    static func refuseEmpty(_ items: [EmbeddingItem], _ role: TextRole) throws {
        let empty = items.filter(\.text.isEmpty)
        guard empty.isEmpty else {
            throw emptyTexts(role: role, count: empty.count, first: empty.prefix(5).map(\.id))
        }
    }
}
