import Foundation
import HTTPTypes
import MafinBlackBox
import MafinNumerics
import NIOCore
import Testing

@testable import MafinServer

/// Input from outside is either read or refused with an error message. The inputs are seeded, so a failure can be
/// repeated.
@Suite struct FuzzTests {
    /// The number of inputs for each parser; `MAFIN_FUZZ_INPUTS` changes it.
    private static let inputs = ProcessInfo.processInfo.environment["MAFIN_FUZZ_INPUTS"].flatMap { Int($0) } ?? 20_000

    private static let seeds = [
        #"{"model":"toy:query","input":["w1 f3","ü🙂\ud83d\ude42"],"encoding_format":"base64","dimensions":48,"lambda":0.5}"#,
        #"{"input":"a","input_type":"document","truncation":true,"output_dtype":"float","output_dimension":48,"user":null}"#,
        #"{"texts":["a","b"],"model":"toy","input_type":"search_query","embedding_types":["float","base64"],"truncate":"END"}"#,
        #"{"query":"a","top":10,"lambda":1e-1,"weights":{"local":0.25,"a b":-1e9},"max_tokens":100}"#,
        #"{"input":[[1,2],[3]],"lambda":-1.5e300,"dimensions":9223372036854775807,"model":"toy:document:query"}"#,
    ]

    private static let pieces = [
        "{", "}", "[", "]", "\"", ":", ",", "null", "true", "1e999", "-0", "\\u0000", "\\ud800", "\"input\"",
        "\"lambda\"",
        "\u{FEFF}", "9999999999999999999999", "\"\"", "[[[[[[[[", "\u{1F642}", " ", "\n", "NaN",
    ]

    private func damaged(_ random: inout RandomGenerator) -> Data {
        var bytes = Array(Self.seeds[random.index(below: Self.seeds.count)].utf8)
        for _ in 0..<random.index(below: 6) {
            let place = random.index(below: bytes.count + 1)
            switch random.index(below: 5) {
            case 0 where place < bytes.count: bytes[place] = UInt8(random.index(below: 256))
            case 1 where place < bytes.count: bytes.remove(at: place)
            case 2: bytes.insert(contentsOf: Array(Self.pieces[random.index(below: Self.pieces.count)].utf8), at: place)
            case 3: bytes = Array(bytes.prefix(max(1, place)))
            default:
                let end = min(bytes.count, place + random.index(below: 20))
                bytes.insert(contentsOf: bytes[min(place, end)..<end], at: random.index(below: bytes.count + 1))
            }
            if bytes.isEmpty { bytes = [UInt8(ascii: "{")] }
        }
        return Data(bytes)
    }

    @Test func bodiesAreReadOrRefused() throws {
        var random = RandomGenerator(seed: 41)
        let reading = EmbeddingsRequest.Reading(model: "toy", defaultRole: .document, dimension: 48, maximumInputs: 8)
        var (read, refused) = (0, 0)
        for _ in 0..<Self.inputs {
            let body = ByteBuffer(bytes: damaged(&random))
            do {
                let request = try EmbeddingsRequest(RequestFields(body), for: reading)
                read += 1
                #expect((1...8).contains(request.texts.count) && request.texts.allSatisfy { !$0.isEmpty })
            } catch let error as ServiceError {
                refused += 1
                #expect([400, 404].contains(error.status.code) && !error.message.isEmpty)
                // Every error can be written as a reply.
                let reply = Reply.error(error, in: .openAI, id: "x")
                #expect(reply.status == error.status)
            }
            do { _ = try CohereRequest(RequestFields(body), for: reading) } catch is ServiceError {}
            do {
                let fields = try RequestFields(body)
                _ = try fields.integer("top", in: 1...1000)
                _ = try fields.number("lambda")
                _ = try fields.numbers("weights")
            } catch is ServiceError {}
        }
        #expect(read > Self.inputs / 100 && refused > Self.inputs / 10, "\(read) read, \(refused) refused")
    }

    @Test func headersAndPathsAreReadOrNot() {
        var random = RandomGenerator(seed: 43)
        let alphabet = Array("0123456789abcdefABCDEF-–/%.?:\u{0}ü ")
        for _ in 0..<Self.inputs {
            var header = Array("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
            for _ in 0..<random.index(below: 3) {
                header[random.index(below: header.count)] = alphabet[random.index(below: alphabet.count)]
            }
            let trace = RequestTrace(continuing: String(header))
            #expect(trace.header.utf8.count == 55 && RequestTrace.parse(trace.header)?.trace == trace.traceID)
            let path =
                "/" + String((0..<random.index(below: 12)).map { _ in alphabet[random.index(below: alphabet.count)] })
            let (route, rest) = Route.find("/v1/models" + path)
            #expect((route == .model) == !rest.isEmpty)
        }
    }

    @Test func stringsComeBackFromJSON() throws {
        var random = RandomGenerator(seed: 47)
        for _ in 0..<Self.inputs / 4 {
            let scalars = (0..<random.index(below: 20)).compactMap { _ in
                Unicode.Scalar(UInt32(random.index(below: random.index(below: 2) == 0 ? 0x80 : 0x11_0000)))
            }
            let text = String(String.UnicodeScalarView(scalars))
            let data = Data("[\(JSONText.quoted(text))]".utf8)
            #expect(try JSONSerialization.jsonObject(with: data) as? [String] == [text])
        }
    }
}
