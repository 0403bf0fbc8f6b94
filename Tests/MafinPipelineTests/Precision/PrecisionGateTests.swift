import Foundation
import MafinEncoder
import Testing

@testable import MafinPipeline
@testable import MafinRetrieval

/// The gate's decisions on made-up values of queries, whose means and intervals can be told without it.
@Suite struct PrecisionGateTests {
    private static let metric = PrecisionGate.metric

    /// Values of 100 queries that are .5 each but for the given changes.
    private static func values(_ changes: [Int: Double] = [:], all: Double = 0) -> [Double] {
        (0..<100).map { 0.5 + all + (changes[$0] ?? 0) }
    }

    /// Answers as a measurement would, and notes what it was asked for.
    private final class Measurement {
        var asked: [String] = []
        /// By documents and queries. What is not named is as in float32.
        var values: [String: [Double]] = [:]
        var offline: [String: [Double]]?

        func measure(_ documents: Precision, _ queries: Precision) -> [PrecisionGate.Measured] {
            let name = "\(documents.rawValue) \(queries.rawValue)"
            asked.append(name)
            func evaluation(_ values: [Double]?) -> RunEvaluation {
                let values = values ?? PrecisionGateTests.values()
                return RunEvaluation(queryIds: values.indices.map { "q\($0)" }, values: [metric: values])
            }
            return [(.all, evaluation(values[name]))] + (offline.map { [(.offline, evaluation($0[name]))] } ?? [])
        }
    }

    private func decide(
        _ asked: Precision, fastest: Precision = .float32, _ measurement: Measurement
    ) throws -> PrecisionRecord {
        try PrecisionGate().decide(asked: asked, fastest: fastest, measure: measurement.measure)
    }

    @Test func aSmallChangeThatChanceExplainsPasses() throws {
        let measurement = Measurement()
        measurement.values["int8 int8"] = Self.values([3: -0.1, 40: 0.05])
        let record = try decide(.int8, measurement)
        #expect(record.asked == .int8 && record.used == .int8 && record.trials.map(\.precision) == [.int8])
        let figure = try #require(record.trials.first?.figures.first)
        #expect(figure.ranking == .all && figure.documents == .int8 && figure.queries == .int8)
        #expect(figure.queryCount == 100 && figure.passed && figure.metric == Self.metric)
        #expect(abs(figure.float32 - 0.5) < 1e-12 && abs(figure.change.mean + 0.0005) < 1e-12)
        #expect(abs(figure.value - 0.4995) < 1e-12)
        #expect(figure.change.low < -0.002 && figure.change.high > 0)
        #expect(
            record.reason.hasPrefix("int8 passed: nDCG@10 of the whole ranking on 100 dev queries changes by -0.00050"))
        #expect(measurement.asked == ["float32 float32", "int8 int8", "int8 float32", "float32 int8"])
    }

    /// Three of a hundred queries lose .1. A resample without any of them has a probability of 5 %, so the interval holds 0, but the mean is too large.
    @Test func aLargeChangeFailsAlthoughItsIntervalHoldsZero() throws {
        let measurement = Measurement()
        measurement.values["int8 int8"] = Self.values([1: -0.1, 2: -0.1, 3: -0.1])
        let record = try decide(.int8, measurement)
        let figure = try #require(record.trials.first?.figures.first)
        #expect(abs(figure.change.mean + 0.003) < 1e-12 && figure.change.low < 0 && figure.change.high >= 0)
        #expect(!figure.passed && record.used == .float32)
        #expect(record.reason.hasPrefix("int8 did not pass: "))
        #expect(record.reason.hasSuffix("; this processor has no instructions for bf16; so float32 is used"))
    }

    /// Every query loses a little, or gains a little: that is no chance.
    @Test(arguments: [-0.0005, 0.0005]) func aSmallChangeThatIsNoChanceFails(change: Double) throws {
        let measurement = Measurement()
        measurement.values["bf16 bf16"] = Self.values(all: change)
        let record = try decide(.bfloat16, fastest: .bfloat16, measurement)
        #expect(record.used == .float32 && record.trials.count == 1 && record.trials.first?.passed == false)
        #expect(!record.reason.contains("no instructions"))
    }

    @Test func aGainOfThatSizeIsAChangeToo() throws {
        let measurement = Measurement()
        measurement.values["int8 int8"] = Self.values([1: 0.1, 2: 0.1, 3: 0.1])
        #expect(try decide(.int8, measurement).used == .float32)
    }

    @Test func equalRankingsPass() throws {
        for precision in [Precision.bfloat16, .int8] {
            let record = try decide(precision, Measurement())
            #expect(record.used == precision)
            let changes = record.trials.flatMap(\.figures).map(\.change)
            #expect(changes.allSatisfy { $0.mean == 0 && $0.low == 0 && $0.high == 0 })
        }
    }

    @Test func theBoundItselfFails() {
        let gate = PrecisionGate()
        #expect(
            gate.allows(.init(mean: 0.00199, low: -1, high: 1)) && gate.allows(.init(mean: -0.00199, low: -1, high: 0)))
        #expect(
            !gate.allows(.init(mean: 0.002, low: -1, high: 1)) && !gate.allows(.init(mean: -0.002, low: -1, high: 1)))
        #expect(
            !gate.allows(.init(mean: 0.001, low: 1e-9, high: 0.002))
                && !gate.allows(.init(mean: .nan, low: -1, high: 1)))
    }

    @Test func theNextBetterPrecisionIsUsed() throws {
        let measurement = Measurement()
        measurement.values["int8 int8"] = Self.values(all: -0.01)
        let record = try decide(.int8, fastest: .bfloat16, measurement)
        #expect(record.asked == .int8 && record.used == .bfloat16)
        #expect(record.trials.map(\.passed) == [false, true])
        #expect(record.reason.contains("int8 did not pass: ") && record.reason.contains("; bf16 passed: "))
        measurement.values["bf16 bf16"] = Self.values(all: -0.01)
        let none = try decide(.int8, fastest: .bfloat16, measurement)
        #expect(none.used == .float32 && none.trials.map(\.passed) == [false, false])
        // A precision that was found wanting is found again by its name.
        #expect(none.trial(of: .bfloat16)?.passed == false && none.trial(of: .float32) == nil)
    }

    /// The ranking without the black box must stay as it is, too.
    @Test func everyRankingMustPass() throws {
        let measurement = Measurement()
        measurement.offline = ["int8 int8": Self.values(all: -0.01)]
        let record = try decide(.int8, measurement)
        #expect(record.used == .float32 && record.reason.contains("without asking the black box"))
        #expect(record.trials.first?.figures.prefix(2).map(\.passed) == [true, false])
    }

    /// Documents in one precision and queries in another: only as far as it was measured.
    @Test func aMixIsAllowedWhereItPassed() throws {
        let measurement = Measurement()
        measurement.values["int8 float32"] = Self.values(all: -0.01)
        let record = try decide(.int8, measurement)
        #expect(record.used == .int8)
        #expect(!record.allows(documents: .int8, queries: .float32))
        #expect(record.allows(documents: .float32, queries: .int8) && record.allows(documents: .int8, queries: .int8))
        #expect(
            !record.allows(documents: .bfloat16, queries: .int8)
                && record.allows(documents: .bfloat16, queries: .bfloat16))
        let plain = PrecisionRecord(float32: "float32 was asked for")
        #expect(!plain.allows(documents: .float32, queries: .int8))
    }

    @Test func float32IsNotMeasured() throws {
        let measurement = Measurement()
        let record = try decide(.float32, measurement)
        #expect(measurement.asked.isEmpty && record.used == .float32 && record.trials.isEmpty)
    }

    @Test func withoutLabelsNothingButFloat32IsUsed() throws {
        let record = try PrecisionGate().decide(asked: .int8, fastest: .float32) { _, _ in
            [(.all, RunEvaluation(queryIds: [], values: [Self.metric: []]))]
        }
        #expect(record.asked == .int8 && record.used == .float32 && record.reason.contains("no query of dev"))
    }

    // MARK: The manifest

    private static func manifest(_ precision: PrecisionRecord? = nil) throws -> ArtefactManifest {
        var manifest = try JSONDecoder().decode(
            ArtefactManifest.self, from: Data(contentsOf: Goldens.url("manifest-format-1.json")))
        manifest.precision = precision
        return manifest
    }

    /// A manifest of before says nothing, which means float32. One that records a decision reads back as it was.
    @Test func aManifestHoldsTheDecision() throws {
        let old = try Self.manifest()
        #expect(old.precision == nil && old.precision(fastest: .bfloat16) == .float32)
        #expect(old.allows(documents: .int8, queries: .int8) && !old.allows(documents: .float32, queries: .int8))
        #expect(!String(decoding: try JSONEncoder().encode(old), as: UTF8.self).contains("\"precision\""))

        let measurement = Measurement()
        measurement.values["int8 int8"] = Self.values([3: -0.1, 40: 0.05])
        let record = try decide(.int8, measurement)
        let data = try JSONEncoder().encode(Self.manifest(record))
        let read = try JSONDecoder().decode(ArtefactManifest.self, from: data)
        #expect(read.precision == record && read.precision(fastest: .float32) == .int8)
        #expect(read.allows(documents: .float32, queries: .int8))
        // The names that other programs read.
        let json = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        let written = try #require(json["precision"] as? [String: Any])
        #expect(written["asked"] as? String == "int8" && written["used"] as? String == "int8")
        let trial = try #require((written["trials"] as? [[String: Any]])?.first)
        let figure = try #require((trial["figures"] as? [[String: Any]])?.first)
        #expect(figure["ranking"] as? String == "all" && figure["metric"] as? String == "nDCG@10")
    }

    /// bfloat16 is only used where it is fast.
    @Test func bfloat16IsUsedWhereTheProcessorHasIt() throws {
        let record = try decide(.bfloat16, fastest: .bfloat16, Measurement())
        let manifest = try Self.manifest(record)
        #expect(record.used == .bfloat16)
        #expect(
            manifest.precision(fastest: .bfloat16) == .bfloat16 && manifest.precision(fastest: .float32) == .float32)
    }

    @Test func anUnknownPrecisionIsNamed() {
        #expect(Precision(rawValue: "fp8") == nil && Precision(rawValue: "bf16") == .bfloat16)
        #expect(throws: DecodingError.self) {
            try JSONDecoder().decode(Precision.self, from: Data("\"fp8\"".utf8))
        }
    }
}
