import Foundation

enum ProcessorCount {
    /// Number of processors on which this process may run.
    static let active = max(1, ProcessInfo.processInfo.activeProcessorCount)
}
