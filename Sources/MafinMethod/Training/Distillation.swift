import MafinNumerics

/// A second task of a training beside labels: the encoder's vector of a query is pulled to a teacher's.
///
/// The loss of a batch is `weight · mean over its queries of 1 − e · t`, with e the first columns of the encoder's vector,
/// as many as the target t has. It is added to the loss of the labels. A whole vector or a part of it can be pulled, so a part
/// with unit length makes `e · t` a cosine. The idea is Hinton et al. 2015's; for vectors of a retrieval teacher see LEAF
/// (arXiv 2509.12539).
public struct Distillation: Sendable {
    /// For each row of ``TrainingData/queries`` the teacher's vector, `(queries, columns)`. A row of zeros pulls nothing.
    public let targets: Matrix
    /// At least 0.
    public let weight: Float

    /// - Parameter targets: one row per query; at most as many columns as the encoder has.
    public init(targets: Matrix, weight: Float) {
        precondition(weight >= 0 && weight.isFinite, "a distillation of weight \(weight)")
        (self.targets, self.weight) = (targets, weight)
    }

    /// Adds the gradient with respect to the encoder's vectors of some queries.
    /// - Parameters:
    ///   - queries: rows of ``targets``, one for each row of `embeddings`.
    ///   - factor: multiplies the gradient.
    /// - Returns: the loss.
    func add(
        to gradient: inout Matrix, queries: [Int], embeddings: Matrix, factor: Float
    ) -> Float {
        let scale = weight / Float(max(1, queries.count))
        var loss: Float = 0
        for (row, query) in queries.enumerated() {
            var product: Float = 0
            for (column, target) in targets.row(query).enumerated() {
                product += embeddings[row, column] * target
                gradient[row, column] -= factor * scale * target
            }
            loss += scale * (1 - product)
        }
        return loss
    }

    /// What determines its effect, for checkpoints.
    var identity: String {
        var hash = ContentHash()
        targets.values.withUnsafeBytes { hash.update($0) }
        return "distillation of weight \(weight) to \(ContentHash.hexadecimal(hash.finalize()))"
    }
}
