import ArgumentParser
import Foundation
import MafinCommandLine
import MafinPipeline
import MafinReport
import MafinWorkflows

/// `mafin search`: ranks a collection's documents for one query, with both parts of each score.
struct SearchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "search",
        abstract: "Rank a collection's documents for a query, and show what both encoders contribute to each score.",
        usage: "mafin search <artefact> --data <path> <query> [<options>]",
        discussion: "More flags: mafin search --help-hidden")

    @Option(help: .collection)
    var data: String

    @Option(help: ArgumentHelp("Number of results.", valueName: "n"))
    var top = 10

    @Option(
        help: ArgumentHelp(
            "Share of the local encoder: 0 ranks by the black box alone, 1 by the local encoder alone. (default: the artefact's)",
            valueName: "0…1"))
    var lambda: Float?

    @OptionGroup var options: ArtefactOptions

    @Argument(help: "The query.")
    var query: String

    @OptionGroup var computing: ComputingOptions
    @OptionGroup var format: OutputOptions
    @OptionGroup var shared: SharedOptions

    func validate() throws {
        try require(["--top": top], atLeast: 1)
        if let lambda, !(0...1).contains(lambda) {
            throw ValidationError("--lambda must be between 0 and 1, found \(lambda).")
        }
        try options.blackBox.refuseBatches(of: "search")
        if query.allSatisfy(\.isWhitespace) { throw ValidationError("the query is empty.") }
    }

    func run() async throws {
        try computing.begin()
        var search = SearchWorkflow(
            artefact: options.artefact, data: data, query: query, context: shared.context,
            openBlackBox: options.blackBox.opening(shared))
        search.count = top
        search.lambda = lambda
        let found = try await search.run()
        try format.print(found, or: table(found.results) + "\n")
    }

    private func table(_ hits: [ArtefactSearch.Hit]) -> String {
        var table = Table(columns: [
            .init("", .right), .init("score", .right), .init("black box", .right), .init("local", .right),
            .init("black box rank", .right), .init("id"), .init("document"),
        ])
        func number(_ value: Float?) -> String { value.map { String(format: "%.4f", $0) } ?? "–" }
        for hit in hits {
            let text = (hit.title.isEmpty ? hit.text : "\(hit.title): \(hit.text)")
                .split(whereSeparator: \.isWhitespace).joined(separator: " ")
            table.append([
                "\(hit.rank)", number(hit.score), number(hit.blackBoxPart), number(hit.localPart),
                hit.blackBoxRank.map { "\($0)" } ?? "–", hit.id, text.truncated(toWidth: 60),
            ])
        }
        return table.text()
    }
}
