import Foundation
import HTTPTypes
import MafinBlackBox
import MafinNumerics
import MafinTestSupport
import Synchronization
import Testing

@testable import MafinServer

@Suite struct OperationsTests {
    private let toy: ToyArtefact

    init() throws { toy = try ToyArtefact() }

    /// What the service logged.
    private final class Lines: Sendable {
        private let lines = Mutex<[String]>([])
        var log: ServiceLog { ServiceLog { [self] line in lines.withLock { $0.append(line) } } }
        var all: [String] { lines.withLock { $0 } }
        func requests() throws -> [[String: Any]] {
            try all.map { try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]) }
                .filter { $0["event"] as? String == "request" }
        }
    }

    @Test func keysAreAskedForAndRotated() async throws {
        let file = try toy.folder.write("# clients\nalice secret-one\nsecret-two-of-nobody\n", to: "keys")
        let keys = try KeyRing(keys: "from-the-environment", file: file)
        let lines = Lines()
        try await toy.service(keys: keys, log: lines.log).serving { client in
            func status(_ headers: [String: String]) async throws -> Int {
                try await client.post("/v1/embeddings", ["input": "w1"], headers).status
            }
            let missing = try await client.post("/v1/embeddings", ["input": "w1"])
            #expect(
                missing.status == 401 && missing.code == "missing_api_key"
                    && missing.header("www-authenticate") == "Bearer")
            #expect(try await status(["authorization": "Bearer secret-one"]) == 200)
            #expect(try await status(["authorization": "bearer secret-two-of-nobody"]) == 200)
            #expect(try await status(["api-key": "from-the-environment"]) == 200)
            #expect(try await status(["authorization": "Bearer secret-on"]) == 401)
            #expect(try await status(["authorization": "Bearer secret-one "]) == 200)
            #expect(try await status(["authorization": "Basic secret-one"]) == 401)
            for path in ["/livez", "/readyz", "/metrics", "/", "/openapi.json"] {
                #expect(try await client.get(path).status == 200, "\(path)")
            }
            #expect(try await client.get("/v1/models").status == 401)

            try Data("bob secret-three\n".utf8).write(to: file)
            #expect(keys.refresh() == "1 keys read from \(file.path)" && keys.refresh() == nil)
            #expect(try await status(["authorization": "Bearer secret-three"]) == 200)
            #expect(try await status(["authorization": "Bearer secret-one"]) == 401)
            // With a damaged file all keys stay valid.
            try Data("bob three words here\n".utf8).write(to: file)
            #expect(keys.refresh()?.contains("stay as they were") == true)
            #expect(try await status(["authorization": "Bearer secret-three"]) == 200)
            // The keys of an emptied file are no longer valid, and the service does not become open to everyone.
            try Data("# nobody\n".utf8).write(to: file)
            #expect(keys.refresh() != nil)
            #expect(try await status(["authorization": "Bearer secret-three"]) == 401)
            #expect(try await status([:]) == 401)
            #expect(try await status(["api-key": "from-the-environment"]) == 200)
        }
        let text = lines.all.joined(separator: "\n")
        for secret in ["secret-one", "secret-two", "from-the-environment", "secret-three"] {
            #expect(!text.contains(secret))
        }
        #expect(text.contains("\"key\":\"alice\""))
        // A '#' inside a key is part of the key.
        try Data("alice abcd1234#rest # her key\n#no-key-at-all\n".utf8).write(to: file)
        let ring = try KeyRing(file: file)
        #expect(ring.key(of: "abcd1234#rest")?.name == "alice" && ring.key(of: "abcd1234") == nil)
        let lone = try KeyRing(file: file)
        try Data().write(to: file)
        #expect(lone.refresh()?.contains("no key is left") == true)
        #expect(lone.areRequired && lone.key(of: "abcd1234#rest") == nil)
        #expect(throws: KeyError.self) { try KeyRing(keys: "short") }
        #expect(throws: KeyError.self) { try KeyRing(keys: "  , ") }
        #expect(throws: KeyError.self) { try KeyRing(file: URL(fileURLWithPath: "/nonexistent")) }
    }

    @Test func degradedServiceSaysSo() async throws {
        let toy = toy
        toy.blackBox.behaviour.withLock { $0.isAway = true }
        let lines = Lines()
        try await toy.service(log: lines.log).serving { client in
            let answer = try await client.post("/v1/embeddings", ["input": "w1", "input_type": "query"])
            #expect(
                answer.status == 503 && answer.code == "black_box_unavailable"
                    && answer.message == "the black box does not answer at the moment")
            #expect(Int(answer.header("retry-after") ?? "") ?? 0 >= 1)
            let ready = try await client.get("/readyz")
            #expect(ready.status == 503)
            #expect(ready.json["black_box"] as? String == "the black box does not answer at the moment")
            #expect(ready.json["local"] as? String == "ok")
            #expect(try await client.get("/livez").status == 200)
        }
        // The black box's message is for the operator only.
        #expect(lines.all.contains { $0.contains("the toy is away") })
        var options = ServiceOptions()
        options.degrades = true
        try await toy.writeIndexWhileAwake()
        try await toy.service(options, withIndex: true).serving { client in
            let answer = try await client.post("/v1/embeddings", ["input": "w1", "input_type": "query"])
            #expect(answer.status == 200 && answer.header("x-mafin-degraded") == "black_box")
            let vector = try answer.vectors()[0]
            #expect(vector.prefix(ToyBlackBox.dimension).allSatisfy { $0 == 0 })
            #expect(distance(vector, try toy.expected("w1", .query, lambda: 1)) < 1e-5)
            #expect((answer.json["degraded"] as? [String: Any])?["half"] as? String == "black_box")
            // An index would keep a wrong vector of a document.
            let document = try await client.post("/v1/embeddings", ["input": "w1", "input_type": "document"])
            #expect(document.status == 503)
            let search = try await client.post("/search", ["query": "w3"])
            #expect(search.status == 200 && search.json["black_box_asked"] as? Bool == false)
            #expect(search.json["lambda"] as? Double == 1)
            let ready = try await client.get("/readyz")
            #expect(ready.status == 200 && ready.json["status"] as? String == "degraded")
            #expect(try await client.get("/metrics").text.contains("mafin_degraded_total 2"))
        }
    }

    @Test func metricsAreWhatPrometheusReads() async throws {
        var options = ServiceOptions()
        options.pricePerMillionTokens = 0.1
        try await toy.service(options).serving { client in
            for _ in 0..<3 { _ = try await client.post("/v1/embeddings", ["input": ["w1", "w2"]]) }
            _ = try await client.post("/v1/embeddings", ["input": ""])
            _ = try await client.get("/not/ours/\"quoted\"".replacing("\"", with: "%22"))
            let text = try await client.get("/metrics").text
            var types: [String: String] = [:]
            for line in text.split(separator: "\n") {
                if line.hasPrefix("# TYPE ") {
                    let words = line.split(separator: " ")
                    #expect(types.updateValue(String(words[3]), forKey: String(words[2])) == nil, "\(line) twice")
                } else if !line.hasPrefix("#") {
                    #expect(
                        line.wholeMatch(of: #/[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? -?[0-9.e+-]+/#) != nil,
                        "\(line)")
                    let name = line.prefix { $0 != "{" && $0 != " " }
                    let base = ["_bucket", "_sum", "_count"].first { name.hasSuffix($0) }.map {
                        String(name.dropLast($0.count))
                    }
                    #expect(types[String(name)] != nil || base.map { types[$0] == "histogram" } == true, "\(line)")
                }
            }
            #expect(
                text.contains("mafin_http_requests_total{path=\"/v1/embeddings\",method=\"POST\",status=\"200\"} 3"))
            #expect(
                text.contains("mafin_http_requests_total{path=\"/v1/embeddings\",method=\"POST\",status=\"400\"} 1"))
            #expect(text.contains("mafin_http_requests_total{path=\"other\",method=\"GET\",status=\"404\"} 1"))
            #expect(text.contains("mafin_inputs_total{role=\"document\"} 6"))
            #expect(text.contains("mafin_tokens_total{role=\"document\"} 24"))
            #expect(text.contains("mafin_stage_duration_seconds_count{stage=\"local\"} 3"))
            #expect(text.contains("mafin_black_box_calls_total{outcome=\"answered\"} 3"))
        }
    }

    /// What an operator needs before the day's budget is reached.
    @Test func moneyIsInTheMetrics() async throws {
        let figures = Mutex<SpendingFigures?>(SpendingFigures(today: 1.25, limitPerDay: 5))
        try await toy.service(spending: { figures.withLock { $0 } }).serving { client in
            let bounded = try await client.get("/metrics").text
            #expect(bounded.contains("# TYPE mafin_black_box_spent_today gauge\nmafin_black_box_spent_today 1.25\n"))
            #expect(bounded.contains("\nmafin_black_box_budget_today 5\n"))
            figures.withLock { $0 = SpendingFigures(today: 0) }
            let free = try await client.get("/metrics").text
            #expect(free.contains("\nmafin_black_box_spent_today 0\n") && !free.contains("budget_today"))
            figures.withLock { $0 = nil }
            let unknown = try await client.get("/metrics").text
            #expect(!unknown.contains("_today"))
        }
        try await toy.service().serving { client in
            let none = try await client.get("/metrics").text
            #expect(!none.contains("_today"))
        }
    }

    @Test func requestsAreLoggedAndTraced() async throws {
        let lines = Lines()
        let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        try await toy.service(log: lines.log).serving { client in
            let answer = try await client.post(
                "/v1/embeddings", ["input": ["w1", "w2 hidden-word"]],
                ["x-request-id": "my-id.1", "traceparent": trace])
            #expect(answer.header("x-request-id") == "my-id.1")
            let header = try #require(answer.header("traceparent"))
            #expect(
                header.hasPrefix("00-0af7651916cd43dd8448eb211c80319c-") && header.hasSuffix("-01") && header != trace)
            let other = try await client.get(
                "/livez", ["x-request-id": "not usable!", "traceparent": "00-0-0-0"])
            #expect(try #require(other.header("x-request-id")).count == 16)
        }
        let requests = try lines.requests()
        let first = try #require(requests.first { $0["id"] as? String == "my-id.1" })
        #expect(first["trace_id"] as? String == "0af7651916cd43dd8448eb211c80319c" && first["status"] as? Int == 200)
        #expect(first["inputs"] as? Int == 2 && first["path"] as? String == "/v1/embeddings")
        #expect(first["remote"] as? String == "127.0.0.1")
        #expect(!lines.all.joined().contains("hidden-word"))
        #expect(RequestTrace.parse("00-\(String(repeating: "0", count: 32))-b7ad6b7169203331-01") == nil)
        #expect(RequestTrace.parse("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01") == nil)
        #expect(RequestTrace.parse("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what") != nil)
        #expect(RequestTrace.parse(trace + "-more") == nil)
    }

    /// Calls to the black box carry the trace of the request.
    @Test func theTraceGoesOnToTheBlackBox() async throws {
        let seen = Mutex<[String]>([])
        let toy = toy
        let service = try await MafinService(options: ServiceOptions(), keys: KeyRing()) { _ in
            LoadedArtefact(
                model: try toy.model(),
                blackBox: TracedBlackBox(base: toy.blackBox) { trace in seen.withLock { $0.append(trace ?? "none") } })
        }
        try await service.serving { client in
            let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
            let answer = try await client.post("/v1/embeddings", ["input": "w1"], ["traceparent": trace])
            #expect(answer.status == 200 && seen.withLock { $0 } == [answer.header("traceparent")])
        }
    }

    @Test func browsersElsewhereAreToldNothingUnlessAllowed() async throws {
        try await toy.service().serving { client in
            let answer = try await client.send("OPTIONS", "/search", ["origin": "https://a.example"])
            #expect(answer.status == 405 && answer.header("access-control-allow-origin") == nil)
            let page = try await client.get("/")
            #expect(page.header("content-security-policy")?.contains("default-src 'none'") == true)
            #expect(page.header("content-type") == "text/html; charset=utf-8")
            #expect(try await client.send("HEAD", "/").status == 200)
        }
        var options = ServiceOptions()
        options.allowedOrigins = ["https://a.example"]
        try await toy.service(options).serving { client in
            let answer = try await client.send("OPTIONS", "/search", ["origin": "https://a.example"])
            #expect(answer.status == 204 && answer.header("access-control-allow-origin") == "https://a.example")
            let other = try await client.get("/livez", ["origin": "https://b.example"])
            #expect(other.header("access-control-allow-origin") == nil)
        }
    }

    @Test func theDescriptionNamesWhatIsThere() async throws {
        try await toy.service().serving { client in
            let answer = try await client.get("/openapi.json")
            let paths = try #require(answer.json["paths"] as? [String: Any])
            #expect(Set(paths.keys) == Set(Route.allCases.map(\.path)), "\(paths.keys.sorted())")
            for route in Route.allCases {
                let methods = try #require(paths[route.path] as? [String: Any]).keys.filter { $0 != "parameters" }
                #expect(Set(methods) == Set(route.methods.map { $0.rawValue.lowercased() }), "\(route.path)")
            }
        }
    }
}

/// A black box that records the trace of each call.
private struct TracedBlackBox: BlackBox {
    let base: ToyBlackBox
    let trace: @Sendable (String?) -> Void
    var identity: BlackBoxIdentity { base.identity }

    func embed(_ items: [EmbeddingItem], as role: TextRole) async throws -> Matrix {
        trace(OutgoingTrace.header)
        return try await base.embed(items, as: role)
    }
}

extension ToyArtefact {
    /// Writes the index. The black box is set to be available for the time of writing.
    func writeIndexWhileAwake() async throws {
        blackBox.behaviour.withLock { $0.isAway = false }
        try await writeIndex()
        blackBox.behaviour.withLock { $0.isAway = true }
    }
}
