import MafinMethod
import Testing

@testable import MafinReport

@Suite struct SourceTitlesTests {
    @Test(arguments: [
        ("black-box", "black box"), ("local", "local encoder"), ("bm25", "BM25"),
        ("query-memory", "memory of queries"), ("query-memory-medium", "memory of queries, medium"),
        ("nudge-n", "moved documents (NUDGE-N)"), ("two-layer-adapter", "two-layer adapter"),
        ("stand-in", "stand-in"), ("offline-query-memory-wide", "memory of queries, wide, by estimates"),
        ("offline-nudge-n", "moved documents (NUDGE-N), by estimates"),
        ("of-a-later-version", "of-a-later-version"),
    ])
    func everySourceHasAName(name: String, title: String) {
        #expect(SourceName(rawValue: name).title == title)
    }
}
