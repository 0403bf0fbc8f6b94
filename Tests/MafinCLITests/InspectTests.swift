import Foundation
import MafinBlackBox
import MafinEncoder
import MafinMethod
import MafinNumerics
import MafinTestSupport
import MafinWorkflows
import Testing

@testable import MafinCLI
@testable import MafinPipeline
@testable import MafinRetrieval

/// The text of `mafin inspect`.
@Suite struct InspectTests {
    /// An artefact of a black box, with or without a stand-in. The stand-in's encoder is never loaded here.
    private func text(hasStandIn: Bool, precision: PrecisionRecord? = nil) async throws -> String {
        try await TemporaryFolder.with { folder in
            let box = BlackBoxVectorSource(dimension: 2)
            let heads = StandInHeads(blackBox: Matrix(rows: 4, columns: 2, repeating: 1))
            let record = try JSONDecoder().decode(
                EncoderRecord.self,
                from: Data(
                    """
                    {"name": "org/small", "folder": "stand-in", "weightsFile": "model.safetensors", "weightsSHA256": "", \
                    "dimension": 3, "queryPrefix": "", "documentPrefix": "", "maximumLength": 32}
                    """.utf8))
            let standIn = Artefact.ShippedStandIn(
                sources: ShippedSources(
                    [StandInSource(heads)], mixture: Mixture(SourceWeights([(.standIn, 4)]), origin: .calibrated)),
                encoder: record,
                asking: [
                    Sureness.Point(threshold: 0.25, asked: 0.125, metric: 0.3126),
                    Sureness.Point(threshold: 1.000_001, asked: 1, metric: 0.5),
                ]
            ) { try Data("weights".utf8).write(to: $0.appendingPathComponent("model.safetensors")) }
            let artefact = try Artefact.ship(
                ShippedSources([box], mixture: Mixture(SourceWeights([(.blackBox, 1)]))),
                Artefact.Shipment(
                    system: "toy",
                    blackBox: BlackBoxIdentity(provider: "toy", model: "toy", dimension: 2, normalisation: .unit),
                    blackBoxSource: nil, blackBoxDimension: 2, data: [],
                    verdict: Verdict(lambda: nil, metric: "nDCG@10", difference: (0.1, 0.05, 0.15), queries: 2),
                    knownQueries: KnownQueries([])), standIn: hasStandIn ? standIn : nil, encoderFrom: nil,
                to: folder.url.appendingPathComponent("ART"))
            guard let precision else { return InspectCommand.text(try ArtefactDescription(artefact)) }
            return InspectCommand.text(try ArtefactDescription(artefact.write(precision)))
        }
    }

    /// The cells of a line of a table, which are at least two spaces apart.
    private func cells(_ text: String, beginning: [String]) throws -> [String] {
        let lines = text.split(separator: "\n").map { $0.split(separator: #/ {2,}/#).map(String.init) }
        return try #require(lines.first { $0.starts(with: beginning) }, "\(text)")
    }

    @Test func aStandInIsShownWithItsWeightsAndItsCurve() async throws {
        let text = try await text(hasStandIn: true)
        #expect(text.contains("org/small, in stand-in/, 3-d"))
        #expect(
            try cells(text, beginning: ["source"]) == [
                "source", "kind", "computed by", "weight", "share of weights", "weight, not asked", "dimension",
                "files",
            ])
        #expect(try cells(text, beginning: ["black-box", "black-box"]).suffix(4) == ["100.0 %", "0.0000", "2", "–"])
        #expect(try cells(text, beginning: ["stand-in", "stand-in"]).suffix(4).prefix(3) == ["0.0 %", "1.0000", "2"])
        let lines = text.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
        #expect(lines.contains(["0.250", "125", "0.313"]) && lines.contains(["1.000", "1000", "0.500"]))
    }

    @Test func aDecisionAboutThePrecisionIsShownWithItsFigures() async throws {
        var record = PrecisionRecord(float32: "int8 did not pass", asked: .int8)
        func figure(_ queries: Precision, _ mean: Double) -> PrecisionRecord.Figure {
            PrecisionRecord.Figure(
                ranking: .offline, documents: .int8, queries: queries, metric: .nDCG(cutoff: 10), queryCount: 57,
                float32: 0.4321, value: 0.4321 + mean,
                change: PairedBootstrap.Interval(mean: mean, low: mean - 0.004, high: mean + 0.004),
                passed: abs(mean) < 0.002)
        }
        record.trials = [
            PrecisionRecord.Trial(
                precision: .int8, passed: false, figures: [figure(.int8, -0.003), figure(.float32, 0.001)])
        ]
        let text = try await text(hasStandIn: true, precision: record)
        #expect(try cells(text, beginning: ["precision"]) == ["precision", "float32, asked for int8"])
        #expect(text.contains("The encoder embeds in float32: int8 did not pass."))
        #expect(
            try cells(text, beginning: ["offline", "int8", "int8"]) == [
                "offline", "int8", "int8", "57", "0.4321", "0.4291", "-0.00300", "-0.00700 to +0.00100", "no",
            ])
        #expect(try cells(text, beginning: ["offline", "int8", "float32"]).last == "yes")
    }

    @Test func withoutOneNothingIsSaidOfIt() async throws {
        let text = try await text(hasStandIn: false)
        #expect(!text.contains("not asked") && !text.contains("--ask-below") && !text.contains("stand-in"))
        #expect(!text.contains("precision"))
    }
}
