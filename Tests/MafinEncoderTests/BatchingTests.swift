import MafinNumerics
import MafinTestSupport
import MafinText
import Testing

@testable import MafinEncoder

/// Results do not depend on the composition of a batch, on its chunks or on the number of threads.
@Suite struct BatchingTests {
    /// From one token to as many as there are positions.
    private let batch = randomBatch(
        lengths: [1, 40, 2, 17, 1, 39, 8, 3, 25, 40, 12, 5], vocabulary: 100, seed: 1)
    private var loss: GoldenLoss {
        get throws { try Golden("small-mean").loss(.listwise) }
    }

    @Test(arguments: [Pooling.mean, .firstToken]) func manyAreAsOneByOne(_ pooling: Pooling) throws {
        let encoder = try TransformerEncoder.small(pooling)
        let together = try encoder.embed(batch)
        #expect(together.rows == batch.count && together.columns == 32)
        for row in 0..<batch.count {
            let alone = try encoder.embed(batch.selecting(rows: [row]))
            #expect(largestDifference(alone.values, together.row(row)) < 1e-5)
        }
        let backwards = try encoder.embed(batch.selecting(rows: (0..<batch.count).reversed()))
        for row in 0..<batch.count {
            #expect(largestDifference(backwards.row(batch.count - 1 - row), together.row(row)) < 1e-5)
        }
    }

    /// Fewer texts than threads: the threads share each layer, and the result does not depend on their timing.
    @Test(arguments: [1, 2, 3]) func fewTextsOnManyThreads(_ count: Int) throws {
        let few = batch.selecting(rows: Array(1...count))
        let encoder = try TransformerEncoder.small()
        let expected = try Parallelism.withThreads(1) { try encoder.embed(few) }
        for threads in [count + 1, 4, 16] {
            try Parallelism.withThreads(threads) {
                #expect(CooperativeForward(encoder, few, threads: threads) != nil)
                let first = try encoder.embed(few)
                #expect(largestDifference(first.values, expected.values) < 1e-6)
                for _ in 0..<50 { #expect(try encoder.embed(few) == first) }
            }
        }
    }

    /// If the width is not a multiple of the products' tile, each thread takes whole texts.
    @Test func widthsThatThreadsCannotShare() throws {
        let encoder = TransformerEncoder(
            architecture: .bert(
                EncoderConfiguration(
                    hiddenSize: 20, layerCount: 1, headCount: 5, intermediateSize: 12, vocabularySize: 100)),
            pooling: .mean, seed: 1)
        let few = batch.selecting(rows: [1])
        let alone = try Parallelism.withThreads(1) { try encoder.embed(few) }
        let together = try Parallelism.withThreads(3) { try encoder.embed(few) }
        #expect(largestDifference(together.values, alone.values) < 1e-6)
    }

    @Test func embeddingIsTheForwardPass() throws {
        let encoder = try TransformerEncoder.small()
        let pass = try encoder.forward(batch, dropoutSeed: nil)
        #expect(largestDifference(pass.embeddings.values, try encoder.embed(batch).values) < 1e-6)
    }

    /// More threads than texts too: twelve texts on sixteen threads.
    @Test(arguments: [2, 3, 5, 16]) func anyNumberOfThreads(_ threads: Int) throws {
        let loss = try loss
        let (embeddings, passEmbeddings, gradients) = try Parallelism.withThreads(1) {
            let encoder = try TransformerEncoder.small()
            return try (
                encoder.embed(batch), encoder.forward(batch, dropoutSeed: 7).embeddings,
                encoder.gradients(loss, batch, dropoutSeed: 7)
            )
        }
        try Parallelism.withThreads(threads) {
            let encoder = try TransformerEncoder.small()
            #expect(largestDifference(try encoder.embed(batch).values, embeddings.values) < 1e-5)
            let pass = try encoder.forward(batch, dropoutSeed: 7)
            #expect(pass.chunks.count >= min(threads, batch.count) / 2, "the batch is cut otherwise")
            // This includes dropout: masks depend on a token's position in the batch and not on chunks.
            #expect(largestDifference(pass.embeddings.values, passEmbeddings.values) < 1e-5)
            #expect(relativeDifference(try encoder.gradients(loss, batch, dropoutSeed: 7), from: gradients) < 1e-5)
        }
    }

    @Test func batchesLargerThanAChunk() throws {
        let loss = GoldenLoss(kind: .infoNCE, grades: Matrix(rows: 75, columns: 75))
        let large = randomBatch(
            lengths: (0..<150).map { [40, 31, 1, 37][$0 % 4] }, vocabulary: 100, seed: 2)
        let encoder = try TransformerEncoder.small()
        let many = try Parallelism.withThreads(1) {
            #expect(Chunk.cut(large, threads: 1, maximumTokens: TransformerEncoder.trainingChunk).count > 1)
            return try encoder.gradients(loss, large, dropoutSeed: 3)
        }
        let few = try Parallelism.withThreads(7) { try encoder.gradients(loss, large, dropoutSeed: 3) }
        #expect(relativeDifference(few, from: many) < 1e-5)
    }

    @Test func repeatedCallsGiveTheSameResult() throws {
        let encoder = try TransformerEncoder.small()
        try Parallelism.withThreads(3) {
            let first = try encoder.gradients(loss, batch, dropoutSeed: 3)
            _ = try encoder.embed(randomBatch(lengths: [40, 40, 1], vocabulary: 100, seed: 3))
            #expect(differingElements(try encoder.gradients(loss, batch, dropoutSeed: 3), first) == 0)
            #expect(try encoder.embed(batch) == encoder.embed(batch))
        }
    }

    /// Scratch memory grows as needed, in any order of embedding and training.
    @Test func trainingAfterEmbeddingLongerTexts() throws {
        let short = randomBatch(lengths: [2, 3, 1, 2], vocabulary: 100, seed: 4)
        let long = randomBatch(lengths: [30, 20, 33, 28], vocabulary: 100, seed: 5)
        let longest = randomBatch(lengths: [40, 40, 40, 40, 40, 40, 40], vocabulary: 100, seed: 6)
        let loss = GoldenLoss(kind: .infoNCE, grades: Matrix(rows: 2, columns: 2))
        try Parallelism.withThreads(1) {
            let expected = try TransformerEncoder.small().gradients(loss, long)
            let encoder = try TransformerEncoder.small()
            _ = try encoder.gradients(loss, short)
            _ = try encoder.embed(longest)
            // The gradient buffers must have grown with the others. Writing beyond them caused no error.
            let workspace = try #require(encoder.workspaces.first)
            #expect(workspace.gradient.count == workspace.stream.count)
            #expect(workspace.activated.count == 2 * workspace.stream.count)
            #expect(workspace.attentionGradient.count == workspace.attention.count)
            #expect(differingElements(try encoder.gradients(loss, long), expected) == 0)
        }
    }

    /// Passes that exist at the same time share the budget. The next pass can use the memory that either returns.
    @Test func passesShareTheBudget() throws {
        let encoder = try TransformerEncoder.small()
        try Parallelism.withThreads(1) {
            let batch = randomBatch(lengths: [40, 40], vocabulary: 100, seed: 1)
            let each = Activations.count(encoder.network, tokens: 80, keeping: 0..<2)
            encoder.activationBudget = 2 * each * MemoryLayout<Float>.stride
            let gradient = Matrix(rows: 2, columns: 32, values: (0..<64).map { Float($0) / 64 })
            var first: TransformerEncoder.ForwardPass? = try encoder.forward(batch, dropoutSeed: nil)
            let second = try encoder.forward(batch, dropoutSeed: nil)
            let third = try encoder.forward(batch, dropoutSeed: nil)
            #expect(first?.saved[0] != nil && second.saved[0] != nil)
            #expect(third.saved[0] == nil, "the budget is used up")
            first = nil
            // No memory is free after the second pass. Once that pass is released, all is free.
            #expect(try encoder.forward(batch, dropoutSeed: nil).saved[0] == nil)
            encoder.backward(second, gradient: gradient)
            let fourth = try encoder.forward(batch, dropoutSeed: nil)
            #expect(fourth.saved[0] != nil)
            encoder.backward(fourth, gradient: gradient)
            encoder.backward(third, gradient: gradient)
            #expect(encoder.activationStore.capacity == 2 * each)
        }
    }

    /// A block of 1,024 texts trains in the memory of one of 64 with equal gradients: activations that do not fit are recomputed.
    @Test(arguments: [1, 2]) func memoryOfLargeBlocks(_ threads: Int) throws {
        let lengths = (0..<1024).map { 40 - $0 % 8 }
        let large = randomBatch(lengths: lengths, vocabulary: 100, seed: 9)
        func floats(of encoder: TransformerEncoder) -> Int {
            // Any thread may have to recompute activations.
            let transient = (encoder.workspaces.map(\.transient.count).max() ?? 0) * encoder.workspaces.count
            return encoder.workspaces.reduce(transient) { sum, workspace in
                let buffers = [
                    workspace.stream, workspace.activated, workspace.gradient, workspace.branchGradient,
                    workspace.block,
                    workspace.wideBlock, workspace.attention,
                ]
                return sum + buffers.reduce(0) { $0 + $1.count }
            } + encoder.activationStore.capacity
        }
        func loss(_ count: Int) -> GoldenLoss {
            GoldenLoss(kind: .infoNCE, grades: Matrix(rows: count / 2, columns: count / 2))
        }
        try Parallelism.withThreads(threads) {
            let encoder = try TransformerEncoder.small()
            // Half of what 64 texts need.
            encoder.activationBudget = 4 * Activations.count(encoder.network, tokens: 1200, keeping: 0..<2)
            _ = try encoder.gradients(loss(64), large.selecting(rows: Array(0..<64)), dropoutSeed: 1)
            let small = floats(of: encoder)
            let pass = try encoder.forward(large, dropoutSeed: 1)
            #expect(pass.saved.count { $0 == nil } > pass.saved.count / 2, "most is computed again")
            let gradients = try encoder.gradients(loss(1024), large, dropoutSeed: 1)
            #expect(Double(floats(of: encoder)) < 1.25 * Double(small), "chunks are cut a little larger")
            let unbounded = try TransformerEncoder.small()
            let expected = try unbounded.gradients(loss(1024), large, dropoutSeed: 1)
            #expect(differingElements(gradients, expected) == 0)
        }
    }

    /// With a limit for all of training, activations get the rest. A limit below what weights need is an error.
    @Test func trainingMemory() throws {
        let encoder = try TransformerEncoder.small()
        try Parallelism.withThreads(2) {
            let least = encoder.leastTrainingMemory
            try encoder.limitTrainingMemory(to: least + 5000)
            #expect(encoder.activationBudget == 5000)
            let error = #expect(throws: EncoderError.self) { try encoder.limitTrainingMemory(to: least - 1) }
            #expect(error == .memory(needed: least, given: least - 1))
            #expect(encoder.activationBudget == 5000)
        }
    }

    @Test func emptyBatch() throws {
        let encoder = try TransformerEncoder.small()
        #expect(try encoder.embed(TokenBatch()) == Matrix(rows: 0, columns: 32))
        let pass = try encoder.forward(TokenBatch(), dropoutSeed: 1)
        #expect(pass.embeddings == Matrix(rows: 0, columns: 32))
        encoder.backward(pass, gradient: Matrix(rows: 0, columns: 32))
        #expect(encoder.gradients.isEmpty)
    }

    @Test(arguments: [
        ([3, 0, 2], "input 1: expected 1 to 40 tokens, found 0"),
        ([3, 2, 41], "input 2: expected 1 to 40 tokens, found 41"),
    ])
    func lengthsThatCannotBe(_ lengths: [Int], _ sentence: String) throws {
        let encoder = try TransformerEncoder.small()
        let batch = randomBatch(lengths: lengths, vocabulary: 100, seed: 1)
        #expect(try #require(#expect(throws: EncoderError.self) { try encoder.embed(batch) }).description == sentence)
        #expect(throws: EncoderError.self) { try encoder.forward(batch, dropoutSeed: nil) }
    }

    @Test(arguments: [Int32(100), -1]) func idsBeyondTheVocabulary(_ id: Int32) throws {
        let encoder = try TransformerEncoder.small()
        let batch = TokenBatch(rows: [[1, 2], [3], [4, id, 5]] as [[Int32]])
        let expected = EncoderError.input(row: 2, expected: "token ids below 100", found: "\(id)")
        #expect(throws: expected) { try encoder.embed(batch) }
        #expect(throws: expected) { try encoder.forward(batch, dropoutSeed: nil) }
    }

    @Test(arguments: [1, 2, 3, 16], [1, 30, 100, 10_000]) func chunksCoverTheBatch(_ threads: Int, _ maximum: Int) {
        for count in [1, 2, 5, 60] {
            let batch = randomBatch(lengths: (0..<count).map { 1 + $0 * 7 % 40 }, vocabulary: 100, seed: 1)
            let chunks = Chunk.cut(batch, threads: threads, maximumTokens: maximum)
            #expect(chunks.flatMap { Array($0.texts) } == Array(0..<count), "each text once, in order")
            for chunk in chunks {
                #expect(chunk.firstToken == batch.offsets[chunk.texts.lowerBound])
                #expect(
                    chunk.starts
                        == batch.offsets[chunk.texts.lowerBound...chunk.texts.upperBound].map { $0 - chunk.firstToken })
                #expect(chunk.longest == chunk.texts.map(batch.length).max())
                #expect(chunk.tokens <= maximum + 40, "above the limit by a part of a text at most")
            }
        }
        #expect(Chunk.cut(TokenBatch(), threads: threads, maximumTokens: maximum).isEmpty)
    }
}
