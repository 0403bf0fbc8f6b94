import ArgumentParser
import MafinCommandLine
import MafinRetrieval
import MafinWorkflows

/// `mafin collection`: makes collections.
struct CollectionCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "collection", abstract: "Make a collection for training and measuring.",
        subcommands: [CollectionImagesCommand.self])
}

/// `mafin collection images`: a collection of a folder of class folders.
struct CollectionImagesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "images",
        abstract: "Make a collection of a folder with one folder of images for each class.",
        usage: "mafin collection images <folder> --output <folder> [--held-out-classes <dev,test>] [<options>]",
        discussion: """
            Some images of each class become queries, all others documents. Documents of a query's class are relevant for it. Every image is \
            decoded once; files with the same bytes count once.

            By default all classes are in training, and the queries of each class are divided 60, 20, 20 % into train, dev and test. With \
            --held-out-classes 2,2 two classes are for dev and two for test, with all their queries.

            More flags: mafin collection images --help-hidden
            """)

    @Argument(help: "Folder of class folders: FOLDER/class/*.jpg or *.png.")
    var folder: String

    @Option(
        name: .shortAndLong,
        help: "Folder for the collection: corpus.jsonl, queries.jsonl, qrels/ and copies of the images.")
    var output: String

    @Option(
        help: ArgumentHelp(
            "Number of classes that are held out for dev and for test, such as 2,2.", valueName: "dev,test"))
    var heldOutClasses: String?

    @Option(help: ArgumentHelp("Queries of each class (default: a fifth of its images, at most 100).", valueName: "n"))
    var queriesPerClass: Int?

    @Option(help: ArgumentHelp("Documents of each class at most (default: all that are not queries).", valueName: "n"))
    var documentsPerClass: Int?

    @Option(help: "Random seed of the choice of queries and of held-out classes.")
    var seed: UInt64 = 1

    @Flag(help: "Leave out images that cannot be decoded, with a warning.")
    var skipBroken = false

    @OptionGroup var computing: ComputingOptions
    @OptionGroup var format: OutputOptions
    @OptionGroup var shared: SharedOptions

    func validate() throws {
        _ = try split()
        for (flag, number) in [("--queries-per-class", queriesPerClass), ("--documents-per-class", documentsPerClass)] {
            if let number, number < 1 { throw ValidationError("\(flag) must be at least 1.") }
        }
    }

    private func split() throws -> ImageFolder.Split {
        guard let heldOutClasses else { return .images(train: 0.6, dev: 0.2, test: 0.2) }
        let numbers = heldOutClasses.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) ?? 0 }
        guard numbers.count == 2, numbers.allSatisfy({ $0 >= 1 }) else {
            throw ValidationError("--held-out-classes takes two numbers, such as 2,2; found '\(heldOutClasses)'.")
        }
        return .classes(dev: numbers[0], test: numbers[1])
    }

    func run() async throws {
        try computing.begin()
        let plan = ImageFolder.Plan(
            queriesPerClass: queriesPerClass, documentsPerClass: documentsPerClass, split: try split(), seed: seed)
        var workflow = ImageCollectionWorkflow(folder: folder, output: output, plan: plan, context: shared.context)
        workflow.skipsBroken = skipBroken
        let result = try workflow.run()
        try format.print(result, or: "\(result.text)\nWritten to \(output).")
    }
}
