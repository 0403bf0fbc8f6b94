import Foundation
import HTTPTypes
import MafinBlackBox
import MafinTestSupport
import Synchronization
import Testing

@testable import MafinServer

@Suite struct AccessTests {
    private let toy: ToyArtefact

    init() throws { toy = try ToyArtefact() }

    @Test func pagesFromElsewhereCannotAsk() async throws {
        let body = Data(#"{"input": "w1"}"#.utf8)
        let toy = toy
        try await toy.service().serving { client in
            func status(_ headers: [String: String]) async throws -> Int {
                try await client.send("POST", "/v1/embeddings", headers, body).status
            }
            // Without a CORS preflight a page can send only three content types, or none.
            #expect(try await status([:]) == 415)
            for type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonp"]
            {
                #expect(try await status(["content-type": type]) == 415, "\(type)")
            }
            let json = ["content-type": "Application/JSON; charset=utf-8"]
            #expect(try await status(json) == 200)
            #expect(toy.blackBox.calls.count == 1)
            let own = "http://127.0.0.1:\(client.port)"
            #expect(try await status(json.merging(["origin": own]) { $1 }) == 200)
            for origin in ["https://a.example", "null", "http://127.0.0.1:1", "http://localhost:\(client.port)"] {
                let answer = try await client.post("/v1/embeddings", ["input": "w1"], ["origin": origin])
                #expect(answer.status == 403 && answer.code == "foreign_origin", "\(origin)")
                #expect(try await client.get("/v1/models", ["origin": origin]).status == 403)
            }
        }
        var options = ServiceOptions()
        options.allowedOrigins = ["https://a.example"]
        try await toy.service(options).serving { client in
            let answer = try await client.post("/v1/embeddings", ["input": "w1"], ["origin": "https://a.example"])
            #expect(answer.status == 200)
            let exposed = try #require(answer.header("access-control-expose-headers"))
            #expect(exposed.contains("Retry-After") && exposed.contains("X-Request-Id"))
            // OpenAI's client in a browser sends headers of its own.
            let wanted = "api-key,authorization,content-type,x-stainless-lang,x-stainless-package-version,x-evil"
            let asked = try await client.send(
                "OPTIONS", "/v1/embeddings",
                ["origin": "https://a.example", "access-control-request-headers": wanted])
            let allowed = try #require(asked.header("access-control-allow-headers")).lowercased()
            for name in wanted.split(separator: ",") {
                #expect(allowed.contains(name) == (name != "x-evil"), "\(name)")
            }
        }
        // Such a page does not have a key.
        try await toy.service(keys: try KeyRing(keys: "a-key-of-the-test")).serving { client in
            let headers = ["origin": "https://a.example", "authorization": "Bearer a-key-of-the-test"]
            let answer = try await client.post("/v1/embeddings", ["input": "w1"], headers)
            #expect(answer.status == 200)
        }
    }

    /// DNS rebinding: if an attacker's host name resolves to this machine, the browser takes both for the same origin.
    @Test func onlyItsOwnNamesAreAnsweredWithoutKeys() async throws {
        var options = ServiceOptions()
        options.allowedHosts = ["127.0.0.1", "localhost", "[::1]"]
        let own = try KeyRing(keys: "a-key-of-the-test")
        try await toy.service(options).serving { client in
            for host in ["127.0.0.1:\(client.port)", "LOCALHOST:1", "localhost", "[::1]:8080", "[::1]"] {
                #expect(try await client.get("/v1/models", ["host": host]).status == 200, "\(host)")
            }
            for host in ["a.example:\(client.port)", "a.example", "127.0.0.1.a.example"] {
                let answer = try await client.get("/v1/models", ["host": host, "origin": "http://\(host)"])
                #expect(answer.status == 403 && answer.code == "foreign_host", "\(host)")
            }
            for path in ["/livez", "/readyz", "/metrics", "/openapi.json", "/"] {
                #expect(try await client.get(path, ["host": "a.example"]).status == 403, "\(path)")
            }
        }
        try await toy.service(options, keys: own).serving { client in
            let headers = ["host": "a.example", "authorization": "Bearer a-key-of-the-test"]
            let answer = try await client.get("/v1/models", headers)
            #expect(answer.status == 200)
        }
    }

    @Test func theReportIsAClickAwayWithAKeyToo() async throws {
        var options = ServiceOptions()
        options.report = try toy.folder.write("<h1>Report</h1>", to: "report.html")
        let key = ["authorization": "Bearer a-key-of-the-test"]
        try await toy.service(options, keys: try KeyRing(keys: "a-key-of-the-test")).serving { client in
            #expect(try await client.get("/").text.contains("\"hasKeys\":true"))
            #expect(try await client.get("/report").status == 401)
            #expect(try await client.send("POST", "/report").status == 401)
            let ticket = try await client.send("POST", "/report", key)
            let cookie = try #require(ticket.header("set-cookie"))
            #expect(ticket.status == 204 && cookie.hasSuffix("; Path=/report; Max-Age=600; HttpOnly; SameSite=Strict"))
            #expect(!cookie.contains("a-key-of-the-test"))
            let pair = String(cookie.prefix { $0 != ";" })
            let report = try await client.get("/report", ["cookie": "other=1; \(pair)"])
            #expect(report.status == 200 && report.text == "<h1>Report</h1>")
            // Whatever the file contains, it runs in a sandbox and can send no request.
            let policy = try #require(report.header("content-security-policy"))
            #expect(policy.hasPrefix("sandbox allow-scripts;") && policy.contains("default-src 'none'"))
            #expect(!policy.contains("allow-same-origin") && !policy.contains("connect-src"))
            // The cookie opens nothing else, and is refused if it was changed.
            #expect(try await client.get("/v1/models", ["cookie": pair]).status == 401)
            #expect(try await client.send("POST", "/report", ["cookie": pair]).status == 401)
            for wrong in [
                pair + "0", String(pair.dropLast(2)), "mafin-report=..", "mafin-report",
            ] {
                #expect(try await client.get("/report", ["cookie": wrong]).status == 401, "\(wrong)")
            }
        }
        // A ticket is not valid in another process, after it has expired, or after its key was removed.
        let ring = try KeyRing(keys: "a-key-of-the-test")
        let alice = try #require(ring.key(of: "a-key-of-the-test"))
        let tickets = ReportTickets()
        let cookie = tickets.cookie(for: alice, isSecure: true)
        #expect(cookie.hasSuffix("; SameSite=Strict; Secure"))
        let pair = String(cookie.prefix { $0 != ";" })
        #expect(tickets.key(in: [.cookie: pair]) == alice)
        #expect(ReportTickets().key(in: [.cookie: pair]) == nil)
        let short = ReportTickets(lifetime: .zero)
        #expect(short.key(in: [.cookie: String(short.cookie(for: alice, isSecure: false).prefix { $0 != ";" })]) == nil)
        let file = try toy.folder.write("alice first-key-of-alice\n", to: "keys")
        let keys = try KeyRing(file: file)
        try await toy.service(options, keys: keys).serving { client in
            let ticket = try await client.send("POST", "/report", ["authorization": "Bearer first-key-of-alice"])
            let pair = String(try #require(ticket.header("set-cookie")).prefix { $0 != ";" })
            #expect(try await client.get("/report", ["cookie": pair]).status == 200)
            try Data("alice second-key-of-alice\n".utf8).write(to: file)
            #expect(keys.refresh() != nil)
            #expect(try await client.get("/report", ["cookie": pair]).status == 401)
        }
        // Without keys the link is enough.
        try await toy.service(options).serving { client in
            let report = try await client.get("/report")
            #expect(report.status == 200)
        }
        try await toy.service().serving { client in
            let none = try await client.get("/report")
            #expect(none.message.contains("mafin compare"))
        }
    }

    @Test func longInputIsShortenedInMessages() async throws {
        let long = String(repeating: "x", count: 100_000)
        let lines = Mutex<[String]>([])
        try await toy.service(log: ServiceLog { line in lines.withLock { $0.append(line) } }).serving { client in
            for body in [
                ["input": "w1", "encoding_format": long], ["input": "w1", "input_type": long],
                ["input": "w1", "output_dtype": long], ["input": "w1", "model": long],
            ] {
                let answer = try await client.post("/v1/embeddings", body)
                #expect([400, 404].contains(answer.status) && answer.message.contains("xxx…"), "\(answer.status)")
                #expect(answer.message.utf8.count < 500)
            }
            let cohere = ["texts": ["w1"], "input_type": "search_query"] as [String: Any]
            for (field, value) in [("truncate", long), ("embedding_types", [long])] as [(String, Any)] {
                let answer = try await client.post("/v2/embed", cohere.merging([field: value]) { $1 })
                #expect(answer.status == 400 && answer.text.utf8.count < 500)
            }
            #expect(try await client.get("/" + long.prefix(5000)).text.utf8.count < 700)
            #expect(try await client.send("PUT", "/v1/models/" + long.prefix(5000)).text.utf8.count < 700)
        }
        #expect(lines.withLock { $0 }.allSatisfy { $0.utf8.count < 1200 })
        #expect("a\u{301}bc".clipped(to: 2) == "a\u{301}…" && "abc".clipped(to: 3) == "abc" && "".clipped == "")
    }

    @Test func theDescriptionIsOfThisService() async throws {
        let toy = toy
        try await toy.writeIndex()
        var options = ServiceOptions()
        (options.maximumInputs, options.defaultRole) = (7, .query)
        @Sendable func described(_ client: Client) async throws -> [String: [String: Any]] {
            let answer = try await client.get("/openapi.json")
            #expect(!answer.text.contains("MAFIN_"))
            let components = try #require(answer.json["components"] as? [String: Any])
            let schemas = try #require(components["schemas"] as? [String: [String: Any]])
            return schemas.compactMapValues { $0["properties"] as? [String: Any] }
        }
        @Sendable func number(_ value: Any?, _ key: String) -> Int? { (value as? [String: Any])?[key] as? Int }
        try await toy.service(options, withIndex: true).serving { client in
            let schemas = try await described(client)
            #expect(number(schemas["CohereRequest"]?["texts"], "maxItems") == 7)
            #expect(number(schemas["Model"]?["dimension"], "const") == 48)
            #expect(number(schemas["Model"]?["black_box_dimension"], "const") == 16)
            let dimensions = try #require(schemas["EmbeddingsRequest"]?["dimensions"] as? [String: Any])
            #expect((dimensions["enum"] as? [Any])?.first as? Int == 48)
            let model = try #require(schemas["EmbeddingsRequest"]?["model"] as? [String: Any])
            #expect((model["enum"] as? [Any])?[1] as? String == "toy:query")
            #expect(number(schemas["SearchRequest"]?["lambda"], "maximum") == 1)
            #expect(schemas["AskedWeights"]?.keys.sorted() == ["black-box", "local"])
            let answer = try await client.post("/explain", ["query": "w1", "document": "no such"])
            #expect(answer.status == 404 && answer.code == "document_not_found", "\(answer.text)")
        }
    }
}
