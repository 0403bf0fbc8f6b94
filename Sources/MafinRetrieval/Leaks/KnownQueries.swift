import Foundation
import MafinImages
import MafinNumerics

/// The texts of the queries that a system learned from or was chosen on. It must not be measured on queries with these
/// texts.
///
/// A system that has learned a query's answer is rewarded for memory when the same text is asked again. Every command guards against this
/// leak. Texts count as the same if they differ only in case, punctuation and white space; identifiers are ignored. Images count as the
/// same if their files have the same bytes. A *document* that is relevant on both sides is not a leak, because new questions about known
/// documents are to be measured (``QueryPartition`` reports them separately).
///
/// Texts are kept as 64-bit fingerprints, so that an artefact does not contain the texts. A fingerprint can still
/// confirm a guessed text.
public struct KnownQueries: Sendable, Equatable {
    private let fingerprints: Set<UInt64>

    /// The texts of these queries.
    public init(_ queries: some Sequence<Query>) {
        fingerprints = Set(queries.map(Self.fingerprint))
    }

    /// The texts of both.
    package func union(_ other: KnownQueries) -> KnownQueries {
        KnownQueries(fingerprints: fingerprints.union(other.fingerprints))
    }

    private init(fingerprints: Set<UInt64>) { self.fingerprints = fingerprints }

    /// The members of `queries` whose text is known, in their order.
    public func among(_ queries: [Query]) -> [Query] {
        queries.filter { fingerprints.contains(Self.fingerprint($0)) }
    }

    /// Checks that none of the queries is known.
    /// - Parameter split: name of the split of the queries, for the error.
    /// - Throws: ``RetrievalError/knownQueries(split:known:measured:identifier:text:)``.
    public func requireNone(among queries: [Query], split: String) throws {
        let known = among(queries)
        guard let first = known.first else { return }
        throw RetrievalError.knownQueries(
            split: split, known: known.count, measured: queries.count, identifier: first.id,
            text: first.image?.path ?? first.text)
    }

    /// The first 64 bits of the SHA-256 of the normalised text with the hash of the image, or of the text itself if it has no word.
    private static func fingerprint(_ query: Query) -> UInt64 {
        let normalized = ItemContent.normalized(text: query.text, image: query.image)
        let digest = ContentHash.sha256(Array((normalized.isEmpty ? query.text : normalized).utf8))
        return digest.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
    }

    // MARK: As a file

    /// One fingerprint per line, as sixteen hexadecimal digits, ascending.
    package var lines: Data {
        Data(
            fingerprints.sorted().map { fingerprint in
                withUnsafeBytes(of: fingerprint.bigEndian) { ContentHash.hexadecimal($0) } + "\n"
            }.joined().utf8)
    }

    /// Reads what ``lines`` writes.
    /// - Throws: ``RetrievalError/malformedLine(path:line:expected:found:)``.
    package init(lines: Data, path: String) throws {
        var fingerprints = Set<UInt64>()
        for (number, line) in String(decoding: lines, as: UTF8.self).split(separator: "\n").enumerated() {
            guard line.utf8.count == 16, let fingerprint = UInt64(line, radix: 16) else {
                throw RetrievalError.malformedLine(
                    path: path, line: number + 1, expected: "sixteen hexadecimal digits", found: String(line))
            }
            fingerprints.insert(fingerprint)
        }
        self.fingerprints = fingerprints
    }
}
