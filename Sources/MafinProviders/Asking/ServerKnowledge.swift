import Synchronization

/// What has been learned about a server, kept from call to call.
final class ServerKnowledge<Facts: Sendable>: Sendable {
    private let facts: Mutex<Facts>

    init(_ facts: Facts) { self.facts = Mutex(facts) }

    var current: Facts { facts.withLock { $0 } }

    func update<Result: Sendable>(_ change: (inout Facts) -> Result) -> Result { facts.withLock { change(&$0) } }
}

/// What a server of vectors has shown.
struct EmbeddingFacts: Sendable {
    var limits: BatchLimits
    var dimension: Int?
    /// Position of the encoding to ask for.
    var encoding = 0
    /// Bytes that were answered, and the tokens that the server counted for them.
    var answeredBytes = 0
    var answeredTokens = 0
    /// Whether it has ever given a vector.
    var hasGivenVectors = false
    var warnedOfTruncation = false
    var hasReadLessons = false
}
