import Foundation

/// The load from other processes. The Python peers wait for a quiet moment before each round, and so do our programs.
public enum OtherLoad {
    /// Processor seconds of this process.
    public static func ownSeconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }

    /// Returns after a tenth of a second in which others used less than a tenth of the cores, or after a second.
    public static func waitForQuiet() {
        let start = ContinuousClock.now
        while ContinuousClock.now - start < .seconds(1), !isQuiet() {}
    }

    /// Whether other processes use less than a tenth of the cores during a tenth of a second. `true` if the system does
    /// not report it.
    public static func isQuiet() -> Bool {
        guard let before = busySeconds() else { return true }
        let own = ownSeconds()
        Thread.sleep(forTimeInterval: 0.1)
        guard let after = busySeconds() else { return true }
        let others = (after - before) - (ownSeconds() - own)
        return others < 0.01 * Double(ProcessInfo.processInfo.activeProcessorCount)
    }

    /// Processor seconds of all processes except niced ones; `nil` if the system does not report them. Linux does.
    private static func busySeconds() -> Double? {
        guard let text = try? String(contentsOfFile: "/proc/stat", encoding: .utf8) else { return nil }
        // user nice system idle iowait irq softirq steal, in hundredths of a second
        let fields = text.prefix { $0 != "\n" }.split(separator: " ").dropFirst().compactMap { Double($0) }
        guard fields.count >= 8 else { return nil }
        return (fields[0] + fields[2] + fields[5] + fields[6] + fields[7]) / 100
    }
}
