import Synchronization

/// What has been learned about a server, kept from call to call.
final class ServerKnowledge: Sendable {
    struct Facts: Sendable {
        var limits: BatchLimits
        var dimension: Int?
        /// Position of the encoding to ask for.
        var encoding = 0
        /// Tokens that a text may have, in the server's words.
        var textTokens: Int?
        /// Bytes that were answered, and the tokens that the server counted for them.
        var answeredBytes = 0
        var answeredTokens = 0
        var answers = 0
        /// Whether it has ever given a vector.
        var hasGivenVectors = false
        var warnedOfTruncation = false
        var hasReadLessons = false
    }

    private let facts: Mutex<Facts>

    init(limits: BatchLimits, dimension: Int?) {
        facts = Mutex(Facts(limits: limits, dimension: dimension))
    }

    var current: Facts { facts.withLock { $0 } }

    func update<Result: Sendable>(_ change: (inout Facts) -> Result) -> Result { facts.withLock { change(&$0) } }
}
