import MafinNumerics
import Testing

@testable import MafinMethod

@Suite struct TrainingBankTests {
    @Test func freshRowsReplaceStaleOnes() throws {
        let head = ScoreHead(scale: MixtureWeights(blackBox: 3, local: 4), form: .unit)
        let setup = try TrainingGradientTests.setup(.block, form: .unit, loss: ListNet())
        var bank = setup.bank
        _ = try setup.engine.run(
            setup.step, head: head, bank: &bank, seed: nil, gradientFactor: 1, wantsScale: false)
        let fresh = LocalForm.unit.prepare(try setup.query.embed(setup.data.documents)).vectors
        let texts = [11, 2, 5].map { setup.data.documents.rows[$0] }
        let replaced = (0..<14).filter { texts.contains(setup.data.documents.rows[$0]) }
        #expect(replaced.contains(12) && replaced.count < 14)
        for document in 0..<14 {
            let source = replaced.contains(document) ? fresh : setup.bank.rows.vectors
            #expect(Array(bank.rows.vectors.row(document)) == Array(source.row(document)))
        }
        // Drift is the mean of 1 − cosine over the replaced rows.
        var drift: Float = 0
        for document in replaced {
            let cosine = zip(fresh.row(document), setup.bank.rows.vectors.row(document)).reduce(0) { $0 + $1.0 * $1.1 }
            drift += (1 - cosine) / Float(replaced.count)
        }
        #expect(abs(bank.drift - drift) < 1e-5 && drift > 0.01)
    }

    @Test func staleRowsGetNoGradient() throws {
        // The document encoder encodes only the documents of the step, so tokens that occur only in other documents
        // have a gradient of 0.
        let head = ScoreHead(scale: MixtureWeights(blackBox: 3, local: 4), form: .unit)
        let setup = try TrainingGradientTests.setup(.towers, form: .unit, loss: ListNet())
        _ = try TrainingGradientTests.value(setup, head, seed: nil)
        let tower = try #require(setup.document)
        let freshTokens = Set([2, 5, 11].flatMap { setup.data.documents.rows[$0] })
        for token in 0..<TrainingFixture.vocabulary {
            let gradient = tower.gradient[token * tower.hidden..<(token + 1) * tower.hidden]
            #expect(gradient.contains { $0 != 0 } == freshTokens.contains(token))
        }
        #expect(tower.forwarded.map { $0.count } == [3])
    }

    /// The toy encoder does not count texts in `embed`, so refreshes are detected by the rows that evaluations receive.
    static func documentsSeen(_ refresh: BankRefresh, evaluationUsesBank: Bool) throws -> [[Bool]] {
        let data = try TrainingFixture.random()
        let encoder = ToyEncoder(vocabulary: TrainingFixture.vocabulary)
        var seen: [[Bool]] = []
        let options = TrainingRunTests.options(6) {
            $0.bankRefresh = refresh
            $0.evaluationUsesBank = evaluationUsesBank
            $0.evaluateEvery = 1
            $0.dropout = 0
        }
        _ = try Trainer(
            queryEncoder: encoder, data: data, mode: BlockMode(documents: .rows(5)), loss: ListNet(), options: options
        ) { state in
            let now = LocalForm.unit.prepare(try encoder.embed(data.documents)).vectors
            seen.append((0..<14).map { Array(now.row($0)) == Array(state.documents.vectors.row($0)) })
            return DevelopmentResult(metric: Double(state.step), logLikelihood: 0, scale: state.scale)
        }.run()
        return seen
    }

    @Test func evaluationsEncodeTheCorpusUnlessToldNotTo() throws {
        let encoded = try Self.documentsSeen(.never, evaluationUsesBank: false)
        #expect(encoded.count == 7 && encoded.allSatisfy { $0.allSatisfy { $0 } })
        let stale = try Self.documentsSeen(.never, evaluationUsesBank: true)
        #expect(stale[0].allSatisfy { $0 })
        // Even the rows that the last step encoded are older than its update.
        #expect(stale.dropFirst().allSatisfy { $0.contains(false) })
    }

    @Test func refreshesHappenWhenTheOptionSays() throws {
        func stepsWithRefresh(_ refresh: BankRefresh, epochs: Int = 3) throws -> [Int] {
            let data = try TrainingFixture.random()
            let log = EventLog()
            var options = TrainingRunTests.options(1) {
                $0.steps = nil
                $0.epochs = epochs
                $0.bankRefresh = refresh
                $0.evaluationUsesBank = true
            }
            options.evaluateEvery = 100
            _ = try Trainer(
                queryEncoder: ToyEncoder(vocabulary: TrainingFixture.vocabulary), data: data,
                mode: BlockMode(documents: .rows(5)), loss: ListNet(), options: options
            ) { state in
                DevelopmentResult(metric: Double(state.step), logLikelihood: 0, scale: state.scale)
            }.run(onEvent: log.add)
            var step = 0
            var refreshes: [Int] = []
            for event in log.events {
                if case .step(let report) = event { step = report.step }
                if case .encodingDocuments(let done, let total) = event, done == total { refreshes.append(step) }
            }
            return refreshes
        }
        // At most thirteen relevant documents in blocks of five make three steps per epoch. The first encoding makes
        // the bank.
        #expect(try stepsWithRefresh(.never) == [0])
        #expect(try stepsWithRefresh(.everyEpoch) == [0, 3, 6])
        #expect(try stepsWithRefresh(.everySteps(2)) == [0, 2, 4, 6, 8])
        #expect(try stepsWithRefresh(.whenStale(drift: 3)) == [0])
        #expect(try stepsWithRefresh(.whenStale(drift: 1e-6)).count > 4)
    }
}
