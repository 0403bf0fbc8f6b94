import Foundation
import MafinImages
import MafinNumerics
import MafinTestSupport
import Testing

@Suite struct ImageReaderTests {
    @Test func pixelsAreThoseOfPillow() throws {
        let goldens = try Goldens()
        #expect(goldens.index.decoded.count > 30)
        for (name, piece) in goldens.index.decoded {
            let image = try ImageReader.decode(Goldens.file(name), name: name)
            #expect([image.height, image.width, 3] == piece.shape, "\(name)")
            // Decoders of PNG have no freedom. JPEG's transform is exact to one step between versions of libjpeg-turbo, and the conversion of
            // colours multiplies that.
            let tolerance = name.hasSuffix(".png") ? 0 : 2
            let difference = largestDifference(image.pixels, goldens.bytes(piece))
            #expect(difference <= tolerance, "\(name) differs by \(difference)")
        }
    }

    @Test func sizeComesFromTheHeader() throws {
        for (name, piece) in try Goldens().index.decoded {
            let size = try ImageReader.size(of: Goldens.file(name), name: name)
            #expect([size.height, size.width] == Array(piece.shape.prefix(2)), "\(name)")
        }
    }

    @Test func everyTruncationIsNamed() throws {
        for (name, _) in try Goldens().index.decoded {
            let bytes = [UInt8](try Goldens.file(name))
            // All pixels are there at the end of a PNG's last chunk but one, and at the end of a JPEG's last scan.
            let needed = name.hasSuffix(".png") ? bytes.count - 32 : bytes.count - 4
            for count in stride(from: 8, to: needed, by: 3) {
                #expect(throws: ImageError.self, "\(name) cut to \(count) of \(bytes.count)") {
                    _ = try ImageReader.decode(Array(bytes[..<count]), name: name)
                }
            }
        }
        let bytes = [UInt8](try Goldens.file("baseline.jpg"))
        #expect(throws: ImageError.damaged(name: "half.jpg", reason: "the file is truncated")) {
            _ = try ImageReader.decode(Array(bytes[..<(bytes.count - 100)]), name: "half.jpg")
        }
        let png = [UInt8](try Goldens.file("rgb.png"))
        #expect(throws: ImageError.damaged(name: "half.png", reason: "the file is truncated")) {
            _ = try ImageReader.decode(Array(png[..<(png.count / 2)]), name: "half.png")
        }
    }

    @Test(arguments: [
        ("RIFF\0\0\0\0WEBPVP8 ", "WebP"), ("GIF89a......", "GIF"), ("%PDF-1.7....", "PDF"), ("BM..........", "BMP"),
        ("II*\0........", "TIFF"), ("....ftypavif", "AVIF"), ("....ftypheic", "HEIF"), ("<svg xmlns>..", "SVG"),
        ("version https://git-lfs", "Git LFS"), ("hello, world", "not an image"), ("", "empty"),
    ])
    func otherFormatsAreNamed(start: String, found: String) throws {
        let error = #expect(throws: ImageError.self) { _ = try ImageReader.decode(Array(start.utf8), name: "a/b.jpg") }
        #expect("\(try #require(error))".hasPrefix("a/b.jpg: "))
        #expect("\(try #require(error))".contains(found))
    }

    @Test func bombsAreRefusedBeforeTheyAreDecoded() throws {
        // A PNG whose header says 30000 × 30000 pixels, and nothing else.
        var bytes = [UInt8](try Goldens.file("rgb.png"))
        bytes.replaceSubrange(16..<24, with: [0, 0, 0x75, 0x30, 0, 0, 0x75, 0x30])
        #expect(throws: ImageError.tooManyPixels(name: "bomb.png", width: 30_000, height: 30_000, limit: 64_000_000)) {
            _ = try ImageReader.decode(bytes, name: "bomb.png")
        }
        let image = try Goldens.file("baseline.jpg")
        #expect(throws: ImageError.tooManyPixels(name: "x", width: 23, height: 17, limit: 390)) {
            _ = try ImageReader.decode(image, name: "x", limits: ImageLimits(pixels: 390))
        }
        #expect(throws: ImageError.sideTooLong(name: "x", width: 23, height: 17, limit: 22)) {
            _ = try ImageReader.decode(image, name: "x", limits: ImageLimits(side: 22))
        }
        #expect(throws: ImageError.tooManyBytes(name: "x", bytes: image.count, limit: 100)) {
            _ = try ImageReader.decode(image, name: "x", limits: ImageLimits(bytes: 100))
        }
    }

    /// The same as Tools/fuzz_images.c in small, through the Swift interface: a result or an error, whatever the bytes are.
    @Test func mutatedFilesGiveAResultOrAnError() throws {
        let files = try Goldens().index.decoded.keys.sorted().map { [UInt8](try Goldens.file($0)) }
        let rounds = ProcessInfo.processInfo.environment["MAFIN_SLOW_TESTS"] == "1" ? 200_000 : 4_000
        let decoded = parallelMap(rounds) { round in
            var generator = RandomGenerator(seed: UInt64(round))
            var bytes = files[generator.index(below: files.count)]
            for _ in 0...generator.index(below: 8) {
                let place = generator.index(below: bytes.count)
                switch generator.index(below: 4) {
                case 0: bytes[place] = UInt8(generator.index(below: 256))
                case 1: bytes[place] ^= 1 << UInt8(generator.index(below: 8))
                case 2: bytes.removeSubrange(place..<min(bytes.count, place + 1 + generator.index(below: 16)))
                default: bytes.insert(contentsOf: bytes.suffix(generator.index(below: 16)), at: place)
                }
                if bytes.isEmpty { bytes = [0xFF] }
            }
            do {
                let image = try ImageReader.decode(bytes, name: "mutant", limits: ImageLimits(pixels: 1 << 20))
                return image.pixels.count == 3 * image.width * image.height ? 1 : -1
            } catch {
                return error is ImageError ? 0 : -1
            }
        }
        #expect(!decoded.contains(-1))
        #expect(decoded.contains(1) && decoded.contains(0))
    }

    @Test func contentsOfItemsAreEqualForEqualItemsAlone() throws {
        let image = try ItemImage(bytes: Goldens.file("rgb.png"), name: "a")
        let twin = try ItemImage(bytes: Goldens.file("rgb.png"), name: "b")
        let other = try ItemImage(bytes: Goldens.file("baseline.jpg"), name: "a")
        #expect(Item("x", image: image).content == Item("x", image: twin).content)
        #expect(Item("a text").content == "a text")
        let own = Item(image: image).content
        let contents = [
            own, Item("x", image: image).content, Item(image: other).content, Item("x").content, Item(own).content,
        ]
        #expect(Set(contents).count == contents.count)
    }

    @Test func filesAreReadAndNamed() throws {
        let folder = try TemporaryFolder()
        let file = folder.url.appendingPathComponent("a.jpg")
        #expect(throws: ImageError.missingFile(path: file.path)) { _ = try ImageReader.read(contentsOf: file) }
        #expect(throws: ImageError.unreadable(path: folder.url.path, reason: "it is not a file")) {
            _ = try ImageReader.read(contentsOf: folder.url)
        }
        try Goldens.file("baseline.jpg").write(to: file)
        #expect(try ImageReader.read(contentsOf: file).width == 23)
        let image = try ItemImage(file: file, path: "a.jpg")
        #expect(image.contentHash == ContentHash.hexadecimal(ContentHash.sha256(try Goldens.file("baseline.jpg"))))
        #expect(try image.dataURL().hasPrefix("data:image/jpeg;base64,/9j/"))
        #expect(try image.pixels() == ImageReader.read(contentsOf: file))
        try Goldens.file("rgb.png").write(to: file)
        #expect(throws: ImageError.self) { _ = try image.bytes() }
        let memory = try ItemImage(bytes: Goldens.file("rgb.png"), name: "upload")
        #expect(try memory.dataURL().hasPrefix("data:image/png;base64,"))
        #expect(throws: ImageError.self) { _ = try ItemImage(bytes: Data("text".utf8), name: "upload") }
    }
}
