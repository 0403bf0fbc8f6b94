import Foundation

/// The memory that this process may take.
public enum MachineMemory {
    /// Bytes: those of the machine, or fewer where a container's control group allows less.
    public static let bytes = min(
        Int(clamping: ProcessInfo.processInfo.physicalMemory),
        groupLimits.compactMap { limit(in: try? String(contentsOfFile: $0, encoding: .utf8)) }.min() ?? .max)

    /// Where Linux says so, of both versions of control groups: as a container sees its own.
    private static let groupLimits = [
        "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    ]

    /// The bytes that such a file says; `nil` for no limit ("max") and for anything else. Version 1 says a number that no machine has.
    static func limit(in text: String?) -> Int? {
        guard let bytes = text.flatMap({ Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) }), bytes > 0 else {
            return nil
        }
        return bytes
    }
}
