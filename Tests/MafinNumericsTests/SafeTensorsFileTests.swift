import Foundation
import MafinNumerics
import MafinTestSupport
import Testing

@Suite struct SafeTensorsFileTests {
    @Test(arguments: ["single", "half", "brain", "double", "nothing", "scalar"])
    func readsWhatPythonWrote(_ name: String) throws {
        let file = try SafeTensorsFile(Goldens.url("tensors.safetensors"))
        let expected = try Goldens.expected(name)
        #expect(file.shape(of: name) == expected.shape)
        #expect(try file.floats(of: name, shape: expected.shape).map(\.bitPattern) == expected.bits)
        var values = [Float](repeating: 1, count: expected.bits.count)
        try values.withUnsafeMutableBufferPointer { try file.read(name, shape: expected.shape, into: $0) }
        #expect(values.map(\.bitPattern) == expected.bits)
    }

    @Test func namesAndMetadata() throws {
        let file = try SafeTensorsFile(Goldens.url("tensors.safetensors"))
        #expect(file.names == ["brain", "double", "half", "nothing", "scalar", "single", "whole"])
        #expect(file.metadata == ["format": "pt", "origin": "Python"])
        #expect(file.shape(of: "absent") == nil)
    }

    @Test func readsWhatItWrote() async throws {
        try await TemporaryFolder.with { folder in
            let url = folder.url.appendingPathComponent("file.safetensors")
            let values: [Float] = [1, -0.0, .infinity, .leastNonzeroMagnitude, 5, 6]
            try values.withUnsafeBufferPointer { values in
                try SafeTensorsFile.write(
                    [
                        .init(name: "b/\"quoted\"", shape: [2, 3], values: values),
                        .init(name: "a", shape: [0], values: .init(rebasing: values[0..<0])),
                    ], metadata: ["step": "7"], to: url)
            }
            let file = try SafeTensorsFile(url)
            #expect(file.names == ["a", "b/\"quoted\""])
            #expect(file.metadata == ["step": "7"])
            #expect(try file.floats(of: "b/\"quoted\"", shape: [2, 3]).map(\.bitPattern) == values.map(\.bitPattern))
            #expect(try file.floats(of: "a").isEmpty)
        }
    }

    /// Python reads our files: see MafinEncoderTests, where sentence-transformers loads an export.
    @Test func dataStartsAligned() async throws {
        try await TemporaryFolder.with { folder in
            let url = folder.url.appendingPathComponent("file.safetensors")
            for name in ["a", "ab", "abc", "abcd", "abcde"] {
                try [Float(1)].withUnsafeBufferPointer { values in
                    try SafeTensorsFile.write([.init(name: name, shape: [1], values: values)], to: url)
                }
                #expect(try Data(contentsOf: url).count % 8 == 4, "one float after a multiple of eight bytes")
            }
        }
    }

    @Test func errorsOfTensors() throws {
        let url = try Goldens.url("tensors.safetensors")
        let file = try SafeTensorsFile(url)
        #expect(
            throws: NumericsError.missingTensor(path: url.path, name: "absent", available: file.names)
        ) { try file.floats(of: "absent") }
        #expect(
            throws: NumericsError.shape(path: url.path, name: "single", expected: [3, 2], found: [2, 3])
        ) { try file.floats(of: "single", shape: [3, 2]) }
        let error = #expect(throws: NumericsError.self) { try file.floats(of: "whole") }
        #expect(error?.description.contains("type I64") == true)
    }

    @Test func refusesACutFile() throws {
        let url = try Goldens.url("cut.safetensors")
        let error = #expect(throws: NumericsError.self) { try SafeTensorsFile(url) }
        #expect(error?.description.contains("cut off") == true && error?.description.hasPrefix(url.path) == true)
    }

    @Test(arguments: [
        #"{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}"#,  // eight bytes are needed
        #"{"a": {"dtype": "F32", "shape": [4611686018427387904, 8], "data_offsets": [0, 8]}}"#,
    ])
    func refusesOffsetsThatDoNotFitTheShape(_ header: String) async throws {
        try await TemporaryFolder.with { folder in
            let url = try Self.write(header, in: folder)
            let file = try SafeTensorsFile(url)
            #expect(throws: NumericsError.self) { try file.floats(of: "a") }
        }
    }

    @Test(arguments: [
        "no JSON", "[]", #"{"a": 1}"#, #"{"a": {"dtype": "F32", "shape": [2]}}"#,
        #"{"a": {"dtype": "F32", "shape": [2], "data_offsets": [8, 0]}}"#,
        #"{"a": {"dtype": "F32", "shape": [2], "data_offsets": [-8, 0]}}"#,
        #"{"a": {"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}}"#,
        #"{"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 12]}}"#,
    ])
    func refusesBadHeaders(_ header: String) async throws {
        try await TemporaryFolder.with { folder in
            let url = try Self.write(header, in: folder)
            #expect(throws: NumericsError.self) { try SafeTensorsFile(url) }
        }
    }

    @Test func refusesOtherFiles() async throws {
        try await TemporaryFolder.with { folder in
            for text in ["", "short", "a long text in place of a header's length"] {
                let url = try folder.write(text, to: "text.safetensors")
                #expect(throws: NumericsError.self) { try SafeTensorsFile(url) }
            }
            #expect(throws: NumericsError.self) { try SafeTensorsFile(folder.url.appendingPathComponent("missing")) }
        }
    }

    /// A file of this header and eight bytes of data.
    private static func write(_ header: String, in folder: TemporaryFolder) throws -> URL {
        let url = folder.url.appendingPathComponent("file.safetensors")
        var data = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Data($0) }
        data += Data(header.utf8) + Data(count: 8)
        try data.write(to: url)
        return url
    }
}
