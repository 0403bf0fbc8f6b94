import Foundation
import Mafin
import MafinGeneration
import MafinImages
import MafinReport
import MafinText

/// The Swift lines of the products' articles (`Sources/*/*.docc`), word for word. Scripts/docs.sh compares them.
func tutorials(data: URL, encoder: URL, folder: URL) async throws {
    // The artefact that `howDoI` trained.
    try await embedding(
        "who greases the crane?", output: folder.appendingPathComponent("ART-SWIFT"), encoder: encoder)
    try tokens(encoder: encoder)
    try vectors(encoder: encoder)
    try pixels(folder: folder)
    let report = try ranking(data: data)
    try page(of: report, folder: folder)
    try generated(for: RetrievalCollection(contentsOf: data).documents)
}

/// Mafin. (Its training is in SwiftClient.swift.)
private func embedding(_ text: String, output: URL, encoder: URL) async throws {
    let blackBox = try await FrozenEncoder(modelFolder: encoder)
    let model = try ArtefactModel(artefact: output, released: { _ in encoder })
    let vectors = try await model.embed([EmbeddingItem(id: "q1", text: text)], as: .query, asking: blackBox)
    print("Mafin: \(vectors.columns) numbers")
}

/// MafinText
private func tokens(encoder: URL) throws {
    let tokenizer = try readTokenizer(modelFolder: encoder)
    let batch = tokenizer.batchEncode(["how do statins work", "a second text"], maxLength: 128)
    let pieces = tokenizer.pieces(of: "how do statins work")
    print("MafinText: \(batch.count) texts, \(pieces.count) tokens")
}

/// MafinImages
private func pixels(folder: URL) throws {
    let drawn = PixelImage(width: 2, height: 2, pixels: [255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255])
    let file = folder.appendingPathComponent("picture.png")
    try drawn.png(name: file.path).write(to: file)
    let picture = try ImageReader.read(contentsOf: file, limits: ImageLimits(pixels: 1_000_000))
    let tensor = ImageProcessor.dinov2.tensor(of: picture)
    let distance = PerceptualHash(picture).distance(to: PerceptualHash(drawn))
    print("MafinImages: \(picture.width) by \(picture.height) pixels, \(tensor.count) numbers, distance \(distance)")
}

/// MafinEncoder
private func vectors(encoder: URL) throws {
    let checkpoint = try TextEncoder(modelFolder: encoder)
    let documents = try checkpoint.embed(
        ["Statins inhibit HMG-CoA reductase."], prefix: checkpoint.prefixes.document)
    let queries = try checkpoint.embed(["how do statins work"], prefix: checkpoint.prefixes.query)
    let score = zip(queries.row(0), documents.row(0)).map { $0 * $1 }.reduce(0, +)
    print("MafinEncoder: a cosine of \(score)")
}

/// MafinRetrieval
private func ranking(data: URL) throws -> EvaluationReport {
    let collection = try RetrievalCollection(contentsOf: data)
    let qrels = try collection.qrels(split: "test")
    let words = BM25(texts: collection.documents.map(\.textForEncoding))
    let judged = collection.queries.filter { qrels[$0.id] != nil }
    let run = Run(
        words.rankings(of: judged.map(\.text), count: 100), queryIds: judged.map(\.id),
        documentIds: collection.documentIds)
    let measured = evaluate(run, against: qrels)
    print(measured.means[.nDCG(cutoff: 10)] ?? 0)
    let shorter = BM25(texts: collection.documents.map(\.title))
    let other = Run(
        shorter.rankings(of: judged.map(\.text), count: 100), queryIds: judged.map(\.id),
        documentIds: collection.documentIds)
    let report = try EvaluationReport(
        split: "test", runs: [(name: "titles", run: other), (name: "texts", run: run)], qrels: qrels,
        baseline: "titles")
    return report
}

/// MafinReport
private func page(of report: EvaluationReport, folder: URL) throws {
    let facts = ComparisonFacts(title: "BM25 over titles and over texts", report)
    try facts.html().write(to: folder.appendingPathComponent("index.html"), atomically: true, encoding: .utf8)
    print(facts.markdown())
    print(EvaluationSummary(report).text())
    try facts.json().write(to: folder.appendingPathComponent("report.json"), atomically: true, encoding: .utf8)
    let file = folder.appendingPathComponent("report.json")
    let written = try ComparisonFacts(json: Data(contentsOf: file), path: file.path)
    print(written.answer ?? "no verdict")
}

/// MafinGeneration
private func generated(for documents: [Document]) throws {
    let pieces = PseudoQueries(perPassage: 2, seed: 1)
    let written = pieces.queries(of: documents, rows: Array(documents.indices))
    let generated = try GeneratedCollection(QueryFiltering(written), documents: documents, seed: 1)
    let collection = RetrievalCollection(
        documents: generated.documents, queries: generated.queries, qrels: generated.qrels)
    print("MafinGeneration: \(collection.queries.count) queries")
}
