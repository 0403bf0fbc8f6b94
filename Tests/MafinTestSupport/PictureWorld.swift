import Foundation
import MafinNumerics

/// A collection of small pictures, and a random vision encoder, for trainings that take seconds.
///
/// A picture's class is in its colours: the lower half has those of the upper half the other way round. Documents have the ids `d0`, `d1`, …,
/// queries `q0`, …; the class of number n is n modulo ``classes``. Relevant is what is of the same class.
public struct PictureWorld {
    /// Classes, and documents and queries of each.
    public static let classes = 8
    /// Documents of a class.
    public static let documentsOfClass = 5
    /// Queries of a class.
    public static let queriesOfClass = 10
    /// Pixels of a side of a picture.
    public static let side = 20
    /// Pixels of a side of what the encoder reads.
    public static let encodedSide = 16
    /// Numbers of a vector of ``blackBox(_:isQuery:)``.
    public static let dimension = 12

    /// Holds `data` and `model`.
    public let folder: TemporaryFolder
    /// The collection.
    public var data: URL { folder.url.appendingPathComponent("data") }
    /// The encoder.
    public var model: URL { folder.url.appendingPathComponent("model") }

    /// Writes everything to a new folder, which the caller removes.
    public init() throws {
        folder = try TemporaryFolder()
        var random = RandomGenerator(seed: 11)
        try FileManager.default.createDirectory(
            at: data.appendingPathComponent("images"), withIntermediateDirectories: true)
        for (kind, file, count) in [
            ("d", "corpus", Self.classes * Self.documentsOfClass), ("q", "queries", Self.classes * Self.queriesOfClass),
        ] {
            var lines = ""
            for number in 0..<count {
                let path = "images/\(kind)\(number).png"
                try Self.png(of: number % Self.classes, &random).write(to: data.appendingPathComponent(path))
                lines += "{\"_id\": \"\(kind)\(number)\", \"image\": \"\(path)\"}\n"
            }
            try folder.write(lines, to: "data/\(file).jsonl")
        }
        for (split, range) in [("train", 0..<6), ("dev", 6..<8), ("test", 8..<10)] {
            var labels = "query-id\tcorpus-id\tscore\n"
            for query in 0..<Self.classes * Self.queriesOfClass where range.contains(query / Self.classes) {
                for document in 0..<Self.documentsOfClass {
                    labels += "q\(query)\td\(document * Self.classes + query % Self.classes)\t1\n"
                }
            }
            try folder.write(labels, to: "data/qrels/\(split).tsv")
        }
        try writeModel()
    }

    /// Removes the folder.
    public func remove() { try? FileManager.default.removeItem(at: folder.url) }

    /// A vector near that of the class, with much noise: a black box that knows classes badly.
    public static func blackBox(_ number: Int, isQuery: Bool) -> [Float] {
        var random = RandomGenerator(seed: UInt64(number % classes))
        var own = RandomGenerator(seed: UInt64(number) &+ (isQuery ? 5000 : 9000))
        return (0..<dimension).map { _ in random.normal() + 1.6 * own.normal() }
    }

    /// Writes the black box's vectors to the folder `vectors`.
    public func writeVectors() throws {
        for (name, kind, count) in [
            ("corpus", "d", Self.classes * Self.documentsOfClass), ("queries", "q", Self.classes * Self.queriesOfClass),
        ] {
            let rows = (0..<count).flatMap { Self.blackBox($0, isQuery: kind == "q") }
            try folder.write((0..<count).map { "\(kind)\($0)\n" }.joined(), to: "vectors/\(name).ids")
            try NumPyFile.write(
                Matrix(rows: count, columns: Self.dimension, values: rows).normalizedRows().matrix,
                to: folder.url.appendingPathComponent("vectors/\(name).npy"))
        }
    }

    // MARK: Pictures

    private static func png(of kind: Int, _ random: inout RandomGenerator) -> Data {
        let colours = (0..<3).map { Float(kind >> $0 & 1) * 120 + 60 }
        var rows: [UInt8] = []
        for y in 0..<side {
            rows.append(0)
            for _ in 0..<side {
                for channel in 0..<3 {
                    let value = colours[y < side / 2 ? channel : 2 - channel] + 30 * random.normal()
                    rows.append(UInt8(min(255, max(0, value))))
                }
            }
        }
        var header = bigEndian(UInt32(side)) + bigEndian(UInt32(side))
        header += [8, 2, 0, 0, 0]
        return Data([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A])
            + chunk("IHDR", header) + chunk("IDAT", stored(rows)) + chunk("IEND", [])
    }

    private static func bigEndian(_ value: UInt32) -> [UInt8] { withUnsafeBytes(of: value.bigEndian) { Array($0) } }

    private static func chunk(_ kind: String, _ content: [UInt8]) -> Data {
        let body = Array(kind.utf8) + content
        var crc: UInt32 = 0xFFFF_FFFF
        for byte in body {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
        }
        return Data(bigEndian(UInt32(content.count)) + body + bigEndian(~crc))
    }

    /// zlib's format without compression.
    private static func stored(_ bytes: [UInt8]) -> [UInt8] {
        precondition(bytes.count < 65536, "one stored block")
        let count = UInt16(bytes.count)
        var (a, b): (UInt32, UInt32) = (1, 0)
        for byte in bytes {
            a = (a + UInt32(byte)) % 65521
            b = (b + a) % 65521
        }
        let lengths =
            withUnsafeBytes(of: count.littleEndian) { Array($0) }
            + withUnsafeBytes(of: (~count).littleEndian) { Array($0) }
        return [0x78, 0x01, 0x01] + lengths + bytes + bigEndian(b << 16 | a)
    }

    // MARK: The encoder

    /// A DINOv2 of two layers with random weights.
    private func writeModel() throws {
        let (hidden, wide, patch, grid) = (32, 64, 4, 5)
        try folder.write(
            """
            {"model_type": "dinov2", "hidden_size": \(hidden), "num_hidden_layers": 2, "num_attention_heads": 4, "mlp_ratio": 2, \
            "hidden_act": "gelu", "image_size": \(patch * grid), "patch_size": \(patch), "layer_norm_eps": 1e-6}
            """, to: "model/config.json")
        try folder.write(
            """
            {"image_processor_type": "BitImageProcessor", "do_resize": true, "size": {"shortest_edge": 18}, "resample": 3, \
            "do_center_crop": true, "crop_size": {"height": \(Self.encodedSide), "width": \(Self.encodedSide)}, "do_rescale": true, \
            "rescale_factor": 0.00392156862745098, "do_normalize": true, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.25, 0.25, 0.25]}
            """, to: "model/preprocessor_config.json")
        var shapes: [(String, [Int])] = [
            ("embeddings.cls_token", [1, 1, hidden]), ("embeddings.position_embeddings", [1, 1 + grid * grid, hidden]),
            ("embeddings.patch_embeddings.projection.weight", [hidden, 3, patch, patch]),
            ("embeddings.patch_embeddings.projection.bias", [hidden]), ("layernorm.weight", [hidden]),
            ("layernorm.bias", [hidden]),
        ]
        for layer in 0..<2 {
            let name = "encoder.layer.\(layer)."
            for (part, outputs, inputs) in [
                ("attention.attention.query", hidden, hidden), ("attention.attention.key", hidden, hidden),
                ("attention.attention.value", hidden, hidden), ("attention.output.dense", hidden, hidden),
                ("mlp.fc1", wide, hidden), ("mlp.fc2", hidden, wide),
            ] { shapes += [(name + part + ".weight", [outputs, inputs]), (name + part + ".bias", [outputs])] }
            for part in [
                "norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias", "layer_scale1.lambda1",
                "layer_scale2.lambda1",
            ] {
                shapes.append((name + part, [hidden]))
            }
        }
        var random = RandomGenerator(seed: 5)
        let arrays = shapes.map { name, shape in
            let isFactor = name.contains("norm") && name.hasSuffix("weight") || name.hasSuffix("lambda1")
            let count = shape.reduce(1, *)
            return (name: name, shape: shape, values: (0..<count).map { _ in isFactor ? 1 : 0.1 * random.normal() })
        }
        try SafeTensorsFile.withTensors(of: arrays) {
            try SafeTensorsFile.write(
                $0, metadata: ["format": "pt"], to: model.appendingPathComponent("model.safetensors"))
        }
    }
}
