import ArgumentParser
import Foundation
import Mafin
import MafinBlackBox
import MafinNumerics
import MafinRetrieval

/// `mafin embed`: joined vectors of texts, as files that NumPy and vector databases read.
struct EmbedCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "embed",
        abstract: "Write the joined vectors of texts to a .npy file, and their ids beside it.",
        discussion: """
            Each row is the black box's half followed by the local half. Documents go into the index, queries search it by
            inner product (or cosine). The file OUTPUT.ids holds one id a line in the order of the rows.
            """)

    @OptionGroup var shared: SharedOptions
    @OptionGroup var options: ArtefactOptions

    @Option(help: "Texts: a .jsonl file with '_id' and 'text' (documents also 'title'), also .gz.")
    var input: String

    @Option(
        help: ArgumentHelp("What the texts are; both halves treat the two differently.", valueName: "query|document"))
    var `as`: TextRole

    @Option(name: .shortAndLong, help: "The .npy file to write; ids go to the same name with .ids.")
    var output: String

    @Flag(help: "Store 16-bit floats: half the size, three digits.")
    var float16 = false

    func validate() throws {
        if !output.hasSuffix(".npy") { throw ValidationError("--output must end in .npy, found \(output).") }
    }

    func run() async throws {
        try shared.apply()
        // An output that cannot be written is found before anything is asked or computed.
        try FileManager.default.createDirectory(
            at: URL(fileURLWithPath: output).deletingLastPathComponent(), withIntermediateDirectories: true)
        Interruption.install()
        let model = try options.load(shared)
        let items = try texts()
        let side: RetrievalSide = self.as == .query ? .query : .document
        let blackBox = try await options.makeBlackBox(model, shared)
        let blackBoxVectors = try await blackBox.embed(items, as: self.as)
        try model.artefact.require(blackBox: blackBox.identity, dimension: blackBoxVectors.columns)
        let bar = shared.progressBar("Encoding", total: items.count, unit: "texts")
        defer { bar.finish() }
        let local = try model.localVectors(
            of: items.map(\.text), as: side, isCancelled: { Interruption.isRequested }
        ) { bar.update(completed: $0) }
        let joined = try model.join(blackBox: blackBoxVectors, local: local, as: side, ids: items.map(\.id))
        let file = URL(fileURLWithPath: output)
        let ids = file.deletingPathExtension().appendingPathExtension("ids")
        try AtomicFile.write(Data(items.map { $0.id + "\n" }.joined().utf8), to: ids)
        try NumPyFile.write(joined, to: file, as: float16 ? .float16 : .float32)
        bar.finish()
        if shared.json {
            try JSONOutput.print(
                Summary(rows: joined.rows, dimension: joined.columns, output: file.path, ids: ids.path))
        } else {
            print("\(joined.rows) × \(joined.columns) to \(output), ids to \(ids.relativePath)")
        }
    }

    private struct Summary: Encodable {
        var rows: Int
        var dimension: Int
        var output: String
        var ids: String
    }

    private func texts() throws -> [EmbeddingItem] {
        let url = URL(fileURLWithPath: input)
        var items: [EmbeddingItem] = []
        switch self.as {
        case .query:
            var reader = try QueryReader(contentsOf: url)
            while let query = try reader.next() { items.append(EmbeddingItem(id: query.id, text: query.text)) }
        case .document:
            var reader = try DocumentReader(contentsOf: url)
            while let document = try reader.next() {
                items.append(EmbeddingItem(id: document.id, text: document.textForEncoding))
            }
        }
        return items
    }
}

extension TextRole: ExpressibleByArgument {}
