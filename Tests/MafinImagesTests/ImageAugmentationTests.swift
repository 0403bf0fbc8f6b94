import Foundation
import Testing

@testable import MafinImages

@Suite struct ImageAugmentationTests {
    @Test func coloursAreThoseOfPillow() throws {
        let goldens = try Goldens()
        let source = goldens.image(goldens.index.source)
        for expected in goldens.index.enhanced {
            let factors = expected.factors
            let found = source.adjusted(brightness: factors[0], contrast: factors[1], saturation: factors[2])
            // Pillow rounds some blends in another order.
            let difference = largestDifference(found.pixels, goldens.bytes(expected.pixels))
            #expect(difference <= 1, "\(factors): \(difference)")
        }
    }

    @Test func seedsDecide() throws {
        let goldens = try Goldens()
        let source = goldens.image(goldens.index.source)
        let augmentation = ImageAugmentation()
        #expect(augmentation.augmented(source, seed: 1) == augmentation.augmented(source, seed: 1))
        let results = (0..<20).map { augmentation.augmented(source, seed: $0) }
        #expect(Set(results.map(\.pixels)).count == 20)
        for result in results {
            #expect(result.width * result.height >= Int(0.75 * Double(source.width * source.height)))
            #expect(result.width <= source.width && result.height <= source.height)
        }
        #expect(ImageAugmentation.off.augmented(source, seed: 3) == source)
    }

    @Test func aFlipAloneMirrors() throws {
        let goldens = try Goldens()
        let source = goldens.image(goldens.index.source)
        let flip = ImageAugmentation(crop: 1, flip: true, colour: 0)
        let results = (0..<40).map { flip.augmented(source, seed: $0) }
        let mirrored = results.filter { $0 != source }
        #expect(mirrored.count > 8 && mirrored.count < 32)
        for result in mirrored {
            for y in 0..<source.height {
                for x in 0..<source.width {
                    let (a, b) = (3 * (y * source.width + x), 3 * (y * source.width + source.width - 1 - x))
                    #expect(result.pixels[a..<a + 3] == source.pixels[b..<b + 3])
                }
            }
            break
        }
    }
}

@Suite struct PerceptualHashTests {
    @Test func bitsAreThoseOfImageHash() throws {
        let goldens = try Goldens()
        for (name, expected) in goldens.index.hashes {
            let hash = PerceptualHash(try ImageReader.decode(Goldens.file(name), name: name))
            // A decoder of another version may move one coefficient across the median, which moves a second bit.
            let wanted = try #require(UInt64(expected, radix: 2))
            #expect(hash.distance(to: PerceptualHash(bits: wanted)) <= (name.hasSuffix(".png") ? 0 : 2), "\(name)")
        }
    }

    @Test func copiesAreNearAndOthersFar() throws {
        func hash(_ name: String) throws -> PerceptualHash {
            PerceptualHash(try ImageReader.decode(Goldens.file(name), name: name))
        }
        let original = try hash("wide.jpg")
        for name in ["wide-half.png", "wide-brighter.png"] {
            #expect(original.distance(to: try hash(name)) <= PerceptualHash.nearDuplicateDistance, "\(name)")
        }
        for name in ["tall.png", "small.png"] { #expect(original.distance(to: try hash(name)) > 15, "\(name)") }
    }
}
