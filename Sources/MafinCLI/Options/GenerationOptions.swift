import ArgumentParser
import Foundation
import MafinBlackBox
import MafinCommandLine
import MafinGeneration
import MafinProviderWorkflows
import MafinWorkflows

/// Which queries are made, and which of them are kept.
struct GenerationOptions: ParsableArguments {
    @OptionGroup var languageModel: LanguageModelOptions
    @OptionGroup var language: LanguageOptions

    @Flag(
        help:
            "Take pieces of the passages as queries instead. Costs nothing; teaches the vocabulary, but not how people ask."
    )
    var withoutLlm = false

    @Option(
        help: ArgumentHelp(
            "Real queries to imitate: a .jsonl with 'text' (or 'query') and, if known, 'passage' (or 'document', 'positive'); or a text file with one query a line.",
            valueName: "file"), completion: .file())
    var examples: String?

    @Option(
        help: ArgumentHelp(
            "Number of passages to make queries from, chosen at random. A few thousand are enough to learn from. (default: all)",
            valueName: "n"))
    var passages: Int?

    @Flag(
        help:
            "Keep the collection's own dev and test labels. Generated queries then go to train, and to dev if there is none. Use this if you have any real queries: generated ones are easier."
    )
    var keepLabels = false

    @Option(
        help: .expert(
            "With --without-llm: which pieces, separated by commas: title, heading, sentence, crop.", "kinds"),
        transform: PieceList.init(parsing:))
    var pieces = PieceList(kinds: PseudoQueries.allKinds)

    @Option(help: .expert("Queries for each passage. With more, they repeat each other.", "n"))
    var perPassage = 3

    @Option(
        help: .expert(
            "How often each style is asked for, with weights: question, keywords, situation.", "style=weight,…"),
        transform: StyleMix.init(parsing:))
    var mix = StyleMix.standard

    @Option(help: .expert("Sampling temperature of the language model. Higher gives more varied queries.", "0…2"))
    var temperature = 0.7

    @Option(
        help: .expert(
            "With --black-box: keep a query only if its own passage is among the first n that the black box finds; 0 for no such test. A low number discards the queries that the black box gets wrong, which are the ones that training needs.",
            "n"))
    var roundTrip = 20

    @Option(
        help: .expert(
            "Which passages belong to one document, so that no two splits share it. passage: each by itself. title: those with the same title. id: those whose ids differ by a number at the end.",
            "passage|title|id"))
    var group: GeneratedCollection.Grouping = .passage

    @Option(help: .expert("Shares of the splits.", "train,dev,test"), transform: Self.shares)
    var split = GeneratedCollection.Shares()

    func validate() throws {
        try require(["--per-passage": perPassage, "--passages": passages], atLeast: 1)
        try require(["--round-trip": roundTrip], atLeast: 0)
        if !(0...2).contains(temperature) {
            throw ValidationError("--temperature must be between 0 and 2, found \(temperature).")
        }
        if withoutLlm == (languageModel.llm != nil) {
            throw ValidationError("Say who writes the queries: either --llm PROVIDER:MODEL or --without-llm.")
        }
    }

    /// The workflow that the flags ask for.
    func workflow(
        data: String, output: String, seed: UInt64, blackBox: BlackBoxOptions, shared: SharedOptions
    ) -> GenerationWorkflow {
        func model(_ specification: LanguageModelOptions.Specification?) -> GenerationWorkflow.Model? {
            specification.map { specification in
                (
                    specification.description,
                    { try languageModel.open(specification, blackBox: blackBox, shared: shared) }
                )
            }
        }
        var workflow = GenerationWorkflow(
            data: data, output: output, writer: model(languageModel.llm), judge: model(languageModel.judge),
            blackBox: blackBox.blackBox.map { ($0.description, blackBox.opening(shared)) }, context: shared.context)
        workflow.seed = seed
        workflow.language = language.choice
        workflow.pieces = pieces.kinds
        workflow.perPassage = perPassage
        workflow.passages = passages
        workflow.mix = mix
        workflow.examples = examples
        workflow.temperature = temperature
        workflow.roundTrip = roundTrip
        workflow.group = group
        workflow.split = split
        workflow.keepsLabels = keepLabels
        workflow.limits = languageModel.limits
        return workflow
    }

    @Sendable private static func shares(_ text: String) throws -> GeneratedCollection.Shares {
        guard let parts = amounts(text, count: 3), parts[0] > 0, parts[1] > 0 else {
            throw ValidationError("--split takes three shares, like 0.7,0.15,0.15; test may be 0.")
        }
        return GeneratedCollection.Shares(train: parts[0], dev: parts[1], test: parts[2])
    }
}

/// The value of `--pieces`: kinds of pieces of a passage.
struct PieceList: Equatable, CustomStringConvertible {
    var kinds: [GeneratedQuery.Origin]

    init(kinds: [GeneratedQuery.Origin]) { self.kinds = kinds }

    @Sendable init(parsing text: String) throws {
        kinds = try NameError.list(text, of: "kind of piece", known: PseudoQueries.allKinds.map(\.rawValue)) { name in
            GeneratedQuery.Origin(rawValue: name).flatMap { $0.isCopy ? $0 : nil }
        }
    }

    var description: String { kinds.map(\.rawValue).joined(separator: ",") }
}

extension GeneratedCollection.Grouping: ExpressibleByArgument {}
