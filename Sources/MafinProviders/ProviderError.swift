import Foundation
import MafinBlackBox

/// Errors of embedding and chat APIs, of the cache of their answers, and of the model hub.
public enum ProviderError: Error, Sendable, Equatable, CustomStringConvertible {
    /// A key was found but cannot be used.
    case badKey(source: String, reason: String)
    /// The server requires a key, and there is none.
    case missingKey(endpoint: String, variable: String)
    /// There is a limit on the cost, but no price.
    case missingPrice
    /// A flag cannot be used in a service, where somebody waits for each answer.
    case notForService(flag: String)
    /// A provider's profile is malformed. The place is a key or a line.
    case badProfile(source: String, place: String, reason: String)
    /// No profile has this name.
    case unknownProvider(String, known: [String])
    /// An address or an option of a server is invalid.
    case badEndpoint(String, reason: String)
    /// An artefact names an address that is not its provider's own, and the user has not named it.
    case untrustedAddress(String, provider: String)
    /// A file of certificate authorities cannot be read.
    case badCertificates(path: String, reason: String)
    /// APIs refuse empty texts, so none is sent.
    case emptyTexts(role: TextRole, count: Int, first: [String])
    /// The server refuses the request, and sending it again would not help.
    case refused(endpoint: String, status: Int, message: String)
    /// At every attempt the server did not answer, or asked for a later one. `retryAfter` is the pause that it asked for, if any.
    case unavailable(endpoint: String, attempts: Int, reason: String, retryAfter: Duration? = nil)
    /// The server answered with something that cannot be used.
    case badAnswer(endpoint: String, reason: String)
    /// One vector of an answer cannot be used.
    case badVector(endpoint: String, id: String, reason: String)
    /// The server refuses these texts, or gave no usable vectors for them. All others were answered.
    case textsRefused(endpoint: String, role: TextRole, texts: [RefusedText])
    /// Texts are longer than the model accepts. Nothing was sent.
    case textsTooLong(role: TextRole, limit: Int, count: Int, first: [String])
    /// Jobs of a batch API were sent and are not answered yet, and the call was not to wait.
    case batchPending(jobs: [String], texts: Int)
    /// The next request could exceed the limit on spending, so it was not sent.
    case overBudget(endpoint: String, reason: String)

    /// The cache cannot be opened, read or written.
    case cacheUnusable(path: String, reason: String)
    /// The disk is too full for the cache.
    case cacheFull(path: String)
    /// The vectors of a model have another length than earlier ones under the same name.
    case dimensionChanged(id: String, found: Int, cached: Int, path: String)

    /// The vectors of a model differ from earlier ones under the same name.
    case modelDrifted(model: String, checked: Int, id: String, cosine: Double, path: String)
    /// A file cannot be imported or exported, or the cache does not hold what was named.
    case cacheMisuse(path: String, reason: String)

    /// The hub has no such repository, revision or file, or shows it only with a token.
    case notOnHub(repository: String, revision: String, endpoint: String, message: String)
    /// The hub requires a token, or another one.
    case hubAccessDenied(repository: String, endpoint: String, status: Int, message: String)
    /// The hub cannot be reached or keeps failing.
    case hubUnavailable(repository: String, endpoint: String, attempts: Int, reason: String)
    /// The repository lacks what an encoder needs.
    case unusableRepository(String, reason: String)
    /// A downloaded file is not what the hub announced.
    case corruptDownload(file: String, expected: String, found: String)
    /// A downloaded file or its folder cannot be written.
    case cannotStore(path: String, reason: String)

    /// One sentence: what failed, where, and what to do about it if that is known.
    public var description: String {
        switch self {
        case .badKey(let source, let reason): "\(source): the key \(reason)"
        case .missingKey(let endpoint, let variable):
            "\(endpoint) requires an API key: set \(variable), or name the variable or the file that holds it (--api-key-env, --api-key-file; for a language model --llm-key-env, --llm-key-file)"
        case .notForService(let flag): "\(flag) cannot be used in a service, where somebody waits for each answer"
        case .missingPrice: "--max-cost needs --price, the price of a million tokens"
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
            "\(count) \(role.plural) \(count == 1 ? "is" : "are") longer than the \(limit) tokens that the model accepts: \(BlackBoxError.list(first, of: count)); cut them, or pass --on-overflow truncate or split-mean"
        case .batchPending(let jobs, let texts):
            "\(texts) texts are in \(jobs.count) batch\(jobs.count == 1 ? "" : "es") that the provider has not answered yet (\(BlackBoxError.list(jobs.prefix(3), of: jobs.count))); run the same command again, or mafin batch resume, to collect them"
        case .overBudget(let endpoint, let reason): "\(endpoint): \(reason)"
        case .cacheUnusable(let path, let reason): "cache \(path): \(reason)"
        case .cacheFull(let path): "cache \(path): no space left on the disk; everything stored before is intact"
        case .dimensionChanged(let id, let found, let cached, let path):
            "the vector of '\(id)' has \(found) numbers, but those of the same model in the cache \(path) have \(cached)"
        case .modelDrifted(let model, let checked, let id, let cosine, let path):
            "model '\(model)' has changed: of \(checked) texts sent again, '\(id)' has a cosine of \(String(format: "%.4f", cosine)) to its vector in the cache \(path); remove the old vectors (mafin cache gc --source) or use another cache"
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

    /// Who can fix it. Commands derive their exit status from this.
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

    /// Who can fix an error.
    public enum Category: Sendable {
        /// The person who typed the command.
        case usage
        /// The person who owns the files.
        case data
        /// The operator of the server. The error may also disappear by itself.
        case network
    }

    /// - Throws: ``emptyTexts(role:count:first:)``
    static func refuseEmpty(_ items: [EmbeddingItem], _ role: TextRole) throws {
        let empty = items.filter { $0.text.isEmpty && $0.image == nil }
        guard empty.isEmpty else {
            throw emptyTexts(role: role, count: empty.count, first: empty.prefix(5).map(\.id))
        }
    }
}

extension ProviderError {
    /// Whether it says that the model hub, rather than this machine or the name of the encoder, is at fault.
    var isAboutHub: Bool {
        switch self {
        case .hubUnavailable, .hubAccessDenied, .refused, .badAnswer: true
        default: false
        }
    }
}
