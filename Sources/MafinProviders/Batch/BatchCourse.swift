/// What became of the jobs that were waited for together.
struct BatchRound: Sendable {
    /// Jobs that were begun or found under way.
    var jobs = 0
    /// Jobs that the provider had no room for.
    var turnedAway = 0
    /// What a provider said last about jobs or lines that brought nothing.
    var complaint: String?

    /// Takes over how a job has ended.
    mutating func take(_ ending: BatchRunner.Ending) {
        if ending.isQueueFull { turnedAway += 1 }
        complaint = ending.complaint ?? complaint
    }
}

/// Decides how the jobs of one call continue: how many at a time, how large, and when to give up.
struct BatchCourse: Sendable {
    /// Jobs that may be under way at a time: all, until the provider has no room for one.
    private(set) var jobsAtOnce = Int.max
    /// Texts in a job.
    private(set) var textsPerJob: Int
    private var pause: Duration = .seconds(30)
    private var fruitless = 0
    private var turnedAway = 0

    /// Rounds in a row that answer nothing.
    private static let maximumFruitless = 4
    /// Times in a row that the provider has no room although no job of ours is under way. With the pauses between them this is about a day.
    private static let maximumTurnedAway = 300
    private static let longestPause: Duration = .seconds(300)
    private static let fewestTexts = 100

    init(textsPerJob: Int) { self.textsPerJob = textsPerJob }

    /// Decides after a round.
    ///
    /// - Parameters:
    ///   - hasProgress: whether fewer texts are open than before it.
    ///   - left: what is still open, in words.
    /// - Returns: how long to wait before the next round; nil: not at all.
    /// - Throws: ``ProviderError/unavailable(endpoint:attempts:reason:)`` in the provider's words.
    mutating func pause(after round: BatchRound, hasProgress: Bool, endpoint: String, left: String) throws -> Duration?
    {
        if round.turnedAway > 0 { jobsAtOnce = max(1, min(jobsAtOnce, round.jobs - round.turnedAway)) }
        guard !hasProgress else {
            (fruitless, turnedAway) = (0, 0)
            return nil
        }
        let reason = "\(left) were left unanswered by each batch" + (round.complaint.map { "; the last: \($0)" } ?? "")
        guard round.turnedAway > 0 else {
            fruitless += 1
            guard fruitless < Self.maximumFruitless else {
                throw ProviderError.unavailable(endpoint: endpoint, attempts: fruitless, reason: reason)
            }
            return nil
        }
        turnedAway += 1
        guard turnedAway < Self.maximumTurnedAway else {
            throw ProviderError.unavailable(endpoint: endpoint, attempts: turnedAway, reason: reason)
        }
        // Jobs of others fill the queue, or this one is larger than it.
        textsPerJob = max(Self.fewestTexts, textsPerJob / 2)
        pause = min(pause * 1.5, Self.longestPause)
        return pause
    }
}
