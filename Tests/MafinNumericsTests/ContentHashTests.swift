import CMafinKernels
import Foundation
import MafinTestSupport
import Testing

@testable import MafinNumerics

@Suite struct ContentHashTests {
    private func hash(_ text: String, _ algorithm: ContentHash.Algorithm) -> String {
        var hash = ContentHash(algorithm)
        hash.update(text)
        return ContentHash.hexadecimal(hash.finalize())
    }

    /// The examples of FIPS 180-4, as NIST publishes them.
    @Test func knownAnswers() {
        let sha256 = [
            ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
            ),
            (
                String(repeating: "a", count: 1_000_000),
                "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
            ),
        ]
        for (text, digest) in sha256 {
            #expect(hash(text, .sha256) == digest)
            #expect(ContentHash.sha256(of: text) == digest)
        }
        let sha1 = [
            ("", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
            ("abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            ("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", "84983e441c3bd26ebaae4aa1f95129e5e54670f1"),
            (String(repeating: "a", count: 1_000_000), "34aa973cd4c4daa4f61eeb2bdbad27316534016f"),
        ]
        for (text, digest) in sha1 { #expect(hash(text, .sha1) == digest) }
    }

    /// Every length around the ends of blocks; the expected values are those of Python's hashlib.
    @Test func everyLength() {
        let bytes = (0..<1000).map { UInt8(truncatingIfNeeded: $0 * 7 + 3) }
        for (algorithm, expected) in [
            (ContentHash.Algorithm.sha256, "7b074096cabb18dd0d1b468a173cb2f97f80e952525bca29542e606fd6d0753a"),
            (.sha1, "0da79a84a04dd3d58943db9075ffb578b9c9e0758c837bb7edf2fe6946907dc8"),
        ] {
            var all = ContentHash()
            for count in 0..<300 {
                var hash = ContentHash(algorithm)
                hash.update(Array(bytes[..<count]))
                all.update(hash.finalize())
            }
            #expect(ContentHash.hexadecimal(all.finalize()) == expected)
        }
    }

    @Test func hashesDoNotDependOnThePieces() {
        let bytes = (0..<1000).map { UInt8(truncatingIfNeeded: $0 * 7 + 3) }
        let whole = ContentHash.sha256(bytes)
        var random = RandomGenerator(seed: 8)
        for _ in 0..<50 {
            var hash = ContentHash()
            var rest = bytes[...]
            while !rest.isEmpty {
                let piece = rest.prefix(random.index(below: 150))
                hash.update(Array(piece))
                rest = rest.dropFirst(piece.count)
            }
            #expect(hash.finalize() == whole)
        }
    }

    @Test func filesAreHashedInPieces() throws {
        let folder = try TemporaryFolder()
        defer { try? FileManager.default.removeItem(at: folder.url) }
        let file = folder.url.appendingPathComponent("file")
        let bytes = Data((0..<(1 << 20) + 77).map { UInt8(truncatingIfNeeded: $0 &* 31) })
        try bytes.write(to: file)
        #expect(try ContentHash.sha256(of: file) == ContentHash.hexadecimal(ContentHash.sha256(bytes)))
    }

    /// Compares the processor's SHA instructions, if it has them, with portable C.
    @Test func bothPathsAgree() {
        var random = RandomGenerator(seed: 9)
        let bytes = (0..<64 * 9).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        for blocks in 0...9 {
            var (one, other) = ([UInt32](1...8), [UInt32](1...8))
            mafin_sha256(&one, bytes, blocks)
            mafin_sha256_portable(&other, bytes, blocks)
            #expect(one == other)
        }
    }
}
