import Foundation

/// The time that a client sees: real time, or a test's, which passes as fast as somebody sleeps.
protocol TimeSource: Sendable {
    /// Time since any fixed moment; it never goes back.
    var now: Duration { get }
    /// Wall-clock time in seconds since 1970: what processes share.
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
