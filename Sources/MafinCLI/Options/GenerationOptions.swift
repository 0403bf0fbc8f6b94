import ArgumentParser
import Foundation
import MafinGeneration

/// What queries are made, and which are kept.
struct GenerationOptions: ParsableArguments {
    @OptionGroup var languageModel: LanguageModelOptions

    @Flag(
        help:
            "Take pieces of the passages for queries instead: costs nothing, teaches the vocabulary and not how people ask."
    )
    var withoutLlm = false

    @Option(
        help: ArgumentHelp(
            "With --without-llm: which pieces, separated by commas: title, heading, sentence, crop.", valueName: "kinds"
        ))
    var pieces = PieceList(kinds: PseudoQueries.allKinds)

    @Option(help: ArgumentHelp("Queries of each passage. More repeat themselves.", valueName: "n"))
    var perPassage = 3

    @Option(
        help: ArgumentHelp(
            "Passages to make queries from, chosen at random. (default: all) Some thousands are enough to learn from.",
            valueName: "n"))
    var passages: Int?

    @Option(
        help: ArgumentHelp(
            "How often each style is asked for: question, keywords, situation, with weights.",
            valueName: "style=weight,…"),
        transform: StyleMix.init(parsing:))
    var mix = StyleMix.standard

    @Option(
        help: ArgumentHelp(
            "Real queries to imitate: a .jsonl with 'text' (or 'query') and, if known, 'passage' (or 'document', 'positive'); or a text file, one a line.",
            valueName: "file"), completion: .file())
    var examples: String?

    @Option(help: ArgumentHelp("How freely the model chooses its words.", valueName: "0…2"))
    var temperature = 0.7

    @Option(
        help: ArgumentHelp(
            "With --black-box: keep a query only if its own passage is among so many that the black box finds; 0: no such test. A low number throws away what the black box gets wrong, and that is what training is for.",
            valueName: "n"))
    var roundTrip = 20

    @Option(
        help: ArgumentHelp(
            "What belongs to one document, so that no two splits share it. passage: each by itself. title: those of equal title. id: those whose ids differ by a number at their end.",
            valueName: "passage|title|id"))
    var group: GeneratedCollection.Grouping = .passage

    @Option(
        help: ArgumentHelp("Shares of the splits.", valueName: "train,dev,test"), transform: Self.shares)
    var split = GeneratedCollection.Shares()

    @Flag(
        help:
            "Keep the collection's own dev and test labels: generated queries go to train, and to dev where there is none. Measure on real queries if you have any."
    )
    var keepLabels = false

    func validate() throws {
        if perPassage < 1 { throw ValidationError("--per-passage must be at least 1, found \(perPassage).") }
        if let passages, passages < 1 { throw ValidationError("--passages must be at least 1, found \(passages).") }
        if roundTrip < 0 { throw ValidationError("--round-trip must be at least 0, found \(roundTrip).") }
        if !(0...2).contains(temperature) {
            throw ValidationError("--temperature must be between 0 and 2, found \(temperature).")
        }
        if withoutLlm == (languageModel.llm != nil) {
            throw ValidationError("Say who writes the queries: --llm PROVIDER:MODEL, or --without-llm.")
        }
    }

    @Sendable private static func shares(_ text: String) throws -> GeneratedCollection.Shares {
        let parts = text.split(separator: ",", omittingEmptySubsequences: false).map {
            Double($0.trimmingCharacters(in: .whitespaces))
        }
        guard parts.count == 3, let train = parts[0], let dev = parts[1], let test = parts[2], train > 0, dev > 0,
            test >= 0,
            train.isFinite, dev.isFinite, test.isFinite
        else { throw ValidationError("--split takes three shares, like 0.7,0.15,0.15; test may be 0.") }
        return GeneratedCollection.Shares(train: train, dev: dev, test: test)
    }
}

/// `--pieces`: kinds of pieces of a passage.
struct PieceList: ExpressibleByArgument, Equatable {
    var kinds: [GeneratedQuery.Origin]

    init(kinds: [GeneratedQuery.Origin]) { self.kinds = kinds }

    init?(argument: String) {
        let found = argument.split(separator: ",").map {
            GeneratedQuery.Origin(rawValue: $0.trimmingCharacters(in: .whitespaces))
        }
        guard let known = found as? [GeneratedQuery.Origin], !known.isEmpty, known.allSatisfy(\.isCopy),
            Set(known).count == known.count
        else { return nil }
        kinds = known
    }

    var defaultValueDescription: String { kinds.map(\.rawValue).joined(separator: ",") }
}

extension GeneratedCollection.Grouping: ExpressibleByArgument {}
