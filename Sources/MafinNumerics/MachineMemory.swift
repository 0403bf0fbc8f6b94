import Foundation

/// The memory that this process may take.
public enum MachineMemory {
    /// Bytes of the machine's memory, or the limit of the container's control group if that is less.
    public static let bytes = min(
        Int(clamping: ProcessInfo.processInfo.physicalMemory),
        groupLimits.compactMap { limit(in: try? String(contentsOfFile: $0, encoding: .utf8)) }.min() ?? .max)

    /// The files with the limits of both versions of control groups, as a container sees them.
    private static let groupLimits = [
        "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    ]

    /// The bytes in such a file; `nil` for no limit ("max") and for anything else. For no limit, version 1 has a number
    /// that is larger than any machine's memory.
    static func limit(in text: String?) -> Int? {
        guard let bytes = text.flatMap({ Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) }), bytes > 0 else {
            return nil
        }
        return bytes
    }
}
