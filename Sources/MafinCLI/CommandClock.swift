/// The time since the command began.
enum CommandClock {
    /// Read first of all by `MafinCommand.main()`.
    static let start = ContinuousClock.now

    /// Seconds since then.
    static var seconds: Double { (ContinuousClock.now - start).seconds }
}
