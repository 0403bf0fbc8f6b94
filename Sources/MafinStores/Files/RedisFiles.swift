import Foundation
import MafinNumerics
import MafinPipeline

/// Commands for Redis with its query engine, in its wire protocol, for `redis-cli --pipe`.
enum RedisBodies {
    /// The prefix of keys.
    static let prefix = "doc:"
    static let vectorField = "vector"
    static let hashField = "mafin_hash"
    static let textField = "text"

    /// The command that makes the index.
    static func index(_ name: String, _ schema: StoreSchema, isHalf: Bool) -> [String] {
        [
            "FT.CREATE", name, "ON", "HASH", "PREFIX", "1", prefix, "SCHEMA", vectorField, "VECTOR", "HNSW", "6",
            "TYPE",
            isHalf ? "FLOAT16" : "FLOAT32", "DIM", "\(schema.dense[0].dimension)", "DISTANCE_METRIC", "IP",
        ]
    }

    /// A command in the wire protocol (RESP): the number of words, and each word after its length.
    static func command(_ words: [[UInt8]]) -> [UInt8] {
        var bytes = Array("*\(words.count)\r\n".utf8)
        for word in words {
            bytes += Array("$\(word.count)\r\n".utf8) + word
            bytes += [0x0d, 0x0a]
        }
        return bytes
    }

    /// The command that writes a text.
    static func write(_ batch: StoreBatch, _ row: Int, _ schema: StoreSchema, isHalf: Bool) -> [UInt8] {
        let values = batch.dense[0].row(row)
        let vector =
            isHalf
            ? Float16Bits.bits(Array(values)).withUnsafeBytes { Array($0) } : values.withUnsafeBytes { Array($0) }
        var words = [
            Array("HSET".utf8), Array((prefix + batch.ids[row]).utf8), Array(vectorField.utf8), vector,
            Array(hashField.utf8), Array(batch.hashes[row].utf8),
        ]
        if schema.holdsTexts { words += [Array(textField.utf8), Array(batch.texts[row].utf8)] }
        return command(words)
    }
}

/// Redis's query: one vector, which holds the weights.
struct RedisQuery: StoreQuery {
    let index: String
    let schema: StoreSchema

    func text(_ terms: [StoreTerm], count: Int, vectors: StoreQueryVectors?) -> String {
        let joined = JoinedQuery(terms, vectors, schema)
        return """
            # \(joined.comment) Pass it as the bytes of its 32-bit floats.
            FT.SEARCH \(index) "*=>[KNN \(count) @\(RedisBodies.vectorField) $vector AS distance]" PARAMS 2 vector QUERY_VECTOR \
            SORTBY distance RETURN 1 distance LIMIT 0 \(count) DIALECT 2
            """
    }
}
