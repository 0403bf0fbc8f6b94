import Foundation
import MafinImages
import Testing

/// What Tools/write_image_goldens.py wrote.
struct Goldens {
    struct Piece: Decodable {
        var offset: Int
        var shape: [Int]
        var count: Int { shape.reduce(1, *) }
    }

    struct Resized: Decodable {
        var width: Int
        var height: Int
        var filter: Int
        var pixels: Piece
    }

    struct Enhanced: Decodable {
        var factors: [Float]
        var pixels: Piece
    }

    struct Processed: Decodable {
        var processor: String
        var file: String
        var side: Int
        var step: Int
        var pixels: Piece
        var tensor: Piece?
    }

    struct Index: Decodable {
        var decoded: [String: Piece]
        var source: Piece
        var resized: [Resized]
        var enhanced: [Enhanced]
        var hashes: [String: String]
        var processed: [Processed]
    }

    let index: Index
    private let bytes: Data

    init() throws {
        index = try JSONDecoder().decode(Index.self, from: Data(contentsOf: Self.url("expected.json")))
        bytes = try Data(contentsOf: Self.url("expected.bin"))
    }

    static func url(_ name: String) throws -> URL {
        try #require(Bundle.module.url(forResource: "Goldens", withExtension: nil)).appendingPathComponent(name)
    }

    static func file(_ name: String) throws -> Data { try Data(contentsOf: url("files/\(name)")) }

    func bytes(_ piece: Piece) -> [UInt8] { Array(bytes[piece.offset..<piece.offset + piece.count]) }

    func floats(_ piece: Piece) -> [Float] {
        let raw = Array(bytes[piece.offset..<piece.offset + 4 * piece.count])
        return (0..<piece.count).map { index in
            Float(bitPattern: (0..<4).reduce(0) { $0 | UInt32(raw[4 * index + $1]) << (8 * UInt32($1)) })
        }
    }

    func image(_ piece: Piece) -> PixelImage {
        PixelImage(width: piece.shape[1], height: piece.shape[0], pixels: bytes(piece))
    }
}

/// The largest difference of two lists of bytes.
func largestDifference(_ a: [UInt8], _ b: [UInt8]) -> Int {
    zip(a, b).reduce(a.count == b.count ? 0 : 256) { max($0, abs(Int($1.0) - Int($1.1))) }
}
