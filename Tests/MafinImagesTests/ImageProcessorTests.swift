import Foundation
import MafinTestSupport
import Testing

@testable import MafinImages

@Suite struct ImageProcessorTests {
    @Test func resizingEqualsPillow() throws {
        let goldens = try Goldens()
        let source = goldens.image(goldens.index.source)
        for expected in goldens.index.resized {
            let filter = try #require(ResamplingFilter(rawValue: expected.filter))
            let found = source.resized(width: expected.width, height: expected.height, filter: filter)
            #expect(
                found.pixels == goldens.bytes(expected.pixels), "\(filter) to \(expected.width) × \(expected.height)")
        }
    }

    @Test func aWindowIsAPartOfTheWhole() throws {
        let goldens = try Goldens()
        let source = goldens.image(goldens.index.source)
        for filter in ResamplingFilter.allCases {
            for (width, height) in [(16, 12), (90, 60), (37, 23), (37, 10), (9, 23)] {
                let whole = source.resized(width: width, height: height, filter: filter)
                let part = source.resized(
                    width: width, height: height, filter: filter, left: 3, top: 2, cropWidth: 5, cropHeight: 7)
                #expect(part == whole.cropped(left: 3, top: 2, width: 5, height: 7, mirrored: false))
            }
        }
    }

    @Test func inputsAreThoseOfTransformers() throws {
        let goldens = try Goldens()
        for expected in goldens.index.processed {
            let file = try Goldens.url("processor-\(expected.processor).json")
            let processor = try ImageProcessor(json: Data(contentsOf: file), path: file.path)
            #expect(processor.side == expected.side)
            let image = try ImageReader.read(contentsOf: Goldens.url("files/\(expected.file)"))
            // Channel first, every `step`th row and column.
            func sampled<Value>(_ values: [Value]) -> [Value] {
                let places = Array(stride(from: 0, to: expected.side, by: expected.step))
                return (0..<3).flatMap { colour in
                    places.flatMap { y in places.map { values[(colour * expected.side + y) * expected.side + $0] } }
                }
            }
            let pixels = processor.pixels(of: image).pixels
            let planes = (0..<3).flatMap { colour in stride(from: colour, to: pixels.count, by: 3).map { pixels[$0] } }
            let difference = largestDifference(sampled(planes), goldens.bytes(expected.pixels))
            // Exact for PNG; JPEG differs by what decoders of two versions differ.
            let tolerance = expected.file.hasSuffix(".png") ? 0 : 2
            #expect(difference <= tolerance, "\(expected.processor), \(expected.file): \(difference)")
            guard let tensor = expected.tensor else { continue }
            let found = sampled(processor.tensor(of: image))
            let largest = zip(found, goldens.floats(tensor)).reduce(Float(0)) { max($0, abs($1.0 - $1.1)) }
            // Two steps of 255, divided by the smallest deviation, and rounding.
            let bound = Float(2.0 / 255 / (processor.deviation.min() ?? 1)) + 1e-5
            #expect(found.count == tensor.count && largest <= bound, "\(expected.processor): \(largest)")
        }
    }

    @Test func filesAreWrittenAsTheyAreRead() throws {
        let folder = try TemporaryFolder()
        for name in ["dinov2", "vit", "clip", "vit-small", "clip-small"] {
            let file = try Goldens.url("processor-\(name).json")
            let processor = try ImageProcessor(json: Data(contentsOf: file), path: file.path)
            try processor.write(to: folder.url)
            #expect(try ImageProcessor(folder: folder.url) == processor)
        }
        let file = try Goldens.url("processor-dinov2.json")
        #expect(try ImageProcessor(json: Data(contentsOf: file), path: "x") == .dinov2)
        let small = ImageProcessor.dinov2.withSide(98)
        #expect(small.side == 98 && small.resize == .shortestEdge(112))
    }

    @Test(arguments: [
        ("{\"image_processor_type\": \"SamImageProcessor\"}", "SamImageProcessor"),
        ("{\"image_processor_type\": \"ViTImageProcessor\", \"size\": {\"height\": 3, \"width\": 4}}", "4 × 3"),
        ("{\"image_processor_type\": \"BitImageProcessor\", \"size\": {\"shortest_edge\": 100}}", "crop of 224"),
        ("{\"image_processor_type\": \"ViTImageProcessor\", \"do_resize\": false}", "no resize"),
        ("{\"image_processor_type\": \"ViTImageProcessor\", \"resample\": 9}", "resample"),
        ("{\"image_processor_type\": \"ViTImageProcessor\", \"image_std\": [1, 0, 1]}", "image_std"),
        ("{\"image_processor_type\": \"ViTImageProcessor\", \"size\": 0}", "0 pixels"),
        ("{\"image_processor_type\": 3}", "image_processor_type"), ("[", "p.json"), ("{}", "unnamed"),
    ])
    func whatCannotBeFollowedIsNamed(json: String, named: String) throws {
        let error = #expect(throws: ImageError.self) { _ = try ImageProcessor(json: Data(json.utf8), path: "p.json") }
        #expect("\(try #require(error))".hasPrefix("p.json: "))
        #expect("\(try #require(error))".contains(named))
    }

    @Test func olderFilesHaveNumbers() throws {
        let json = """
            {"feature_extractor_type": "CLIPFeatureExtractor", "size": 224, "crop_size": 224, "do_center_crop": true, "resample": 3}
            """
        let processor = try ImageProcessor(json: Data(json.utf8), path: "p.json")
        #expect(processor.resize == .shortestEdge(224) && processor.crop == 224 && processor.filter == .bicubic)
        let vit = try ImageProcessor(
            json: Data("{\"feature_extractor_type\": \"ViTFeatureExtractor\", \"size\": 96}".utf8), path: "p.json")
        #expect(vit.resize == .square(96) && vit.crop == nil && vit.filter == .bilinear)
    }
}
