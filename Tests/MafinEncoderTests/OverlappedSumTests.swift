import Dispatch
import Foundation
import MafinNumerics
import MafinTestSupport
import MafinText
import Synchronization
import Testing

@testable import MafinEncoder

/// Sums over processes that begin while a backward pass is at work.
@Suite struct OverlappedSumTests {
    private static let texts = ["mean", "cls"] + FamilyParityTests.families
    private static let trainings = [
        TrainedPart(), TrainedPart(frozenLayers: 1), TrainedPart(freezesEmbeddings: true),
        TrainedPart(lowRank: LowRankOptions(rank: 2)),
        TrainedPart(lowRank: LowRankOptions(rank: 2, trainsNorms: false)),
    ]

    private static func encoder(_ family: String, _ trained: TrainedPart = TrainedPart()) throws -> TransformerEncoder {
        try TransformerEncoder(modelFolder: Golden.url("small-\(family)"), trained: trained)
    }

    /// Every trained parameter of the dense part is in one segment, and segments follow each other from the last layer down.
    @Test(arguments: texts + VisionParityTests.families, trainings)
    func segmentsCoverAllOnce(_ family: String, _ trained: TrainedPart) throws {
        let network = try Self.encoder(family, trained).network
        for smallest in [1, 3000, GradientSegment.smallest] {
            let segments = network.gradientSegments(smallest: smallest)
            var times = [Int](repeating: 0, count: network.layout.count)
            for index in segments.flatMap({ $0.ranges.joined() }) { times[index] += 1 }
            for tensor in network.layout.tensors {
                let expected = tensor.kind != .words && trained.includes(tensor) ? 1 : 0
                #expect(times[tensor.range].allSatisfy { $0 == expected }, "\(tensor.name)")
            }
            #expect(zip(segments, segments.dropFirst()).allSatisfy { $0.section > $1.section })
            #expect(segments.dropLast().allSatisfy { $0.count >= smallest })
            if smallest == 1 { #expect(segments.count >= network.layers.count - trained.frozenLayers) }
            // Without gaps nothing is copied.
            if trained.lowRank == nil { #expect(segments.allSatisfy { $0.ranges.count == 1 }) }
        }
    }

    /// What a backward pass calls finished keeps its bits to the end, on any number of threads and chunks.
    private func expectFinishedStays(
        _ encoder: TransformerEncoder, _ batch: ItemBatch, _ loss: GoldenLoss, threads: Int
    ) throws {
        let segments = encoder.network.gradientSegments(smallest: 1)
        let base = UnsafeTransfer(encoder.gradients.base)
        let seen = Mutex<[(section: Int, values: [[Float]])]>([])
        try Parallelism.withThreads(threads) {
            let pass = try encoder.forward(batch, dropoutSeed: 3)
            encoder.backward(pass, gradient: loss.evaluate(pass.embeddings).gradient) { section in
                let values = segments.filter { $0.section >= section }.map { segment in
                    segment.ranges.joined().map { base.value[$0] }
                }
                seen.withLock { $0.append((section, values)) }
            }
        }
        let final = segments.map { segment in segment.ranges.joined().map { base.value[$0] } }
        let reports = seen.withLock { $0 }
        let sections = (encoder.frozenLayers...encoder.configuration.layerCount).reversed()
        #expect(reports.map(\.section) == Array(sections))
        for report in reports {
            for (early, late) in zip(report.values, final) {
                #expect(differingElements(early, late) == 0, "after section \(report.section)")
                #expect(late.contains { $0 != 0 })
            }
        }
        encoder.gradients.clear()
    }

    @Test(arguments: texts, trainings) func finishedGradientsStay(_ family: String, _ trained: TrainedPart) throws {
        let golden = try Golden("small-\(family)")
        let encoder = try Self.encoder(family, trained)
        let (batch, loss) = (ItemBatch.tokens(try golden.batch("first")), try golden.loss(.listwise))
        for budget in [TransformerEncoder.standardActivationBudget, 0] {
            encoder.activationBudget = budget
            for threads in [1, 3] { try expectFinishedStays(encoder, batch, loss, threads: threads) }
        }
    }

    @Test(arguments: VisionParityTests.families) func finishedGradientsOfImagesStay(_ family: String) throws {
        let (encoder, batch, golden) = try VisionParityTests().load(family, "first")
        for threads in [1, 3] { try expectFinishedStays(encoder, batch, golden.loss(.listwise), threads: threads) }
    }

    /// The bits of sums after the backward pass. The third process has no text; the second accumulates two batches.
    @Test(arguments: [TrainedPart(), TrainedPart(frozenLayers: 1), TrainedPart(lowRank: LowRankOptions(rank: 2))])
    func sumsAreThoseAfterThePass(_ trained: TrainedPart) throws {
        let run: @Sendable (Bool) throws -> [[Float]] = { overlaps in
            try together(3) { rank, exchange in
                let encoder = try Self.encoder("mean", trained)
                encoder.gradients.segments = encoder.network.gradientSegments(smallest: 1)
                let (sum, gather) = (
                    adding(rank, exchange), { try exchange(rank, Array($0 as UnsafeRawBufferPointer)) }
                )
                func pass(_ seed: UInt64) throws -> (TransformerEncoder.ForwardPass, Matrix) {
                    let batch = randomBatch(lengths: [3, 40, 17, 9, 28, 5], vocabulary: 100, seed: seed)
                    let pass = try encoder.forward(batch, dropoutSeed: seed)
                    return (pass, pass.embeddings)
                }
                if rank == 1 {
                    let (first, gradient) = try pass(9)
                    encoder.backward(first, gradient: gradient)
                }
                guard rank < 2 else {
                    try encoder.sumGradients(sum: sum, gather: gather)
                    return encoder.gradients.all()
                }
                let (last, gradient) = try pass(UInt64(rank))
                if overlaps {
                    try encoder.backward(last, gradient: gradient, sum: sum, gather: gather)
                } else {
                    encoder.backward(last, gradient: gradient)
                    try encoder.sumGradients(sum: sum, gather: gather)
                }
                return encoder.gradients.all()
            }
        }
        let (overlapped, after) = try (run(true), run(false))
        for sums in overlapped {
            #expect(differingElements(sums, after[0]) == 0)
            #expect(sums.contains { $0 != 0 })
        }
    }

    /// The sum of a layer begins before the backward pass goes on to the layer before it.
    @Test func sumsBeginDuringThePass() throws {
        let encoder = try Self.encoder("mean")
        encoder.gradients.segments = encoder.network.gradientSegments(smallest: 1)
        let pass = try encoder.forward(
            randomBatch(lengths: [3, 40, 17], vocabulary: 100, seed: 1), dropoutSeed: nil)
        let begun = DispatchSemaphore(value: 0)
        let sums = OverlappedSum(encoder.gradients) { _ in begun.signal() }
        let found = Mutex<[Bool]>([])
        let last = encoder.configuration.layerCount
        encoder.backward(pass, gradient: pass.embeddings) { section in
            sums.begin(downTo: section)
            // Nothing is summed of the section after the last layer, which has no parameters here.
            let isBegun = section == last || begun.wait(timeout: .now() + 20) == .success
            found.withLock { $0.append(isBegun) }
        }
        try sums.finish()
        #expect(found.withLock { $0 } == [true, true, true])
    }

    private struct Stopped: Error {}

    /// After an error no sum is begun, and none is left when it is thrown.
    @Test(arguments: [0, 1, 2]) func anErrorLeavesNothingBehind(_ failing: Int) throws {
        let encoder = try Self.encoder("mean")
        encoder.gradients.segments = encoder.network.gradientSegments(smallest: 1)
        #expect(encoder.gradients.segments.count == 3, "two layers and the embeddings")
        let pass = try encoder.forward(
            randomBatch(lengths: [3, 40, 17], vocabulary: 100, seed: 1), dropoutSeed: nil)
        let calls = Mutex((begun: 0, ended: 0, gathered: 0))
        #expect(throws: Stopped.self) {
            try encoder.backward(pass, gradient: pass.embeddings) { _ in
                let number = calls.withLock { calls in
                    calls.begun += 1
                    return calls.begun - 1
                }
                Thread.sleep(forTimeInterval: 0.05)
                calls.withLock { $0.ended += 1 }
                if number == failing { throw Stopped() }
            } gather: {
                calls.withLock { $0.gathered += 1 }
                return [Array($0)]
            }
        }
        let (begun, ended, gathered) = calls.withLock { $0 }
        #expect(begun == failing + 1 && ended == begun && gathered == 0)
    }
}
