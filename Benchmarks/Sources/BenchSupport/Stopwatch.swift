import Foundation

/// Seconds on the wall, and of the process's processor time.
public struct Lap: Sendable {
    /// By the clock on the wall.
    public var wall: Double
    /// Over all threads.
    public var processor: Double

    /// What `body` takes.
    public init(_ body: () throws -> Void) rethrows {
        let start = (ContinuousClock.now, OtherLoad.ownSeconds())
        try body()
        wall = (ContinuousClock.now - start.0) / .seconds(1)
        processor = OtherLoad.ownSeconds() - start.1
    }
}

/// The value below which a share of the values lies; 0 for none.
public func quantile(_ share: Double, of values: [Double]) -> Double {
    guard !values.isEmpty else { return 0 }
    return values.sorted()[min(values.count - 1, Int(share * Double(values.count)))]
}

/// The largest amount of memory that the process has held so far.
public func peakMegabytes() -> Double {
    var usage = rusage()
    #if os(Linux)
        // This one can be set back.
        if let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8),
            let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmHWM:") }),
            let kilobytes = line.split(separator: " ").dropFirst().first.flatMap({ Double($0) })
        {
            return kilobytes / 1024
        }
    #endif
    // RUSAGE_SELF, which the C libraries import as different types.
    getrusage(0, &usage)
    #if os(macOS)
        return Double(usage.ru_maxrss) / 1_048_576
    #else
        return Double(usage.ru_maxrss) / 1024
    #endif
}

/// Begins to measure ``peakMegabytes()`` anew. Only Linux can.
/// - Returns: whether it did.
public func resetPeak() -> Bool {
    // Not atomically, as files of the kernel are written.
    (try? Data("5".utf8).write(to: URL(fileURLWithPath: "/proc/self/clear_refs"))) != nil
}
