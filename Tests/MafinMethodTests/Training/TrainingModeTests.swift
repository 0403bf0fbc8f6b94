import Foundation
import MafinNumerics
import Testing

@testable import MafinMethod

@Suite struct TrainingModeTests {
    static func plans(_ mode: any TrainingMode, seed: UInt64 = 1) throws -> (TrainingIndex, [StepPlan]) {
        let index = try TrainingFixture.random().index
        var generator = RandomGenerator(seed: seed)
        return (index, mode.steps(of: index, using: &generator))
    }

    @Test func queryTowerTakesEveryQueryOnce() throws {
        let (index, plans) = try Self.plans(QueryTowerMode(batch: .rows(5)))
        #expect(plans.map(\.queries.count) == [5, 5, 2])
        #expect(plans.flatMap(\.queries).sorted() == index.trainQueries)
        #expect(plans.allSatisfy { $0.documents.isEmpty })
        #expect(try Self.plans(QueryTowerMode(batch: .rows(5)), seed: 2).1 != plans)
        #expect(try Self.plans(QueryTowerMode(batch: .rows(5))).1 == plans)
    }

    @Test func tokenBudgetBoundsEveryBatch() throws {
        let (index, plans) = try Self.plans(QueryTowerMode(batch: .tokens(9)))
        for plan in plans {
            #expect(plan.queries.reduce(0) { $0 + index.queryLengths[$1] } <= 9)
        }
        #expect(plans.flatMap(\.queries).sorted() == index.trainQueries)
        // A row above the budget is a batch of its own. Empty rows cost nothing.
        let batches = BatchSize.tokens(4).batches(of: [1, 9, 2, 2, 0, 1], length: { $0 })
        #expect(batches.map(Array.init) == [[1], [9], [2, 2, 0], [1]])
        #expect(BatchSize.meanRows(2).batches(of: [3, 3, 3, 3, 3], length: { $0 }).map(\.count) == [2, 2, 1])
        #expect(BatchSize.meanRows(2).batches(of: [0, 0, 0], length: { $0 }).map(\.count) == [2, 1])
    }

    @Test func blocksHoldTheQueriesThatKnowTheirDocuments() throws {
        let (index, plans) = try Self.plans(BlockMode(documents: .rows(3), maximumQueries: 4))
        let known = (0..<index.documentCount).filter { !index.queriesOfDocument[$0].isEmpty }
        #expect(plans.flatMap(\.documents).sorted() == known)
        for plan in plans {
            #expect(plan.queries.count <= 4 && Set(plan.queries).count == plan.queries.count)
            for query in plan.queries {
                #expect(index.labels[query].contains { plan.documents.contains($0.column) })
            }
        }
    }

    @Test func pairsCoverEveryLabel() throws {
        let (index, plans) = try Self.plans(PairMode(batch: .rows(7)))
        #expect(plans.map(\.queries.count).reduce(0, +) == index.pairCount)
        #expect(plans.last?.queries.count == index.pairCount % 7)
        for plan in plans { #expect(plan.targets == plan.documents) }
    }

    @Test func corpusLabelsMaskTheTextOfAPositive() throws {
        let index = try TrainingFixture.random().index
        // Query 0 has only document 11 as positive. Document 12 has the same text.
        let step = StepPlan(queries: [0], documents: [12, 3]).againstCorpus(index)
        #expect(step.labels.relevant == [[Judgement(column: 11)]])
        #expect(step.labels.masked == [[12]])
        // Both rows of the text become fresh, from one encoding.
        #expect(step.encoded == [12, 3])
        #expect(step.freshColumns.map(\.column) == [11, 12, 3])
        #expect(step.freshColumns.map(\.position) == [0, 0, 1])
    }

    @Test func candidateListsNameEachTextOnce() throws {
        let index = try TrainingFixture.random().index
        let other = try #require((0..<11).first { document in !index.labels[0].contains { $0.column == document } })
        let step = StepPlan(queries: [0, 0], targets: [11, 11], documents: [12, 11])
            .againstDocuments(index, others: [other, 11, other], mined: MinedNegatives(thresholds: [0: 0.5]))
        #expect(step.candidates == .documents([12, other]))
        #expect(step.encoded == [12])
        // The label of document 11 is found at the column of its text.
        #expect(step.labels.relevant == [[Judgement(column: 0)], [Judgement(column: 0)]])
        // In the second row the other document scores above the threshold.
        let logits = Matrix(rows: 2, columns: 2, values: [9, 4, 9, 6])
        #expect(step.labels(of: logits, mixedScorePerLogit: 0.1).masked == [[], [1]])
    }

    /// What was mined stays a negative when its score rises; any other document above the threshold is masked.
    @Test func minedNegativesStay() throws {
        let index = try TrainingDataTests.index(labels: [[Judgement(column: 0)]], train: [0], documents: 4)
        let mined = MinedNegatives(negatives: [0: [2]], thresholds: [0: 0.3])
        let step = StepPlan(queries: [0]).againstDocuments(index, others: [0, 1, 2, 3], mined: mined)
        #expect(step.candidates == .documents([0, 1, 2, 3]))
        let logits = Matrix(rows: 1, columns: 4, values: [0.9, 0.4, 0.5, 0.2])
        let labels = step.labels(of: logits, mixedScorePerLogit: 1)
        #expect(labels.relevant == [[Judgement(column: 0)]] && labels.masked == [[1]])
    }

    @Test func pairsMaskOtherPositives() throws {
        let index = try TrainingFixture.random().index
        let query = try #require(index.trainQueries.first { index.labels[$0].count >= 2 })
        let documents = index.labels[query].map(\.column)
        let step = StepPlan(queries: [query, query], targets: Array(documents.prefix(2)), documents: documents)
            .againstDocuments(index)
        #expect(step.labels.relevant.map { $0.map(\.column) } == [[0], [1]])
        #expect(step.labels.masked.map(\.first) == [1, 0])
    }

    @Test func queriesOfOneTextSpareEachOthersPositives() throws {
        let index = try TrainingDataTests.index(
            labels: [[Judgement(column: 0)], [Judgement(column: 2)], [Judgement(column: 1)]], train: [0, 1, 2],
            queryIdentities: [0, 0, 2])
        #expect(index.positivesOfSameText == [0: [2], 1: [0]])
        let corpus = StepPlan(queries: [0, 1, 2]).againstCorpus(index)
        #expect(corpus.labels.masked == [[2], [0], []])
        let pairs = StepPlan(queries: [1, 0], targets: [2, 0], documents: [2, 0]).againstDocuments(index)
        #expect(pairs.labels.masked == [[1], [0]])
    }

    @Test func speedIsMeasuredWithoutTouchingWeights() throws {
        let encoder = ToyEncoder(vocabulary: TrainingFixture.vocabulary)
        let before = encoder.parameters
        let speed = try ModeChoice.measureTokensPerSecond(encoder, inputs: try TrainingFixture.random().documents)
        #expect(speed > 0 && speed.isFinite && encoder.parameters == before && encoder.forwarded.isEmpty)
    }

    @Test func scoresComeFromTheVectors() throws {
        let data = try TrainingFixture.random()
        func source(_ budget: Int) -> FrozenScores {
            FrozenScores(
                queries: [2, 5, 9], queryVectors: data.blackBoxQueries, documentVectors: data.blackBoxDocuments,
                byteBudget: budget)
        }
        let (cached, computed) = (source(1 << 20), source(0))
        #expect(cached.isCached && !computed.isCached)
        for columns in [nil, [13, 0, 4]] {
            let (a, b) = (
                cached.block(queries: [9, 2], columns: columns), computed.block(queries: [9, 2], columns: columns)
            )
            #expect(a.rows == 2 && a.columns == (columns?.count ?? 14))
            for (position, document) in (columns ?? Array(0..<14)).enumerated() {
                let expected = zip(data.blackBoxQueries.row(9), data.blackBoxDocuments.row(document))
                    .reduce(Float(0)) { $0 + $1.0 * $1.1 }
                #expect(abs(a[0, position] - expected) < 1e-5)
                #expect(abs(b[0, position] - expected) < 1e-5)
            }
        }
    }

    @Test func miningKeepsHardNegativesAndSparesSuspects() throws {
        // One query whose positive has the score .8 from both sources, and documents with similar scores.
        func vector(_ cosine: Float) -> [Float] { [cosine, (1 - cosine * cosine).squareRoot()] }
        let cosines: [Float] = [0.8, 0.95, 0.83, 0.79, 0.1, 0.5, 0.8]
        let documents = Matrix(rows: 7, columns: 2, values: cosines.flatMap(vector))
        let query = Matrix(rows: 1, columns: 2, values: [1, 0])
        // Document 6 has the text of the positive.
        let data = try TrainingData(
            queries: ToyInputs(rows: [[0]]), documents: ToyInputs(rows: (0..<7).map { [$0 % 6] }),
            labels: [[Judgement(column: 0)]], trainQueries: [0], devQueries: [], blackBoxQueries: query,
            blackBoxDocuments: documents, documentIdentities: [0, 1, 2, 3, 4, 5, 0])
        let mined = MinedNegatives.mine(
            queries: [0], local: LocalForm.unit.prepare(query), bank: LocalForm.unit.prepare(documents),
            scores: FrozenScores(
                queries: [0], queryVectors: data.blackBoxQueries, documentVectors: data.blackBoxDocuments,
                byteBudget: 1 << 20), head: ScoreHead(scale: MixtureWeights(blackBox: 6, local: 14), form: .unit),
            index: data.index, count: 2, margin: 0.05, byteBudget: 1 << 20)
        // Of all documents, number 1 alone is above.
        #expect(mined.thresholds.keys.sorted() == [0] && abs((mined.thresholds[0] ?? 0) - 0.85) < 1e-5)
        #expect(mined.negatives == [0: [2, 3]])
        var generator = RandomGenerator(seed: 1)
        let candidates = mined.candidates(of: [0], index: data.index, random: 4, using: &generator)
        #expect(Array(candidates.prefix(3)) == [0, 2, 3] && candidates.count == 7)
    }

    /// A weak positive at the end of a long list of documents above it: the query gets its negatives all the same, the list takes no space, and
    /// none of the documents above is a negative when another query or the random draw brings it among the candidates.
    @Test func manySuspectsLeaveTheWantedNegatives() throws {
        func vector(_ cosine: Float) -> [Float] { [cosine, (1 - cosine * cosine).squareRoot()] }
        let last = 100_000
        var cosines: [Float] = [0.2]
        for rank in 0..<last { cosines.append(0.3 + 0.4 * Float(rank) / Float(last)) }
        for rank in 0..<10 { cosines.append(0.19 - 0.01 * Float(rank)) }
        let documents = Matrix(rows: last + 11, columns: 2, values: cosines.flatMap(vector))
        let query = Matrix(rows: 1, columns: 2, values: [1, 0])
        // The best two negatives share a text, so that one of them is no further candidate.
        var identities = Array(0..<last + 11)
        identities[last + 2] = last + 1
        let data = try TrainingData(
            queries: ToyInputs(rows: [[0]]), documents: ToyInputs(rows: identities.map { [$0] }),
            labels: [[Judgement(column: 0)]], trainQueries: [0], devQueries: [], blackBoxQueries: query,
            blackBoxDocuments: documents, documentIdentities: identities)
        let (local, bank) = (LocalForm.unit.prepare(query), LocalForm.unit.prepare(documents))
        let scores = FrozenScores(
            queries: [0], queryVectors: data.blackBoxQueries, documentVectors: data.blackBoxDocuments,
            byteBudget: 1 << 20)
        let head = ScoreHead(scale: MixtureWeights(blackBox: 6, local: 14), form: .unit)
        let mined = MinedNegatives.mine(
            queries: [0], local: local, bank: bank, scores: scores, head: head, index: data.index, count: 8,
            margin: 0.05, byteBudget: 1 << 20)
        #expect(mined.negatives == [0: [1, 3, 4, 5, 6, 7, 8, 9].map { last + $0 }])
        #expect(mined.thresholds.count == 1 && abs((mined.thresholds[0] ?? 0) - 0.25) < 1e-5)
        let stored = try JSONEncoder().encode(mined)
        #expect(stored.count < 200, "\(String(decoding: stored, as: UTF8.self))")
        let step = StepPlan(queries: [0]).againstDocuments(
            data.index, others: [0, last + 10] + Array(last - 10...last + 5), mined: mined)
        guard case .documents(let columns) = step.candidates else { fatalError("columns are a list") }
        let logits = head.forward(
            queries: local, documents: bank.selecting(rows: columns),
            blackBox: scores.block(queries: [0], columns: columns)
        ).logits
        let labels = step.labels(of: logits, mixedScorePerLogit: head.mixedScorePerLogit)
        #expect(labels.masked[0].map { columns[$0] } == Array(last - 10...last))
        #expect(labels.relevant[0].map { columns[$0.column] } == [0])
        #expect(columns.count == 2 + 15, "the two documents of one text are one column")
    }

    @Test func theScaleIsFittedOnAllQueriesWhateverFits() throws {
        let data = try TrainingFixture.jargon()
        let encoder = TrainingRunTests.jargonEncoder()
        let queries = Array(0..<data.queries.count)
        func fit(_ queries: [Int], bytes: Int) throws -> Calibration {
            try Calibration.fit(
                queries: queries,
                local: LocalForm.unit.prepare(try encoder.embed(data.queries.selecting(rows: queries))).vectors,
                documents: LocalForm.unit.prepare(try encoder.embed(data.documents)).vectors,
                scores: FrozenScores(
                    queries: queries, queryVectors: data.blackBoxQueries, documentVectors: data.blackBoxDocuments,
                    byteBudget: bytes), index: data.index, byteBudget: bytes)
        }
        let whole = try fit(queries, bytes: 1 << 20)
        // The budget holds blocks of three queries, and 64 queries would not be all of them.
        let blocks = try fit(queries, bytes: 3 * 2 * 4 * 96)
        #expect(queries.count == 96 && whole.labelledRows == 96 && blocks.labelledRows == 96)
        #expect(abs(whole.scale.blackBox - blocks.scale.blackBox) < 1e-3)
        #expect(abs(whole.scale.local - blocks.scale.local) < 1e-3)
        #expect(try fit(Array(queries.prefix(64)), bytes: 1 << 20).scale != whole.scale)
    }

    @Test func choiceFollowsTimeAndSpeed() throws {
        let index = try TrainingFixture.random().index
        let unknown = ModeChoice.choose(index: index)
        #expect(unknown.mode == .query && unknown.reason.contains("no time is set"))
        let estimate = unknown.estimate
        #expect(estimate.query == Double(index.trainQueries.reduce(0) { $0 + index.queryLengths[$1] }))
        #expect(estimate.query < estimate.block && estimate.block < estimate.pair + estimate.bank)
        let enough = estimate.bank + 10.5 * estimate.block
        #expect(ModeChoice.choose(index: index, time: enough, tokensPerSecond: 1).mode == .block)
        let scarce = ModeChoice.choose(index: index, time: enough - estimate.block, tokensPerSecond: 1)
        #expect(scarce.mode == .query && scarce.reason.contains("only 9 epochs of blocks"))
        #expect(ModeChoice.choose(index: index, time: enough / 2, tokensPerSecond: 2, hasBank: true).mode == .block)
        #expect(ModeChoice.choose(index: index, time: 60).reason.contains("the speed is not known"))
    }
}
