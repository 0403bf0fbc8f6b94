import MafinImages
import MafinNumerics

/// Finds all pairs of images that look the same: whose perceptual hashes differ in at most a few bits.
public struct SimilarImages: Sendable {
    /// The most bits of 64 in which the hashes of a pair differ.
    public var distance: Int

    /// Pairs up to a distance; the default is that of near duplicates.
    public init(distance: Int = PerceptualHash.nearDuplicateDistance) {
        precondition((0...64).contains(distance), "a distance of \(distance)")
        self.distance = distance
    }

    /// All similar pairs of an image of `first` and an image of `second`, by row of `second`, then of `first`. Items without an image are
    /// similar to none.
    /// - Throws: `ImageError` for the first image that cannot be decoded.
    /// - Complexity: every image is decoded once, and every pair is compared, on all threads.
    public func pairs(_ first: [ItemImage?], _ second: [ItemImage?]) throws -> [SimilarPair] {
        guard first.contains(where: { $0 != nil }), second.contains(where: { $0 != nil }) else { return [] }
        let (a, b) = (try Self.hashes(first), try Self.hashes(second))
        let distance = distance
        let rows = parallelMap(second.count) { row -> [SimilarPair] in
            guard let hash = b[row] else { return [] }
            var found: [SimilarPair] = []
            for candidate in first.indices {
                guard let other = a[candidate] else { continue }
                let isEqual = first[candidate]?.contentHash == second[row]?.contentHash
                let bits = isEqual ? 0 : hash.distance(to: other)
                guard bits <= distance else { continue }
                found.append(
                    SimilarPair(first: candidate, second: row, similarity: 1 - Double(bits) / 64, isEqual: isEqual))
            }
            return found
        }
        return rows.flatMap { $0 }
    }

    private static func hashes(_ images: [ItemImage?]) throws -> [PerceptualHash?] {
        let results = parallelMap(images.count) { row -> Result<PerceptualHash?, any Error> in
            Result { try images[row]?.perceptualHash() }
        }
        return try results.map { try $0.get() }
    }
}
