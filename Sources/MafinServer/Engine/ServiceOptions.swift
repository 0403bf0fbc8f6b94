import Foundation
import MafinBlackBox
import MafinNumerics
import MafinPipeline

/// What a ``ServedModel`` is made from. After loading, only the model may use it.
package struct LoadedArtefact {
    /// The artefact with its encoders.
    package var model: ArtefactModel
    /// Its black box, with its cache if there is one; `nil` if no source needs it, or if it must not be asked.
    package var blackBox: (any BlackBox)?
    /// Folder of the index that is searched.
    package var index: URL?
    /// The present state of the black box's cache; `nil` if there is none.
    package var cache: (@Sendable () -> CacheFigures)?
    /// Gives the money spent on the black box today; `nil` if no price is known.
    package var spending: (@Sendable () async -> SpendingFigures?)?

    package init(
        model: ArtefactModel, blackBox: (any BlackBox)?, index: URL? = nil,
        cache: (@Sendable () -> CacheFigures)? = nil,
        spending: (@Sendable () async -> SpendingFigures?)? = nil
    ) {
        (self.model, self.blackBox, self.index) = (model, blackBox, index)
        (self.cache, self.spending) = (cache, spending)
    }
}

/// Money spent on the black box today (UTC), in the currency of the given price.
package struct SpendingFigures: Sendable {
    /// Money that all processes with the same cache have spent.
    package var today: Double
    /// Limit of a day; `nil` if none is set.
    package var limitPerDay: Double?

    package init(today: Double, limitPerDay: Double? = nil) {
        (self.today, self.limitPerDay) = (today, limitPerDay)
    }
}

/// The state of the cache of the black box's vectors.
package struct CacheFigures: Sendable {
    /// Size of its file, its log included.
    package var bytes: Int
    /// Since the artefact was loaded: writes that failed while answers were delivered, and vectors that were removed to keep the size limit.
    package var writeFailures: Int
    package var evictedVectors: Int
    /// Whether the last write succeeded.
    package var isWritable: Bool

    package init(bytes: Int, writeFailures: Int, evictedVectors: Int, isWritable: Bool) {
        (self.bytes, self.writeFailures) = (bytes, writeFailures)
        (self.evictedVectors, self.isWritable) = (evictedVectors, isWritable)
    }
}

/// How the service answers. The bounds keep one client from taking what others need.
package struct ServiceOptions: Sendable {
    /// The model's name for clients; `nil`: the artefact folder's.
    package var name: String?
    /// The role of a text if the request does not say it.
    package var defaultRole: TextRole = .document
    /// Whether queries are answered while the black box is unavailable: by the stand-in, or without one by the sources that do not need it.
    package var degrades = false
    /// Whether the artefact's stand-in answers all queries, and the black box is never asked.
    package var isOffline = false
    /// Searches whose stand-in's ranking has a ``MafinPipeline/Sureness`` of at least this are answered with it, and only others ask the black
    /// box; `nil` or 1: all ask.
    package var askBelow: Double?
    /// Whether every search looks at all documents, although the index has a graph for approximate searches.
    package var isExact = false
    /// Services that search instead of an index of this one; `nil`: none.
    package var shards: (any SearchShards)?
    /// Whether clients need a key; set by the service, for the page.
    var hasKeys = false
    /// Tokens that the local encoder computes at a time.
    package var batchTokens = 512 * Parallelism.threads
    /// Tokens that may wait.
    package var queueTokens = 262_144
    /// Texts of one request.
    package var maximumInputs = 2048
    /// Bytes of one request's body.
    package var maximumBodyBytes = 16 << 20
    /// Bytes of all bodies that are being read or in use; beyond them 503.
    package var bodyBytes = 128 << 20
    /// Bytes of all answers that their clients have not read yet; beyond them 503.
    package var responseBytes = 256 << 20
    /// Longest that a request may take, from its first byte to the last of its answer.
    package var deadline: Duration = .seconds(60)
    /// Longest time in which a client reads nothing of its answer.
    package var writeTimeout: Duration = .seconds(10)
    /// How long a search may have to wait; beyond it 429.
    package var longestSearchWait: Duration = .seconds(10)
    /// Requests that are answered at a time; beyond them 429.
    package var maximumRequests = 1024
    /// Calls to the black box under way at a time.
    package var upstreamCalls = 8
    /// Longest that a call to the black box may take.
    package var upstreamTimeout: Duration = .seconds(10)
    /// What one million tokens of the black box cost, for the metrics' estimate.
    package var pricePerMillionTokens: Double?
    /// Origins that browsers may ask from; none: CORS stays off.
    package var allowedOrigins: [String] = []
    /// Host names (`Host` without its port) that requests without a key may use; `nil` for any.
    package var allowedHosts: Set<String>?
    /// Folder that marks of relevance are written to; `nil`: the page cannot mark.
    package var feedbackFolder: URL?
    /// An evaluation report that the page links to.
    package var report: URL?
    /// Files that are checked every second. When one of them changes, the artefact is loaded again. Symbolic links are followed.
    package var watched: [URL] = []
    /// Gives the failure that an error of the black box is.
    package var classify: @Sendable (any Error) -> UpstreamFailure = { error in
        error as? UpstreamFailure ?? UpstreamFailure(.unavailable, "\(error)")
    }

    package init() {}
}
