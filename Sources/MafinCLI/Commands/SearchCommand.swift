import ArgumentParser
import Foundation
import MafinCommandLine
import MafinImages
import MafinMethod
import MafinPipeline
import MafinReport
import MafinWorkflows

/// `mafin search`: ranks a collection's documents for one query, with each source's part of each score.
struct SearchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "search",
        abstract: "Rank a collection's documents for a query, and show what each source contributes to each score.",
        usage:
            "mafin search <artefact> --data <path> <query> [<options>]\nmafin search <artefact> --data <path> --image <file> [<options>]",
        discussion: """
            'mafin inspect' lists the sources of an artefact and their weights. The black box is asked only if a source with a weight above 0 needs it.

            More flags: mafin search --help-hidden
            """)

    @Option(help: .collection)
    var data: String

    @Option(help: ArgumentHelp("Number of results.", valueName: "n"))
    var top = 10

    @Option(
        help: ArgumentHelp(
            "Weight of one source for this search. Can be repeated. The other weights stay the artefact's. bm25=0 leaves BM25 out.",
            valueName: "source=number"), transform: SourceWeightOption.init(parsing:))
    var weight: [SourceWeightOption] = []

    @Option(
        help: ArgumentHelp(
            "Share of the local encoder in the weights of black-box and local: 0 gives the black box all of it, 1 the local encoder. Other weights stay. (default: the artefact's)",
            valueName: "0…1"))
    var lambda: Float?

    @Flag(
        help:
            "Ask nothing: the artefact's stand-in ranks in place of the black box, whose vectors of documents come from the cache or from the file of stored vectors."
    )
    var offline = false

    @Option(help: ArgumentHelp("A picture as the query, PNG or JPEG.", valueName: "file"))
    var image: String?

    @OptionGroup var options: ArtefactOptions

    @Argument(help: "The query. Not needed with --image.")
    var query: String?

    @OptionGroup var precision: PrecisionOptions
    @OptionGroup var computing: ComputingOptions
    @OptionGroup var format: OutputOptions
    @OptionGroup var shared: SharedOptions

    func validate() throws {
        try require(["--top": top], atLeast: 1)
        if let lambda, !(0...1).contains(lambda) {
            throw ValidationError("--lambda must be between 0 and 1, found \(lambda).")
        }
        if offline, lambda != nil {
            throw ValidationError(
                "--lambda weighs the black box, which --offline does not ask: use --weight local=NUMBER.")
        }
        for (place, weight) in weight.enumerated() {
            if self.weight[..<place].contains(where: { $0.source == weight.source }) {
                throw ValidationError("--weight \(weight.source) is given twice.")
            }
            if lambda != nil, [.blackBox, .local].contains(weight.source) {
                throw ValidationError("--lambda and --weight \(weight.source) decide the same: use one of them.")
            }
        }
        try options.blackBox.refuseBatches(of: "search")
        guard let query else {
            if image == nil { throw ValidationError("a query is missing: a text, or --image with a picture.") }
            return
        }
        if query.allSatisfy(\.isWhitespace) { throw ValidationError("the query is empty.") }
    }

    func run() async throws {
        try computing.begin()
        var search = SearchWorkflow(
            artefact: options.artefact, data: data, query: query ?? "", context: shared.context,
            openBlackBox: options.blackBox.opening(shared))
        search.image = try image.map { try ItemImage(file: URL(fileURLWithPath: $0), path: $0) }
        search.count = top
        search.isOffline = offline
        search.precision = precision.precision
        search.weights.lambda = lambda
        search.weights.weights = Dictionary(uniqueKeysWithValues: weight.map { ($0.source, $0.weight) })
        let found = try await search.run()
        try format.print(found, or: Self.table(found) + "\n")
    }

    static func table(_ found: SearchWorkflow.Result) -> String {
        let sources = found.weights.sources.filter { found.weights[$0] > 0 }
        var table = Table(
            columns: [.init("", .right), .init("score", .right)] + sources.map { .init($0.rawValue, .right) }
                + [.init("black box rank", .right), .init("id"), .init("document")])
        for hit in found.results {
            let text = [
                hit.image ?? "",
                hit.title.isEmpty || hit.text.isEmpty ? hit.title + hit.text : "\(hit.title): \(hit.text)",
            ]
            .joined(separator: " ")
            .split(whereSeparator: \.isWhitespace).joined(separator: " ")
            table.append(
                ["\(hit.rank)", String(format: "%.4f", hit.score)]
                    + sources.map { String(format: "%.4f", hit.parts[$0]) }
                    + [hit.blackBoxRank.map { "\($0)" } ?? "–", hit.id, text.truncated(toWidth: 60)])
        }
        return table.text()
    }
}

/// A value of `--weight`: `SOURCE=NUMBER`.
struct SourceWeightOption: Equatable {
    var source: SourceName
    var weight: Float

    @Sendable init(parsing text: String) throws {
        guard let sign = text.lastIndex(of: "="), sign > text.startIndex,
            let weight = Float(text[text.index(after: sign)...]), weight >= 0, weight.isFinite
        else {
            throw ValidationError(
                "expected SOURCE=NUMBER with a number of at least 0, such as bm25=0.5, found '\(text)'.")
        }
        (source, self.weight) = (SourceName(rawValue: String(text[..<sign])), weight)
    }
}
