import Foundation
import MafinEncoder
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval
import Synchronization

/// An index, ready to be ranked by the sources of one artefact. A reload of the artefact uses its mapped files and vectors again if the index's
/// files are the same.
final class ServedIndex: Sendable {
    /// SHA-256 of `index.json`, which holds the hash of every other file.
    let hash: String
    let search: SearchIndex
    private let held: Mutex<SourceIndex>

    /// The documents for the sources. If the index has no bytes of its vectors, they are made in the background. They change no result.
    var documents: SourceIndex { held.withLock { $0 } }

    /// Opens an index for an artefact.
    /// - Parameters:
    ///   - sources: the artefact's sources.
    ///   - queries: the precision in which queries are embedded.
    ///   - open: the index that was served before.
    ///   - isOffline: whether searches ask no black box, so that the weights without it rank.
    ///   - isExact: whether a graph of near documents is left aside.
    ///   - note: receives a sentence for the operator.
    /// - Throws: ``IndexError``, also for an index of other vectors; file errors.
    init(
        _ folder: URL, for artefact: Artefact, sources: [any ScoreSource], queries: Precision = .float32,
        isOffline: Bool = false, isExact: Bool = false, sharing open: ServedIndex?, note: (String) -> Void = { _ in }
    ) throws {
        hash = ContentHash.hexadecimal(ContentHash.sha256(try SearchIndex.manifestData(in: folder)))
        let isSame = open?.hash == hash
        search = try (isSame ? open?.search : nil) ?? SearchIndex(readingFrom: folder, readsGraph: !isExact)
        try search.require(artefact, sources: sources, queries: queries)
        let documents = try search.prepared(for: sources, sharing: isSame ? open?.documents : nil)
        held = Mutex(documents)
        if !isSame {
            noteGraph(of: documents, for: artefact.manifest.rankingWeights(offline: isOffline), isExact: isExact, note)
        }
        guard search.lacksBytes, documents.vectors?.approximationByteCount == 0 else { return }
        if !isSame {
            note(
                "\(folder.path) was written without the bytes of its vectors, so they are made in memory; 'mafin index' writes them to a file"
            )
        }
        // In the background, so that the service is ready at once.
        DispatchQueue.global(qos: .utility).async { [weak self] in
            let approximated = documents.approximated()
            self?.held.withLock { $0 = approximated }
        }
    }

    private func noteGraph(
        of documents: SourceIndex, for weights: SourceWeights, isExact: Bool, _ note: (String) -> Void
    ) {
        guard let record = search.manifest.approximation else { return }
        let folder = search.folder.path
        if isExact {
            note("\(folder) has a graph for approximate searches, which --exact leaves aside")
        } else if documents.canApproximate(weights) {
            note(
                "searches of \(folder) are approximate: \(record.text). \"exact\": true in a request, or --exact, asks for exact ones"
            )
        } else {
            note(
                "searches of \(folder) are exact, although it has a graph: the graph does not find enough with the weights that rank, or was not measured with them; 'mafin index' builds another"
            )
        }
    }
}
