import MafinNumerics
import Synchronization
import Testing

@Suite struct ParallelTests {
    @Test(arguments: [0, 1, 2, 3, 100, 10_001], [1, 2, 3, 16]) func everyIndexOnce(_ count: Int, _ threads: Int) {
        let visits = Mutex([Int](repeating: 0, count: count))
        Parallelism.withThreads(threads) {
            parallelFor(count) { index in visits.withLock { $0[index] += 1 } }
        }
        #expect(visits.withLock { $0.allSatisfy { $0 == 1 } })
    }

    @Test(arguments: [0, 1, 63, 64, 65, 1000], [1, 64, 2000]) func rangesCoverAll(_ count: Int, _ grain: Int) {
        for threads in [1, 3] {
            let ranges = Mutex<[Range<Int>]>([])
            Parallelism.withThreads(threads) {
                parallelRanges(count, grain: grain) { range in ranges.withLock { $0.append(range) } }
            }
            let sorted = ranges.withLock { $0.sorted { $0.lowerBound < $1.lowerBound } }
            var next = 0
            for range in sorted {
                #expect(range.lowerBound == next && !range.isEmpty && range.lowerBound % grain == 0)
                next = range.upperBound
            }
            #expect(next == count)
        }
    }

    @Test func threadsOfAScope() {
        Parallelism.withThreads(5) {
            #expect(Parallelism.threads == 5)
            Parallelism.withThreads(2) { #expect(Parallelism.threads == 2) }
            #expect(Parallelism.threads == 5)
        }
        #expect(Parallelism.threads >= 1)
    }
}
