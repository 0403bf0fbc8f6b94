import Foundation
import MafinNumerics
import MafinTestSupport
import Synchronization
import Testing

@testable import MafinMethod

/// Threads in place of processes.
final class ThreadCommunicator: Communicator {
    let rank: Int
    let count: Int
    private let exchange: Exchange
    private let calls = Mutex(0)
    /// Number of calls of ``sum(_:)``.
    var sums: Int { calls.withLock { $0 } }

    init(_ rank: Int, of count: Int, _ exchange: Exchange) {
        (self.rank, self.count, self.exchange) = (rank, count, exchange)
    }

    func sum(_ values: UnsafeMutableBufferPointer<Float>) throws {
        calls.withLock { $0 += 1 }
        let parts = try exchange(rank, Array(UnsafeRawBufferPointer(values)))
        for index in values.indices { values[index] = 0 }
        for part in parts {
            part.withUnsafeBytes { bytes in
                for (index, value) in bytes.bindMemory(to: Float.self).enumerated() { values[index] += value }
            }
        }
    }

    func gather(_ bytes: UnsafeRawBufferPointer) throws -> [[UInt8]] { try exchange(rank, Array(bytes)) }
    func broadcast(_ bytes: [UInt8]) throws -> [UInt8] { try exchange(rank, bytes)[0] }
}

extension ToyEncoder: DistributableEncoder {
    func forward(_ inputs: ToyInputs, dropoutSeed: UInt64?, precedingLength: Int) throws -> Pass {
        precondition(dropoutSeed == nil, "the toy's masks depend on a row's place in the batch")
        return try forward(inputs, dropoutSeed: nil)
    }

    func sumGradients(over communicator: any Communicator) throws {
        try gradient.withUnsafeMutableBufferPointer { try communicator.sum($0) }
    }
}

/// Several processes give the run of one, up to rounding.
@Suite struct DistributedTrainingTests {
    struct Run: Sendable {
        var losses: [Float]
        var weights: [Float]
        var metrics: [Double]
        var reason: StopReason
    }

    private static func mode(_ name: String) -> any TrainingMode {
        switch name {
        case "block": BlockMode(documents: .rows(7))
        case "pair": PairMode(batch: .rows(9))
        default: QueryTowerMode(batch: .rows(11))
        }
    }

    private static func options(_ steps: Int) -> TrainingOptions {
        TrainingRunTests.options(steps) {
            $0.dropout = 0
            $0.accumulation = 2
            $0.learningRate = 0.005
        }
    }

    private static func run(_ name: String, steps: Int) throws -> Run {
        let encoder = TrainingRunTests.jargonEncoder()
        let log = EventLog()
        let outcome = try Trainer(
            queryEncoder: encoder, data: TrainingFixture.jargon(), mode: mode(name), loss: ListNet(),
            options: options(steps)
        ).run(onEvent: log.add)
        return Run(
            losses: log.steps.map(\.loss), weights: encoder.parameters, metrics: outcome.history.map(\.result.metric),
            reason: outcome.reason)
    }

    private static func run(
        _ name: String, steps: Int, _ communicator: any Communicator, folder: URL? = nil, resume: Bool = false,
        stopsAfter: Int? = nil
    ) throws -> Run {
        let encoder = TrainingRunTests.jargonEncoder()
        let log = EventLog()
        let outcome = try Trainer(
            queryEncoder: DistributedEncoder(encoder, communicator), data: TrainingFixture.jargon(), mode: mode(name),
            loss: ListNet(), options: options(steps), checkpointFolder: folder, communicator: communicator
        ).run(
            resume: resume,
            // Only one process is asked to end.
            isCancelled: {
                communicator.rank == communicator.count - 1 && stopsAfter.map { log.steps.count >= $0 } == true
            },
            onEvent: log.add)
        return Run(
            losses: log.steps.map(\.loss), weights: encoder.parameters, metrics: outcome.history.map(\.result.metric),
            reason: outcome.reason)
    }

    private static func difference(_ one: [Float], _ other: [Float]) -> Float {
        one.count == other.count ? zip(one, other).map { abs($0 - $1) }.max() ?? 0 : .infinity
    }

    /// Nine processes have more members than some batches have rows.
    @Test(arguments: ["query", "block", "pair"], [2, 3, 9]) func lossesAreThoseOfOneProcess(mode: String, count: Int)
        throws
    {
        let alone = try Self.run(mode, steps: 30)
        let runs = try together(count) { rank, exchange in
            try Self.run(mode, steps: 30, ThreadCommunicator(rank, of: count, exchange))
        }
        #expect(alone.losses.count == 30)
        for run in runs {
            #expect(Self.difference(run.losses, alone.losses) < 1e-5)
            #expect(Self.difference(run.weights, alone.weights) < 1e-3)
            #expect(run.weights == runs[0].weights, "all processes make the same steps")
            #expect(zip(run.metrics, alone.metrics).allSatisfy { abs($0 - $1) < 1e-3 })
        }
    }

    /// A run that ends early continues with another number of processes. The first process alone writes.
    @Test func aRunIsResumedWithAnotherNumberOfProcesses() async throws {
        let alone = try Self.run("query", steps: 30)
        try await TemporaryFolder.with { folder in
            let url = folder.url.appendingPathComponent("run")
            let first = try together(3) { rank, exchange in
                try Self.run("query", steps: 30, ThreadCommunicator(rank, of: 3, exchange), folder: url, stopsAfter: 12)
            }
            #expect(first.allSatisfy { $0.reason == .cancelled && $0.losses.count == 12 })
            let second = try together(2) { rank, exchange in
                try Self.run("query", steps: 30, ThreadCommunicator(rank, of: 2, exchange), folder: url, resume: true)
            }
            for run in second {
                #expect(run.reason == .completed)
                #expect(Self.difference(first[0].losses + run.losses, alone.losses) < 1e-5)
            }
        }
    }

    /// Gradients are summed once an update, by the last of its backward passes, or by the update if the encoder had no pass in its last batch.
    @Test func gradientsAreSummedOnceAnUpdate() throws {
        let sums = try together(2) { rank, exchange in
            let communicator = ThreadCommunicator(rank, of: 2, exchange)
            let encoder = DistributedEncoder(TrainingRunTests.jargonEncoder(), communicator)
            // The second process has no row.
            let pass = { try encoder.forward(ToyInputs(rows: [[1, 2, 3]]), dropoutSeed: nil) }
            let gradient = Matrix(rows: 1, columns: encoder.dimension, repeating: 1)
            var sums: [Int] = []
            try encoder.backward(pass(), gradient: gradient)
            sums.append(communicator.sums)
            try encoder.backwardBeforeUpdate(pass(), gradient: gradient)
            sums.append(communicator.sums)
            _ = try encoder.update(learningRate: 0.1, maximumGradientNorm: nil)
            sums.append(communicator.sums)
            try encoder.backward(pass(), gradient: gradient)
            _ = try encoder.update(learningRate: 0.1, maximumGradientNorm: nil)
            sums.append(communicator.sums)
            return sums
        }
        #expect(sums == [[0, 1, 1, 2], [0, 1, 1, 2]])
        let steps = try together(2) { rank, exchange in
            let communicator = ThreadCommunicator(rank, of: 2, exchange)
            _ = try Self.run("block", steps: 7, communicator)
            return communicator.sums
        }
        #expect(steps == [7, 7], "of two batches each")
    }

    /// Weights that drift apart are found at the next step after an evaluation.
    @Test func differentWeightsEndTheRun() throws {
        let failure = #expect(throws: TrainingError.self) {
            try together(2) { rank, exchange in
                let encoder = TrainingRunTests.jargonEncoder(seed: rank == 0 ? 7 : 8)
                let communicator = ThreadCommunicator(rank, of: 2, exchange)
                _ = try Trainer(
                    queryEncoder: DistributedEncoder(encoder, communicator), data: TrainingFixture.jargon(),
                    mode: QueryTowerMode(), loss: ListNet(), options: Self.options(4), communicator: communicator
                ).run()
            }
        }
        #expect("\(try #require(failure))".contains("the weights of processes 0 and 1 differ"))
    }

    @Test func sharesCoverEveryRowOnce() throws {
        for lengths in [[], [5], [1, 1, 1], [9, 1, 1, 1, 1, 1, 1, 1, 1, 1], (0..<57).map { $0 * 31 % 17 }] {
            for count in [1, 2, 3, 8] {
                let shares = try together(count) { rank, exchange in
                    ThreadCommunicator(rank, of: count, exchange).shares(of: lengths)
                }[0]
                #expect(shares.count == count && shares.flatMap { Array($0) } == Array(lengths.indices))
                let longest = shares.map { lengths[$0].reduce(0, +) }.max() ?? 0
                #expect(longest <= lengths.reduce(0, +) / count + (lengths.max() ?? 0) + 1)
            }
        }
    }
}
