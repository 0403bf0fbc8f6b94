import Foundation

/// Elapsed seconds, and seconds of the process's processor time.
public struct Lap: Sendable {
    /// Elapsed time.
    public var wall: Double
    /// Over all threads.
    public var processor: Double

    /// Measures `body`.
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

/// The peak memory of the process so far.
public func peakMegabytes() -> Double {
    var usage = rusage()
    #if os(Linux)
        // This counter can be reset.
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

/// Resets ``peakMegabytes()``. Only Linux can do that.
/// - Returns: whether it was reset.
public func resetPeak() -> Bool {
    // Not written atomically, because this is a file of the kernel.
    (try? Data("5".utf8).write(to: URL(fileURLWithPath: "/proc/self/clear_refs"))) != nil
}
