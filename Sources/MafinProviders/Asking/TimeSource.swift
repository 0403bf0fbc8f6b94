import Foundation

/// The clock of a client: real time, or a test's clock, which jumps ahead when somebody sleeps.
protocol TimeSource: Sendable {
    /// Time since an arbitrary fixed moment. It never goes back.
    var now: Duration { get }
    /// Wall-clock time in seconds since 1970, which is the same in all processes.
    var wallTime: Double { get }
    /// - Throws: `CancellationError`
    func sleep(until time: Duration) async throws
}

/// Real time.
struct SystemTime: TimeSource {
    private static let start = ContinuousClock.now

    var now: Duration { ContinuousClock.now - Self.start }
    var wallTime: Double { Date().timeIntervalSince1970 }

    func sleep(until time: Duration) async throws {
        try await ContinuousClock().sleep(until: Self.start + time)
    }
}
