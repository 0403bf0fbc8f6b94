import Foundation
import MafinBlackBox
import MafinNumerics
import MafinPipeline

/// What one generation of the service is made from; whoever loads it gives all of it away.
public struct LoadedArtefact {
    /// The artefact with its encoders.
    public var model: ArtefactModel
    /// Its black box, behind whatever cache there is.
    public var blackBox: any BlackBox
    /// What is searched.
    public var index: SearchIndex?

    /// Parts of a generation.
    public init(model: ArtefactModel, blackBox: any BlackBox, index: SearchIndex? = nil) {
        (self.model, self.blackBox, self.index) = (model, blackBox, index)
    }
}

/// How the service answers. Bounds are there so that no client can take what others need.
public struct ServiceOptions: Sendable {
    /// The model's name for clients; `nil`: the artefact folder's.
    public var name: String?
    /// What a text is taken for where the request does not say.
    public var defaultRole: TextRole = .document
    /// Whether queries are answered by the local half alone while the black box is away.
    public var degrades = false
    /// Whether BM25 is held over the index, for fusion.
    public var usesBM25 = false
    /// Tokens that the local encoder computes at a time.
    public var batchTokens = 512 * Parallelism.threads
    /// Tokens that may wait.
    public var queueTokens = 262_144
    /// Texts of one request.
    public var maximumInputs = 2048
    /// Bytes of one request's body.
    public var maximumBodyBytes = 16 << 20
    /// Longest that a request may take, its body included.
    public var deadline: Duration = .seconds(60)
    /// Requests that are answered at a time; beyond them 429.
    public var maximumRequests = 1024
    /// Calls to the black box under way at a time.
    public var upstreamCalls = 8
    /// Longest that a call to the black box may take.
    public var upstreamTimeout: Duration = .seconds(10)
    /// What one million tokens of the black box cost, for the metrics' estimate.
    public var pricePerMillionTokens: Double?
    /// Origins that browsers may ask from; none: CORS stays off.
    public var allowedOrigins: [String] = []
    /// Names that requests without a key may call the service by (`Host`, less its port); `nil`: any.
    public var hosts: Set<String>?
    /// Folder that marks of relevance are written to; `nil`: the page cannot mark.
    public var feedbackFolder: URL?
    /// An evaluation report that the page links to.
    public var report: URL?
    /// What is looked at every second: where one of these changes, the artefact is loaded anew. Symbolic links are followed.
    public var watched: [URL] = []
    /// Whom to blame for an error of the black box.
    public var classify: @Sendable (any Error) -> UpstreamFailure = { error in
        error as? UpstreamFailure ?? UpstreamFailure(.unavailable, "\(error)")
    }

    /// The defaults.
    public init() {}
}
