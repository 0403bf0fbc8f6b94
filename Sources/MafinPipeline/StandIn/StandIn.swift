import MafinEncoder
import MafinImages
import MafinMethod
import MafinNumerics

/// A local encoder of queries that answers in place of the black box: it estimates the black box's vector of a query, so
/// that nothing is asked, nothing leaves the machine, and the document vectors stay the black box's.
public final class StandIn {
    /// Its encoder. Only its query prefix is used.
    public let encoder: TextEncoder
    /// The maps into the spaces of document vectors.
    public let heads: StandInHeads

    /// An encoder and its heads.
    /// - Precondition: they fit.
    public init(_ encoder: TextEncoder, heads: StandInHeads) {
        precondition(encoder.encoder.dimension == heads.inputs, "heads of another encoder")
        (self.encoder, self.heads) = (encoder, heads)
    }

    /// Estimates of the vectors of queries, of unit length: the black box's, and the local encoder's if there is a head
    /// for them.
    /// - Throws: `CancellationError` when cancelled; `CombinationError` for a vector of zeros.
    public func vectors(
        of items: [Item], ids: [String] = [], isCancelled: () -> Bool = { false }
    ) throws -> (blackBox: Matrix, local: Matrix?) {
        try heads(
            encoder.embedUnnormalized(items, prefix: encoder.prefixes.query, isCancelled: isCancelled), ids: ids)
    }
}
