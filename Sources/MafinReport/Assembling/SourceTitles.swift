import MafinMethod
import MafinPipeline

extension SourceName {
    /// The name for people, in the middle of a sentence; the name itself for a source that is not known.
    package var title: String {
        if let title = Self.titles[self] { return title }
        // A source that learned from estimated query vectors.
        let offline = "offline-"
        if rawValue.hasPrefix(offline) {
            return SourceName(rawValue: String(rawValue.dropFirst(offline.count))).title + ", by estimates"
        }
        let memory = "query-memory"
        guard rawValue.hasPrefix(memory) else { return rawValue }
        // Memories differ by how slowly the weight of a known query falls with its distance: narrow, medium, wide.
        let width = rawValue.dropFirst(memory.count).drop { $0 == "-" }
        return "memory of queries" + (width.isEmpty ? "" : ", \(width)")
    }

    private static let titles: [SourceName: String] = [
        .blackBox: "black box", BridgedDocuments.sourceName: "bridged documents", .local: "local encoder",
        .bm25: "BM25", .standIn: "stand-in",
        SourceName(rawValue: "nudge-n"): "moved documents (NUDGE-N)",
        SourceName(rawValue: "nudge-m"): "moved documents (NUDGE-M)",
        SourceName(rawValue: "linear-adapter"): "linear adapter",
        SourceName(rawValue: "two-layer-adapter"): "two-layer adapter",
        SourceName(rawValue: "linear-adapter-both"): "linear adapter of both sides",
    ]
}
