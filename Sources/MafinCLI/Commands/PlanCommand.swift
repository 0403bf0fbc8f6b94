import ArgumentParser
import Foundation
import MafinBlackBox
import MafinCommandLine
import MafinPipeline
import MafinProviderWorkflows
import MafinProviders
import MafinReport

/// `mafin plan`: tells what a collection would cost. Nothing is sent.
struct PlanCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan",
        abstract: "Estimate what a collection's vectors cost in requests, minutes and money. Nothing is sent.",
        usage: "mafin plan --data <path> --black-box <provider:model> [<options>]",
        discussion: """
            Cached texts cost nothing. Tokens are counted exactly with --tokenizer and are otherwise an upper estimate. If the provider has \
            counted earlier texts, an estimate from its counts is shown too. Prices and rates are those of your account: --price, \
            --requests-per-minute and --tokens-per-minute, or a provider file of your own (mafin provider --help).

            More flags: mafin plan --help-hidden
            """)

    @Option(help: .collection)
    var data: String

    @OptionGroup(title: "Black box") var blackBox: BlackBoxOptions

    @Option(
        help: ArgumentHelp("Dimension of the local encoder's vectors, for the size of the joined ones.", valueName: "n")
    )
    var localDimension = 384

    @Flag(help: "List all texts that are, or may be, longer than the model accepts.")
    var list = false

    @OptionGroup var format: OutputOptions
    @OptionGroup var shared: SharedOptions

    func validate() throws {
        try require(["--local-dimension": localDimension], atLeast: 1)
        guard case .provider? = blackBox.blackBox else {
            throw ValidationError(
                "--black-box must name a provider's model, such as openai:MODEL: everything else costs nothing.")
        }
    }

    /// The plan and its sums, for programs.
    private struct Summary: Encodable {
        var plan: EmbeddingPlan
        var toAsk: Int
        var tokens: Int
        var requests: Int
        var minutes: Double?
        var cost: Double?
        var expectedCost: Double?
        var batchSaving: Double?
        var joinedDimension: Int?
        var indexesTooSmall: [IndexLimit]

        init(_ plan: EmbeddingPlan) {
            self.plan = plan
            (toAsk, tokens, requests) = (plan.toAsk, plan.tokens, plan.requests)
            (minutes, cost, expectedCost) = (plan.minutes, plan.cost, plan.expectedCost)
            (batchSaving, joinedDimension) = (plan.batchSaving, plan.joinedDimension)
            indexesTooSmall = plan.indexesTooSmall
        }
    }

    func run() async throws {
        let opened = try blackBox.openedProvider(shared)
        let plan = try await EmbeddingPlan(
            opened.server, cache: opened.cache, texts: try CollectionTexts.read(data).map { ($0.role, $0.items) },
            ruler: try TokenRuler(opened.profile, tokenizer: blackBox.asking.tokenizer),
            overflow: blackBox.asking.onOverflow ?? .error, isInBatches: blackBox.asking.batch,
            localDimension: localDimension)
        if format.json {
            try JSONOutput.print(Summary(plan))
            return
        }
        var table = Table(columns: [.init(plan.model), .init("")])
        for row in plan.rows { table.append([row.name, row.value]) }
        print(table.text(), terminator: "")
        if list {
            for id in plan.parts.flatMap(\.overLimit) { print("too long: \(id)") }
            for id in plan.parts.flatMap(\.mayBeOverLimit) { print("may be too long: \(id)") }
        }
    }
}
