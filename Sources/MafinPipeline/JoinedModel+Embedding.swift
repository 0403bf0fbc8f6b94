import MafinBlackBox
import MafinMethod
import MafinNumerics

extension ArtefactModel {
    /// Joined vectors of texts, `(items.count, joinedDimension)`: the black box is asked, the local half computed, both joined.
    ///
    /// Memory is that of the vectors, so a long list of texts is given some at a time.
    /// - Parameters:
    ///   - blackBox: that of the artefact.
    ///   - isCancelled: asked between pieces of the local half.
    ///   - progress: called with the number of texts whose local half is done; 0 once the black box has answered.
    /// - Throws: ``ArtefactError`` for another black box, what the black box throws, ``CombinationError``; `CancellationError` when
    ///   cancelled.
    public func embed(
        _ items: [EmbeddingItem], as role: TextRole, asking blackBox: any BlackBox,
        isCancelled: () -> Bool = { false }, progress: (Int) -> Void = { _ in }
    ) async throws -> Matrix {
        try artefact.require(blackBox: blackBox.identity)
        let answers = try await blackBox.embed(items, as: role)
        try artefact.require(blackBoxDimension: answers.columns)
        progress(0)
        let side: RetrievalSide = role == .query ? .query : .document
        let local = try localVectors(
            of: items.map(\.text), as: side, isCancelled: isCancelled, progress: progress)
        return try join(blackBox: answers, local: local, as: side, ids: items.map(\.id))
    }
}
