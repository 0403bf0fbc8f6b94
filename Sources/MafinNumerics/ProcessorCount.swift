import Foundation

enum ProcessorCount {
    /// Processors that this process may run on.
    static let active = max(1, ProcessInfo.processInfo.activeProcessorCount)
}
