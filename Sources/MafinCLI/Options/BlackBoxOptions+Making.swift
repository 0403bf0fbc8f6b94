import Foundation
import MafinBlackBox
import MafinEncoder
import MafinNumerics
import MafinProviders
import Synchronization

extension BlackBoxOptions {
    /// The black box, ready to be asked: stored answers, or a model behind the cache, with a progress bar while it is asked.
    /// It ends with `CancellationError` when the user interrupts; what was answered until then is in the cache.
    ///
    /// - Parameters:
    ///   - stored: what is meant where there is no `--black-box`: the artefact's own.
    ///   - progress: told of each call's counts, instead of a progress bar a call.
    ///   - environment: for keys and the places of caches.
    /// - Throws: `ValidationError` where nothing is named; `BlackBoxError`, `ProviderError`, `EncoderError` … for what cannot be
    ///   opened. A missing API key is an error only when there is something to ask.
    func make(
        shared: SharedOptions, default stored: BlackBoxSource? = nil,
        progress: (@Sendable (EmbeddingCounts) -> Void)? = nil,
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) async throws -> any BlackBox {
        let source = try source(default: stored)
        // A path of the command line is taken as it is; one of an artefact is looked for.
        let path = try blackBox == nil ? source.currentPath() : source.resolvedPath
        switch source.specification {
        case .vectors(let given):
            return try StoredVectors(contentsOf: URL(fileURLWithPath: path ?? given))
        case .local(let name):
            let folder = try ModelHub(environment: environment).resolve(path ?? name)
            let encoder = try await FrozenEncoder(
                modelFolder: folder, name: path == nil ? name : nil,
                prefixes: TextPrefixes(query: source.queryPrefix, document: source.documentPrefix, elseOf: folder))
            return try cached(encoder, shared, progress, environment)
        case .openAI(let model):
            let key = try apiKey.key(defaultVariable: Self.keyVariable, environment: environment)
            let server = try OpenAIBlackBox(
                baseURL: source.baseURL ?? OpenAIBlackBox.openAIBaseURL, model: model,
                apiKey: key.map { try APIKey($0) },
                dimensions: source.dimensions, queryPrefix: source.queryPrefix ?? "",
                documentPrefix: source.documentPrefix ?? "",
                options: OpenAIBlackBox.Options(
                    limits: BatchLimits(items: blackBoxBatch), maximumConcurrentRequests: concurrency,
                    logger: shared.logger))
            guard key != nil || source.baseURL != nil else {
                let missing = APIKeyError.missing(
                    endpoint: OpenAIBlackBox.openAIBaseURL, variable: Self.keyVariable)
                return try cached(
                    UnaskableBlackBox(identity: server.identity, error: missing), shared, progress, environment)
            }
            return try cached(server, shared, progress, environment)
        }
    }

    private func cached(
        _ blackBox: some BlackBox, _ shared: SharedOptions, _ progress: (@Sendable (EmbeddingCounts) -> Void)?,
        _ environment: [String: String]
    ) throws -> any BlackBox {
        let file = cache.map { URL(fileURLWithPath: $0) } ?? EmbeddingCache.defaultFile(environment: environment)
        let progress = progress ?? AskingProgress(output: shared.progressOutput).update
        return InterruptibleBlackBox(
            base: CachedBlackBox(
                blackBox, cache: try EmbeddingCache(file: file, logger: shared.logger), progress: progress))
    }
}

/// A black box that can only be looked up in the cache; asking it is the error that kept it from being opened.
struct UnaskableBlackBox: BlackBox {
    let identity: BlackBoxIdentity
    let error: APIKeyError

    func embed(_ items: [EmbeddingItem], as role: TextRole) async throws -> Matrix { throw error }
}

/// A black box whose calls end with `CancellationError` soon after Ctrl-C.
struct InterruptibleBlackBox: BlackBox {
    let base: any BlackBox

    var identity: BlackBoxIdentity { base.identity }

    func embed(_ items: [EmbeddingItem], as role: TextRole) async throws -> Matrix {
        try await Interruption.cancelling { [base] in try await base.embed(items, as: role) }
    }

    func embed(
        _ items: [EmbeddingItem], as role: TextRole, answered: @escaping @Sendable (AnsweredRows) async throws -> Void
    ) async throws {
        try await Interruption.cancelling { [base] in
            try await base.embed(items, as: role, answered: answered)
        }
    }
}

/// The progress of what a black box is asked: one bar for each call for which the cache does not suffice.
final class AskingProgress: Sendable {
    private let output: ProgressBar.Output
    private let bar = Mutex<ProgressBar?>(nil)

    init(output: ProgressBar.Output) {
        self.output = output
    }

    func update(_ counts: EmbeddingCounts) {
        bar.withLock { bar in
            if counts.asked == 0 {  // a call begins
                bar =
                    counts.remaining == 0
                    ? nil : ProgressBar(title: "Black box", total: counts.distinct, unit: "texts", output: output)
            }
            bar?.update(
                completed: counts.cached + counts.asked, skipped: counts.cached,
                detail: "\(counts.cached) cached, \(counts.asked) asked, \(counts.remaining) remaining")
            if counts.remaining == 0 { bar?.finish() }
        }
    }
}
