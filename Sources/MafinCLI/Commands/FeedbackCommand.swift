import ArgumentParser
import Foundation
import MafinCommandLine
import MafinPipeline
import MafinServer

/// `mafin feedback`: the marks of relevance that people made on the page of a service.
struct FeedbackCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "feedback",
        abstract: "Use the marks that people made on the page of 'mafin serve'.",
        subcommands: [FeedbackExportCommand.self])
}

/// `mafin feedback export`
struct FeedbackExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Make a collection of the marks, for training.",
        discussion: """
            If several keys marked the same document for a query, the majority decides, and in a tie the latest mark. Marks of documents that \
            the index does not hold are left out and counted. The service can keep running meanwhile.
            """)

    @Argument(help: "Folder that 'mafin serve --feedback' writes to.", completion: .directory)
    var marks: String

    @Option(
        help: ArgumentHelp("Index whose documents become the collection's.", valueName: "folder"),
        completion: .directory)
    var index: String

    @Option(
        help: ArgumentHelp("Folder for the collection; it must not exist or be empty.", valueName: "folder"),
        completion: .directory)
    var output: String

    @OptionGroup var format: OutputOptions
    @OptionGroup var shared: SharedOptions

    func run() async throws {
        let export = try FeedbackExport.write(
            marks: URL(fileURLWithPath: marks), documentsOf: SearchIndex(readingFrom: URL(fileURLWithPath: index)),
            to: URL(fileURLWithPath: output))
        if format.json { return try JSONOutput.print(export) }
        print("\(export.labels) labels of \(export.queries) queries written to \(output)")
        if export.marksOfOtherDocuments > 0 {
            shared.warn("\(export.marksOfOtherDocuments) marks were left out: the index does not hold their documents")
        }
        if export.damagedLines > 0 {
            shared.warn("\(export.damagedLines) lines of the marks are damaged and were left out")
        }
    }
}
