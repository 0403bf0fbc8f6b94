import Testing

@testable import MafinText

struct TokenBatchTests {
    let batch = TokenBatch(rows: [[1, 2, 3], [], [4], [5, 6]] as [[Int32]])

    @Test func layout() {
        #expect(batch.ids == [1, 2, 3, 4, 5, 6])
        #expect(batch.offsets == [0, 3, 3, 4, 6])
        #expect(batch.count == 4)
        #expect(batch.tokenCount == 6)
        #expect((0..<4).map(batch.length(of:)) == [3, 0, 1, 2])
        #expect(batch.longestLength == 3)
        #expect(Array(batch[3]) == [5, 6])
        #expect(batch[1].isEmpty)
        #expect(TokenBatch(ids: [1, 2, 3, 4, 5, 6], offsets: [0, 3, 3, 4, 6]) == batch)
    }

    @Test func empty() {
        let empty = TokenBatch()
        #expect(empty.isEmpty && empty.count == 0 && empty.tokenCount == 0 && empty.longestLength == 0)
        #expect(empty + batch == batch && batch + empty == batch)
        #expect(batch.selecting(rows: []) == empty)
    }

    @Test func selectionAndConcatenation() {
        #expect(
            batch.selecting(rows: [3, 0, 3, 1]) == TokenBatch(rows: [[5, 6], [1, 2, 3], [5, 6], []] as [[Int32]]))
        #expect(batch.selecting(rows: 0..<2) + batch.selecting(rows: 2..<4) == batch)
        var grown = TokenBatch()
        for row in 0..<batch.count { grown.append(batch[row]) }
        #expect(grown == batch)
        grown.append(contentsOf: batch)
        #expect(grown == batch + batch)
    }
}
