import Synchronization

/// What has been learned about a server. It is kept from call to call.
final class ServerKnowledge<Facts: Sendable>: Sendable {
    private let facts: Mutex<Facts>

    init(_ facts: Facts) { self.facts = Mutex(facts) }

    var current: Facts { facts.withLock { $0 } }

    func update<Result: Sendable>(_ change: (inout Facts) -> Result) -> Result { facts.withLock { change(&$0) } }
}

/// What has been learned about an embedding server.
struct EmbeddingFacts: Sendable {
    var limits: BatchLimits
    var dimension: Int?
    /// The encoding to request, as a position in the profile's list.
    var encoding = 0
    /// Bytes of the answered texts, and the tokens that the server counted for them.
    var answeredBytes = 0
    var answeredTokens = 0
    /// Whether it has ever given a vector.
    var hasGivenVectors = false
    var warnedOfTruncation = false
    var hasReadLessons = false
}
