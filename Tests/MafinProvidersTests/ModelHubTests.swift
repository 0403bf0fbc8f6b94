import Foundation
import MafinPipeline
import MafinProviders
import MafinTestSupport
import Synchronization
import Testing

@Suite struct ModelHubTests {
    private static let weights = HubServer.standardFiles["model.safetensors"] ?? []

    private func hub(
        _ server: HubServer, _ folder: TemporaryFolder, token: String? = nil, offline: Bool = false,
        progress: (@Sendable (HubProgress) -> Void)? = nil
    ) throws -> ModelHub {
        try ModelHub(
            location: HubLocation(
                endpoint: server.hub.url, cache: folder.url.appendingPathComponent("hub"),
                token: try token.map { try APIKey($0) }, isOffline: offline,
                modelFolders: [folder.url.appendingPathComponent("models")]),
            retry: RetryPolicy(maximumAttempts: 4, firstDelay: .milliseconds(5), longestDelay: .milliseconds(20)),
            progress: progress)
    }

    private func blobs(_ folder: TemporaryFolder) -> [String] {
        let path = folder.url.appendingPathComponent("hub/models--org--tiny-encoder/blobs").path
        return ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted()
    }

    private func expectWhole(_ snapshot: URL, sourceLocation: SourceLocation = #_sourceLocation) throws {
        for path in Self.wanted {
            let data = try Data(contentsOf: snapshot.appendingPathComponent(path))
            #expect(Array(data) == HubServer.standardFiles[path], "\(path)", sourceLocation: sourceLocation)
        }
    }

    private static let wanted = [
        "1_Pooling/config.json", "config.json", "model.safetensors", "modules.json", "tokenizer.json", "vocab.txt",
    ]

    // MARK: - The cache

    @Test func filesOfAllTokenizersAreWanted() async throws {
        try await TemporaryFolder.with { folder in
            let wanted = ["merges.txt", "vocab.json", "sentencepiece.bpe.model", "spiece.model", "tokenizer.model"]
            let others = ["notes.txt", "other.model", "onnx/tokenizer.model"]
            var files = HubServer.standardFiles
            for name in wanted + others { files[name] = Array(name.utf8) }
            let server = try HubServer(files: files)
            defer { server.stop() }
            let snapshot = try await hub(server, folder).pull(HubServer.repository)
            try expectWhole(snapshot)
            for name in wanted {
                #expect(try Data(contentsOf: snapshot.appendingPathComponent(name)) == Data(name.utf8))
            }
            for name in others {
                #expect(!FileManager.default.fileExists(atPath: snapshot.appendingPathComponent(name).path))
            }
        }
    }

    @Test func laysTheCacheOutAsHuggingFaceDoes() async throws {
        try await TemporaryFolder.with { folder in
            let server = try HubServer()
            defer { server.stop() }
            let seen = Mutex<[HubProgress]>([])
            let snapshot = try await hub(server, folder, progress: { now in seen.withLock { $0.append(now) } }).pull(
                HubServer.repository)
            try expectWhole(snapshot)

            let repository = folder.url.appendingPathComponent("hub/models--org--tiny-encoder")
            #expect(snapshot.path == repository.appendingPathComponent("snapshots/\(HubServer.commit)").path)
            let reference = try String(contentsOf: repository.appendingPathComponent("refs/main"), encoding: .utf8)
            #expect(reference == HubServer.commit)
            let files = FileManager.default
            let found = try files.subpathsOfDirectory(atPath: snapshot.path).filter { $0 != "1_Pooling" }.sorted()
            #expect(found == Self.wanted)
            func link(_ path: String) throws -> String {
                try files.destinationOfSymbolicLink(atPath: snapshot.appendingPathComponent(path).path)
            }
            #expect(try link("model.safetensors") == "../../blobs/\(HubServer.sha256(Self.weights))")
            let pooling = HubServer.gitHash(HubServer.standardFiles["1_Pooling/config.json"] ?? [])
            #expect(try link("1_Pooling/config.json") == "../../../blobs/\(pooling)")
            #expect(
                blobs(folder) == Self.wanted.compactMap { HubServer.standardFiles[$0].map(HubServer.etag) }.sorted())

            let data = try Data(contentsOf: repository.appendingPathComponent("mafin-\(HubServer.commit).json"))
            let record = try JSONDecoder().decode(ModelRecord.self, from: data)
            #expect(record.files.keys.sorted() == Self.wanted && record.revision == "main")
            for (path, file) in record.files {
                #expect(file.sha256 == HubServer.sha256(HubServer.standardFiles[path] ?? []))
            }
            let last = try #require(seen.withLock { $0.last })
            #expect(last.filesDone == 6 && last.bytes == last.totalBytes && last.bytes > 200_000)
            let bytes = seen.withLock { $0.map(\.bytes) }
            #expect(bytes == bytes.sorted())
        }
    }

    @Test func aSecondPullDownloadsNothing() async throws {
        try await TemporaryFolder.with { folder in
            let server = try HubServer()
            defer { server.stop() }
            let first = try await hub(server, folder).pull(HubServer.repository)
            let downloads = server.hub.requests.filter { $0.method == "GET" }.count
            let second = try await hub(server, folder).pull(HubServer.repository)
            #expect(second == first)
            #expect(server.contents.requests.count == 1)
            #expect(server.hub.requests.filter { $0.method == "GET" }.count == downloads + 1)  // the list of files
            #expect(try hub(server, folder).resolve(HubServer.repository) == first)
            #expect(try await hub(server, folder, offline: true).pull(HubServer.repository) == first)
        }
    }

    /// Python's `huggingface_hub` must find the files in the layout that we write.
    @Test(
        .enabled(
            if: Python.path != nil, "no Python with huggingface_hub at MAFIN_PYTHON or in ~/.cache/mafin-peers/venv"))
    func pythonFindsWhatWasPulled() async throws {
        let python = try #require(Python.path)
        try await TemporaryFolder.with { folder in
            let server = try HubServer()
            defer { server.stop() }
            let snapshot = try await hub(server, folder).pull(HubServer.repository)
            let script = """
                import huggingface_hub, sys
                cache = sys.argv[1]
                print(huggingface_hub.snapshot_download("org/tiny-encoder", cache_dir=cache, local_files_only=True))
                print(huggingface_hub.hf_hub_download("org/tiny-encoder", "1_Pooling/config.json", cache_dir=cache, local_files_only=True))
                print(huggingface_hub.hf_hub_download("org/tiny-encoder", "model.safetensors", cache_dir=cache, local_files_only=True, revision="\(HubServer.commit)"))
                info = huggingface_hub.scan_cache_dir(cache)
                print(len(info.warnings), [(r.repo_id, r.nb_files, [sorted(v.refs) for v in r.revisions]) for r in info.repos])
                """
            let cache = folder.url.appendingPathComponent("hub").path
            let output = try await Python.run(python, ["-c", script, cache])
            #expect(
                output.split(separator: "\n").map(String.init) == [
                    snapshot.path, snapshot.appendingPathComponent("1_Pooling/config.json").path,
                    snapshot.appendingPathComponent("model.safetensors").path,
                    "0 [('org/tiny-encoder', 6, [['main']])]",
                ])
        }
    }

    @Test(
        .enabled(
            if: Python.path != nil, "no Python with huggingface_hub at MAFIN_PYTHON or in ~/.cache/mafin-peers/venv"))
    func filesPulledByPythonAreFound() async throws {
        let python = try #require(Python.path)
        try await TemporaryFolder.with { folder in
            let server = try HubServer()
            defer { server.stop() }
            let script = """
                import huggingface_hub, sys
                for name in sys.argv[3:]:
                    huggingface_hub.hf_hub_download("org/tiny-encoder", name, cache_dir=sys.argv[1], endpoint=sys.argv[2])
                """
            let cache = folder.url.appendingPathComponent("hub").path
            _ = try await Python.run(python, ["-c", script, cache, server.hub.url] + Self.wanted)
            let hub = try hub(server, folder)
            try expectWhole(try hub.resolve(HubServer.repository))
            let downloads = server.contents.requests.filter { $0.method == "GET" }.count
            try expectWhole(try await hub.pull(HubServer.repository))
            #expect(server.contents.requests.filter { $0.method == "GET" }.count == downloads)
        }
    }

    // MARK: - Secrets

    @Test func theTokenGoesToTheHubOnly() async throws {
        try await TemporaryFolder.with { folder in
            let server = try HubServer()
            defer { server.stop() }
            _ = try await hub(server, folder, token: "hf_secret").pull(HubServer.repository)
            #expect(server.hub.requests.allSatisfy { $0.headers["authorization"] == "Bearer hf_secret" })
            #expect(!server.contents.requests.isEmpty)
            #expect(server.contents.requests.allSatisfy { $0.headers["authorization"] == nil })
        }
    }

    // MARK: - Interruptions

    private func cutting(_ count: Int, after bytes: Int) -> HubServer.Misbehaviour {
        { request in
            guard request.number < count else { return nil }
            var response = HubServer.content(Self.weights, request)
            response.delivery = .cut(after: bytes)
            return response
        }
    }

    @Test func aCutConnectionIsTakenUpWhereItEnded() async throws {
        try await TemporaryFolder.with { folder in
            let server = try HubServer(contents: cutting(3, after: 50_000))
            defer { server.stop() }
            try expectWhole(try await hub(server, folder).pull(HubServer.repository))
            // When the connection breaks, a client may lose the bytes that had arrived and were not yet read, and no
            // others.
            let starts = server.contents.requests.map { request in
                request.headers["range"].flatMap { Int($0.dropFirst("bytes=".count).dropLast()) } ?? 0
            }
            #expect(starts.count == 4 && starts[0] == 0)
            for (index, start) in starts.enumerated().dropFirst() {
                #expect(starts[index - 1] < start && start <= 50_000 * index, "\(starts)")
            }
            #expect(!blobs(folder).contains { $0.hasSuffix(".incomplete") })
        }
    }

    @Test func aLaterPullTakesUpWhatAnEarlierOneLeft() async throws {
        try await TemporaryFolder.with { folder in
            let broken = try HubServer(contents: cutting(100, after: 30_000))
            let text = await message { _ = try await hub(broken, folder).pull(HubServer.repository) }
            broken.stop()
            #expect(text.contains("'org/tiny-encoder' could not be pulled after 4 attempts"), "\(text)")
            let server = try HubServer()
            defer { server.stop() }
            #expect(throws: ModelError.self) { try hub(server, folder).resolve(HubServer.repository) }
            try expectWhole(try await hub(server, folder).pull(HubServer.repository))
            let range = try #require(server.contents.requests.first?.headers["range"])
            #expect(server.contents.requests.count == 1 && range.hasPrefix("bytes=") && range != "bytes=0-")
        }
    }

    @Test func aServerWithoutRangesStartsAgain() async throws {
        try await TemporaryFolder.with { folder in
            let server = try HubServer { _ in
                nil
            } contents: { request in
                StubHTTPServer.Response(
                    body: Self.weights, delivery: request.number == 0 ? .cut(after: 90_000) : .whole)
            }
            defer { server.stop() }
            try expectWhole(try await hub(server, folder).pull(HubServer.repository))
            #expect(server.contents.requests.count == 2)
        }
    }

    @Test func damagedLeftoversAreThrownAway() async throws {
        for leftover in [[UInt8](repeating: 1, count: 5000), [UInt8](repeating: 1, count: Self.weights.count + 7)] {
            try await TemporaryFolder.with { folder in
                let server = try HubServer()
                defer { server.stop() }
                let part = folder.url.appendingPathComponent(
                    "hub/models--org--tiny-encoder/blobs/\(HubServer.sha256(Self.weights)).incomplete")
                try FileManager.default.createDirectory(
                    at: part.deletingLastPathComponent(), withIntermediateDirectories: true)
                try Data(leftover).write(to: part)
                try expectWhole(try await hub(server, folder).pull(HubServer.repository))
            }
        }
    }

    @Test func alteredContentIsRefusedAndLeavesNothing() async throws {
        for file in ["model.safetensors", "config.json"] {
            try await TemporaryFolder.with { folder in
                var altered = HubServer.standardFiles[file] ?? []
                altered[3] ^= 1
                let (body, path) = (altered, "/resolve/\(HubServer.commit)/\(file)")
                let server = try HubServer { request in
                    request.method == "GET" && file == "config.json" && request.target.hasSuffix(path)
                        ? StubHTTPServer.Response(body: body) : nil
                } contents: { _ in
                    file == "model.safetensors" ? StubHTTPServer.Response(body: body) : nil
                }
                defer { server.stop() }
                let text = await message { _ = try await hub(server, folder).pull(HubServer.repository) }
                #expect(
                    text.hasPrefix("\(file): downloaded content is not what was announced: expected hash"), "\(text)")
                #expect(!blobs(folder).contains { $0.hasPrefix(HubServer.etag(HubServer.standardFiles[file] ?? [])) })
                #expect(throws: ModelError.self) { try hub(server, folder).resolve(HubServer.repository) }
            }
        }
    }

    @Test func temporaryFailuresAreRetried() async throws {
        try await TemporaryFolder.with { folder in
            let server = try HubServer { request in
                switch request.number {
                case 0: .text("slow down", status: 429, headers: ["Retry-After": "0.05"])
                case 1: .text("<html>bad gateway</html>", status: 502)
                case 5: .text("", delivery: .hangUp)
                case 8: .text("", status: 503)
                default: nil
                }
            } contents: { request in
                switch request.number {
                case 0: .text("", status: 500)
                case 1: .text("", delivery: .hangUp)
                default: nil
                }
            }
            defer { server.stop() }
            try expectWhole(try await hub(server, folder).pull(HubServer.repository))
        }
    }

    @Test func cancellationKeepsWhatHasArrived() async throws {
        try await TemporaryFolder.with { folder in
            let server = try HubServer { _ in
                nil
            } contents: { request in
                var response = HubServer.content(Self.weights, request)
                if request.number == 0 { response.delivery = .drip(bytes: 20_000, pause: 0.1) }
                return response
            }
            defer { server.stop() }
            let arrived = Mutex<Int64>(0)
            let hub = try hub(
                server, folder,
                progress: { now in
                    if now.file == "model.safetensors" { arrived.withLock { $0 = max($0, now.bytes) } }
                })
            let task = Task { try await hub.pull(HubServer.repository) }
            while arrived.withLock({ $0 }) < 40_000 { try await Task.sleep(for: .milliseconds(5)) }
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            try expectWhole(try await hub.pull(HubServer.repository))
            let ranges = server.contents.requests.map { $0.headers["range"] ?? "all" }
            #expect(ranges.count == 2 && ranges[1].hasPrefix("bytes=") && ranges[1] != "bytes=0-")
        }
    }

    @Test func twoPullsAtOnceDownloadOnce() async throws {
        try await TemporaryFolder.with { folder in
            let server = try HubServer { _ in
                nil
            } contents: { request in
                var response = HubServer.content(Self.weights, request)
                response.delivery = .drip(bytes: 50_000, pause: 0.03)
                return response
            }
            defer { server.stop() }
            let hub = try hub(server, folder)
            async let one = hub.pull(HubServer.repository)
            async let two = hub.pull(HubServer.repository)
            #expect(try await one == two)
            try expectWhole(try await one)
            #expect(server.contents.requests.count == 1)
        }
    }

    // MARK: - Refusals

    @Test(
        arguments: [
            (
                404, "RepoNotFound", nil,
                "has no 'org/tiny-encoder' at revision 'v9', or shows it only with a token: gone"
            ),
            (
                401, "RepoNotFound", nil,
                "has no 'org/tiny-encoder' at revision 'v9', or shows it only with a token: gone"
            ),
            (
                401, "GatedRepo", nil,
                "answered 401 for 'org/tiny-encoder': gone; set HF_TOKEN to a token that may read it"
            ),
            (
                403, "GatedRepo", "hf_x",
                "answered 403 for 'org/tiny-encoder': gone; set HF_TOKEN to a token that may read it"
            ),
            (401, "", "hf_x", "answered 401 for 'org/tiny-encoder': gone; set HF_TOKEN to a token that may read it"),
            (451, "", nil, "answered 451: gone"),
            (429, "", nil, "'org/tiny-encoder' could not be pulled after 4 attempts; the last: 429 gone"),
            (500, "", nil, "'org/tiny-encoder' could not be pulled after 4 attempts; the last: 500 gone"),
        ] as [(Int, String, String?, String)])
    func refusalsAreClear(status: Int, code: String, token: String?, expected: String) async throws {
        try await TemporaryFolder.with { folder in
            let server = try HubServer { _ in
                .text(
                    #"{"error":"inner words"}"#, status: status,
                    headers: ["X-Error-Code": code, "X-Error-Message": "gone"])
            }
            defer { server.stop() }
            let text = await message {
                _ = try await hub(server, folder, token: token).pull(HubServer.repository, revision: "v9")
            }
            #expect(text.hasSuffix(expected), "\(text)")
        }
    }

    @Test func repositoriesWithoutUsableFiles() async throws {
        let config = Array("{}".utf8)
        for (files, expected) in [
            (
                ["config.json": config, "pytorch_model.bin": config],
                "it holds only pytorch_model.bin; weights are read from"
            ),
            (["config.json": config], "it holds no weights"), (["README.md": config], "it holds no config.json"),
        ] {
            try await TemporaryFolder.with { folder in
                let server = try HubServer(files: files)
                defer { server.stop() }
                let text = await message { _ = try await hub(server, folder).pull(HubServer.repository) }
                #expect(text.contains(expected), "\(text)")
                #expect(server.hub.requests.count == 1)
            }
        }
    }

    @Test(arguments: ["", "a/b/c", "../x", "a/..", "/abs", "a b", "a--b/c", ".hidden", "org/", "-x/y", "a/b?c"])
    func malformedNamesAreNotAsked(name: String) async throws {
        try await TemporaryFolder.with { folder in
            let server = try HubServer()
            defer { server.stop() }
            let text = await message { _ = try await hub(server, folder).pull(name) }
            #expect(text.hasPrefix("model repository '\(name)': write ORGANISATION/NAME"), "\(text)")
            #expect(server.hub.requests.isEmpty)
        }
    }

    @Test func aHubThatAnswersWithAPage() async throws {
        try await TemporaryFolder.with { folder in
            let server = try HubServer { _ in .text("<html>Sign in</html>", type: "text/html") }
            defer { server.stop() }
            let text = await message { _ = try await hub(server, folder).pull(HubServer.repository) }
            #expect(text.hasSuffix("unusable answer: no list of files: HTML page: Sign in"), "\(text)")
        }
    }

    @Test func renamedRepositoriesAreFollowedOnTheHub() async throws {
        try await TemporaryFolder.with { folder in
            let server = try HubServer { request in
                guard request.target.contains("old/name") else { return nil }
                return StubHTTPServer.Response(
                    status: 307,
                    headers: [
                        "Location": request.target.replacingOccurrences(of: "old/name", with: HubServer.repository)
                    ])
            }
            defer { server.stop() }
            try expectWhole(try await hub(server, folder).pull("old/name"))
        }
    }

    // MARK: - Finding

    @Test func namesResolveToFolders() async throws {
        try await TemporaryFolder.with { folder in
            let server = try HubServer()
            defer { server.stop() }
            let hub = try hub(server, folder, offline: true)
            let missing = await message { _ = try hub.resolve("org/some-model", revision: "v2") }
            #expect(missing.hasSuffix("pull it with: mafin model pull org/some-model --revision v2"), "\(missing)")
            let offline = await message { _ = try await hub.pull("org/some-model") }
            #expect(offline.contains("HF_HUB_OFFLINE forbids the download"))

            try folder.write("{}", to: "models/some-model/config.json")
            #expect(throws: ModelError.self) { try hub.resolve("org/some-model") }  // no weights yet
            try folder.write("x", to: "models/some-model/model.safetensors")
            #expect(try hub.resolve("org/some-model").lastPathComponent == "some-model")
            let local = folder.url.appendingPathComponent("models/some-model").path
            #expect(try hub.resolve(local).path == local)
            let empty = await message { _ = try hub.resolve(folder.url.path) }
            #expect(empty.hasSuffix("the folder lacks config.json or model.safetensors"))
            let absent = await message { _ = try hub.resolve(folder.url.path + "/nowhere") }
            #expect(absent.hasSuffix("no such folder"))
            #expect(server.hub.requests.isEmpty)
        }
    }

    @Test func pullsGoThroughTheProxy() async throws {
        let proxy = try StubHTTPServer { _ in .text(#"{"error":"not here"}"#, status: 404) }
        defer { proxy.stop() }
        try await TemporaryFolder.with { folder in
            let hub = try ModelHub(
                location: HubLocation(endpoint: "http://hub.invalid", cache: folder.url),
                connection: ConnectionSettings(proxy: proxy.url))
            await #expect(throws: ProviderError.self) { try await hub.pull("org/tiny-encoder") }
            // The client uses a CONNECT tunnel for plain HTTP, too.
            #expect(proxy.requests.first?.method == "CONNECT" && proxy.requests.first?.target == "hub.invalid:80")
        }
    }

    @Test func theEnvironmentIsReadAsHuggingFaceReadsIt() async throws {
        try await TemporaryFolder.with { folder in
            func location(_ environment: [String: String]) throws -> HubLocation {
                try HubLocation(environment: environment)
            }
            let plain = try location(["HOME": folder.url.path])
            #expect(plain.endpoint == "https://huggingface.co" && plain.token == nil && !plain.isOffline)
            #expect(plain.cache.path == folder.url.path + "/.cache/huggingface/hub")
            // Whether an encoder is found does not depend on the working directory.
            #expect(plain.modelFolders.map(\.path) == [folder.url.path + "/.cache/mafin/models"])

            try folder.write("hf_file\n", to: "home/token")
            let set = try location([
                "HF_HOME": folder.url.path + "/home", "HF_ENDPOINT": "http://mirror:8/", "HF_HUB_OFFLINE": "1",
                "MAFIN_MODELS": "/models",
            ])
            #expect(set.cache.path == folder.url.path + "/home/hub" && set.endpoint == "http://mirror:8")
            #expect(try set.token == APIKey("hf_file") && set.isOffline)
            #expect(set.modelFolders.first?.path == "/models")

            let other = try location([
                "HF_HOME": "/h", "HF_HUB_CACHE": "/cache", "HF_TOKEN": "hf_variable", "XDG_CACHE_HOME": "/x",
            ])
            #expect(try other.cache.path == "/cache" && other.token == APIKey("hf_variable"))
            #expect(try location(["XDG_CACHE_HOME": "/x"]).cache.path == "/x/huggingface/hub")
            #expect(throws: ProviderError.self) { try location(["HF_ENDPOINT": "mirror"]) }
        }
    }
}
