import Foundation
import MafinBlackBox
import MafinNumerics
import MafinTestSupport
import Testing

@testable import MafinProviders

@Suite struct ProfileTests {
    // MARK: - Built-in profiles

    @Test(arguments: ProfileCatalog.builtIn.names)
    func builtInProfilesComeBackFromTheirTOML(name: String) throws {
        let profile = try ProfileCatalog.builtIn.profile(name)
        #expect(profile.name == name)
        let again = try ProviderProfile(toml: profile.toml, source: "again")
        #expect(again.definition == profile.definition)
    }

    @Test(
        arguments: [
            ("openai", nil, "m", "https://api.openai.com/v1/embeddings", "https://api.openai.com/v1"),
            (
                "azure", "https://r.openai.azure.com", "dep", "https://r.openai.azure.com/openai/v1/embeddings",
                "https://r.openai.azure.com/openai/v1"
            ),
            (
                "azure", "https://r.openai.azure.com/openai/v1/", "dep",
                "https://r.openai.azure.com/openai/v1/embeddings", "https://r.openai.azure.com/openai/v1"
            ),
            (
                "azure-classic", "https://r.openai.azure.com", "dep",
                "https://r.openai.azure.com/openai/deployments/dep/embeddings?api-version=2024-10-21",
                "https://r.openai.azure.com/openai"
            ),
            ("cohere", nil, "embed-v4.0", "https://api.cohere.com/v2/embed", "https://api.cohere.com/v2"),
            ("voyage", nil, "voyage-3.5", "https://api.voyageai.com/v1/embeddings", "https://api.voyageai.com/v1"),
            (
                "gemini", nil, "gemini-embedding-001",
                "https://generativelanguage.googleapis.com/v1beta/models/gemini-embedding-001:batchEmbedContents",
                "https://generativelanguage.googleapis.com/v1beta"
            ),
            ("mistral", nil, "mistral-embed", "https://api.mistral.ai/v1/embeddings", "https://api.mistral.ai/v1"),
            ("jina", nil, "jina-embeddings-v3", "https://api.jina.ai/v1/embeddings", "https://api.jina.ai/v1"),
            (
                "ollama", nil, "nomic-embed-text:latest", "http://localhost:11434/api/embed",
                "http://localhost:11434/api"
            ),
            ("ollama", "http://box:11434", "m", "http://box:11434/api/embed", "http://box:11434/api"),
            ("tei", "http://h:8080", "m", "http://h:8080/embed", "http://h:8080"),
            ("infinity", "http://h:7997", "m", "http://h:7997/embeddings", "http://h:7997"),
            (
                "openai", "http://h:7997/proxy/openai", "m", "http://h:7997/proxy/openai/embeddings",
                "http://h:7997/proxy/openai"
            ),
        ] as [(String, String?, String, String, String)])
    func addresses(name: String, base: String?, model: String, url: String, endpoint: String) throws {
        let box = try ProviderBlackBox(ProfileCatalog.builtIn.profile(name), model: model, baseURL: base)
        #expect(box.url == url)
        #expect(box.identity.endpoint == endpoint && box.identity.provider == name && box.identity.model == model)
    }

    @Test func providersWithoutAnAddressSayWhatToName() async throws {
        let text = await message { _ = try ProviderBlackBox(ProfileCatalog.builtIn.profile("azure"), model: "m") }
        #expect(text == "'azure': this provider has no address of its own; pass yours, like https://host/openai/v1")
    }

    @Test func keysOfVoyagesOtherAddressGoThere() throws {
        let profile = try ProfileCatalog.builtIn.profile("voyage")
        let usual = try ProviderBlackBox(profile, model: "m", apiKey: APIKey("pa-1234567890"))
        let other = try ProviderBlackBox(profile, model: "m", apiKey: APIKey("al-1234567890"))
        #expect(usual.url == "https://api.voyageai.com/v1/embeddings")
        #expect(other.url == "https://ai.mongodb.com/v1/embeddings")
        #expect(usual.identity == other.identity)  // the same vectors: nothing is paid twice
    }

    /// Fields of a request other than the texts are part of a vector's key, unless they are those that the library
    /// sends by default.
    @Test func requestsOfOnesOwnHaveVectorsOfTheirOwn() throws {
        func request(_ profile: ProviderProfile, _ headers: [String: String] = [:], model: String = "m") throws
            -> String?
        {
            try ProviderBlackBox(
                profile, model: model, baseURL: "http://h/v1", options: ProviderBlackBox.Options(headers: headers)
            ).identity.request
        }
        for name in ProfileCatalog.builtIn.names where name != "anthropic" {
            #expect(try request(ProfileCatalog.builtIn.profile(name), model: "text-embedding-3-small") == nil)
        }
        let tei = try ProfileCatalog.builtIn.profile("tei")
        func changed(_ toml: String) throws -> String? { try request(tei.overriding(toml: toml, source: "mine")) }
        let body = { (rest: String) in "[request]\nbody = '{\"inputs\":\"$texts\"\(rest)}'" }
        let truncating = try changed(body(#","truncate":true"#))
        let plain = try changed(body(#","truncate":false"#))
        #expect(truncating != nil && truncating != plain)
        #expect(try changed("[endpoint]\nquery = \"pooling=cls\"") != nil)
        #expect(try changed("[limits]\nitems = 7") == nil)
        let openAI = try ProfileCatalog.builtIn.profile("openai")
        #expect(try request(openAI, ["X-Revision": "2"]) != nil)
        #expect(try request(openAI, ["X-Revision": "2"]) != request(openAI, ["x-revision": "3"]))
        #expect(try request(openAI, ["Authorization": "Bearer abc", "OpenAI-Organization": "org"]) == nil)
        // A profile of the user's whose requests equal those of the library.
        let house = try ProfileCatalog.builtIn.reading("name = \"house\"\nextends = \"cohere\"")
        #expect(try request(house) == nil)
        var (old, new) = (EmbeddingCacheTests.identity, EmbeddingCacheTests.identity)
        (old.request, new.request) = (nil, "0123456789abcdef")
        #expect(
            EmbeddingKey(identity: old, role: .document, text: "a")
                != EmbeddingKey(identity: new, role: .document, text: "a"))
        #expect(new.differences(from: old) == ["request '0123456789abcdef' instead of none"])
    }

    @Test func modelsHaveLimitsOfTheirOwn() throws {
        let voyage = try ProfileCatalog.builtIn.profile("voyage")
        #expect(try voyage.adapted(to: "voyage-code-3").limits.tokens == 120_000)
        #expect(try voyage.adapted(to: "voyage-3.5").limits.tokens == 320_000)
        #expect(try voyage.adapted(to: "voyage-3.5-lite").limits.tokens == 1_000_000)
        #expect(try voyage.adapted(to: "voyage-3-large").limits.tokens == 120_000)
        let cohere = try ProfileCatalog.builtIn.profile("cohere")
        #expect(try cohere.adapted(to: "embed-v4.0").limits.textTokens == 128_000)
        #expect(try cohere.adapted(to: "embed-english-v3.0").limits.textTokens == 512)
        #expect(try cohere.adapted(to: "embed-english-light-v3.0").vectors.nativeDimension == 384)
        #expect(
            try ProfileCatalog.builtIn.profile("openai").adapted(to: "text-embedding-3-large").vectors.nativeDimension
                == 3072)
    }

    @Test(arguments: [
        ("a", "a", true), ("a", "b", false), ("text-embedding-3-small", "text-*-small", true), ("abc", "*", true),
        ("Voyage-3.5-Lite", "voyage-*-lite", true), ("voyage-lite", "voyage-*-lite", false), ("ab", "a*b*", true),
        ("aXbYc", "a*b*c", true), ("aXc", "a*b*c", false), ("", "*", true),
    ])
    func patternsOfModels(model: String, pattern: String, expected: Bool) {
        #expect(ProviderProfile.matches(model, pattern) == expected)
    }

    @Test func dimensionsThatAProviderDoesNotHaveAreRefusedBeforeAsking() async throws {
        let cohere = try ProfileCatalog.builtIn.profile("cohere")
        let text = await message { _ = try ProviderBlackBox(cohere, model: "embed-v4.0", dimensions: 768) }
        #expect(text == "'cohere:embed-v4.0': 768 dimensions are not among those that it offers: 256, 512, 1024, 1536")
        _ = try ProviderBlackBox(cohere, model: "embed-v4.0", dimensions: 512)
    }

    // MARK: - Files of the user

    @Test func filesChangeAndAdd() async throws {
        try await TemporaryFolder.with { folder in
            try folder.write(
                """
                name = "openai"
                [limits]
                requests_per_minute = 500
                [[model]]
                match = "mine*"
                vectors = { native_dimension = 12 }
                """, to: "openai.toml")
            try folder.write(
                """
                name = "house"
                extends = "openai"
                title = "Our own"
                [endpoint]
                base_url = "https://embeddings.example.org/v2"
                key_variables = "HOUSE_KEY"
                headers = { X-Team = "search", X-Secret = "${HOUSE_SECRET}", X-Unset = "${NOT_SET}" }
                [request]
                query_prefix = "query: "
                [limits]
                items = 16
                """, to: "house.toml")
            let catalog = try ProfileCatalog(folder: folder.url)
            #expect(catalog.names.suffix(1) == ["house"] && catalog.isCustom("openai") && !catalog.isCustom("cohere"))
            let openAI = try catalog.profile("openai")
            #expect(openAI.limits.requestsPerMinute == 500 && openAI.limits.items == 2048)
            #expect(try openAI.adapted(to: "mine-1").vectors.nativeDimension == 12)
            #expect(try openAI.adapted(to: "text-embedding-3-small").vectors.nativeDimension == 1536)
            let house = try catalog.profile("house")
            #expect(house.limits.items == 16 && house.limits.requestsPerMinute == 500 && house.title == "Our own")
            #expect(house.endpoint.keyVariables == ["HOUSE_KEY"])
            let headers = house.endpoint.resolvedHeaders(environment: ["HOUSE_SECRET": "s3cret-value"])
            #expect(
                headers.map(\.name) == ["X-Secret", "X-Team"] && headers.map(\.value) == ["s3cret-value", "search"])
            let box = try ProviderBlackBox(house, model: "m", environment: [:])
            #expect(box.identity.queryPrefix == "query: " && box.url == "https://embeddings.example.org/v2/embeddings")
        }
    }

    @Test(arguments: [
        ("name = ", "line 1: "),
        ("name = \"x\"\n[limits]\nitem = 3", "limits.item: no such key"),
        ("name = \"x\"\n[limits]\nitems = 0", "limits.items: expected at least 1, found 0"),
        ("name = \"x\"\n[limits]\nitems = \"many\"", "limits.items: expected an integer, found a string"),
        ("name = \"X y\"", "name: expected a name of lower-case letters, digits and hyphens"),
        ("name = \"vectors\"", "name: 'vectors' is reserved"),
        ("name = \"x\"\nextends = \"nobody\"", "extends: expected the name of another profile"),
        ("name = \"x\"\nextends = \"x\"", "extends: expected the name of another profile"),
        ("name = \"x\"\n[request]\nbody = '{\"input\":\"$txts\"}'", "request.body: unknown variable $txts"),
        (
            "name = \"x\"\n[request]\nbody = '{\"input\":\"$text\"}'",
            "request.body: \"$text\" must be inside an array"
        ),
        (
            "name = \"x\"\n[request]\nbody = '{\"input\":[]}'",
            "request.body: it must contain \"$texts\" or \"$text\" exactly once"
        ),
        ("name = \"x\"\n[request]\nbody = '{\"input\"'", "request.body: malformed JSON"),
        ("name = \"x\"\n[request]\nquery_type = \"q\"", "request.query_type: query_type and document_type must be"),
        (
            "name = \"x\"\n[request]\nquery_type = \"q\"\ndocument_type = \"d\"",
            "request.body: it must contain $input_type"
        ),
        ("name = \"x\"\n[answer]\nvectors = \"data[0]\"", "answer.vectors: 'data[0]' is not a path"),
        (
            "name = \"x\"\n[vectors]\nunit_length = \"maybe\"",
            "vectors.unit_length: expected one of always, native, never, unknown"
        ),
        ("name = \"x\"\n[endpoint]\nkey_format = \"Bearer\"", "endpoint.key_format: $key is missing in it"),
        ("name = \"x\"\n[[model]]\nlimits = { items = 1 }", "model.match: it is missing"),
    ])
    func faultsOfFilesAreNamed(toml: String, expected: String) async throws {
        try await TemporaryFolder.with { folder in
            let file = try folder.write(toml, to: "x.toml")
            let text = await message { _ = try ProfileCatalog(folder: folder.url) }
            #expect(text.hasPrefix("\(file.path): \(expected)"), "\(text)")
        }
    }

    @Test func unknownProvidersAreNamed() async {
        let text = await message { _ = try ProfileCatalog.builtIn.profile("pigeon") }
        #expect(text.hasPrefix("no provider is called 'pigeon'; known are openai, azure, "))
    }

    @Test func placeOfTheFolder() {
        func path(_ environment: [String: String]) -> String {
            ProfileCatalog.standardFolder(environment: environment).path
        }
        #expect(path(["MAFIN_PROVIDERS": "/p", "XDG_CONFIG_HOME": "/x", "HOME": "/h"]) == "/p")
        #expect(path(["XDG_CONFIG_HOME": "/x", "HOME": "/h"]) == "/x/mafin/providers")
        #expect(path(["HOME": "/h"]) == "/h/.config/mafin/providers")
    }

    // MARK: - A server without a built-in profile

    @Test func aProfileAloneIsEnoughForAStrangeServer() async throws {
        let server = try StubHTTPServer { request in
            let body = request.json?["batch"] as? [[String: Any]] ?? []
            let rows = body.enumerated().reversed().map { index, item in
                #"{"n":\#(index),"v":{"dense":[\#((item["t"] as? String ?? "").utf8.count),4]}}"#
            }
            return .text(#"{"result":{"rows":[\#(rows.joined(separator: ","))]},"cost":{"tok":7}}"#)
        }
        defer { server.stop() }
        let profile = try ProviderProfile(
            toml: """
                name = "strange"
                [endpoint]
                path = "/do/$model/vectors"
                key_header = "X-Key"
                key_format = "Token token=$key"
                [request]
                body = '{"batch":[{"t":"$text","kind":"$input_type"}],"opts":{"d":"$dimensions"}}'
                query_type = "ask"
                document_type = "store"
                [answer]
                vectors = "result.rows[].v.dense"
                index = "result.rows[].n"
                tokens = "cost.tok"
                """, source: "test")
        let box = try ProviderBlackBox(profile, model: "a b", baseURL: server.url, apiKey: APIKey("k"))
        let vectors = try await box.embed(items(["abc", "", "abcdefgh"].map { $0 + "." }), as: .query)
        #expect(vectors.rows == 3 && vectors.columns == 2)
        #expect(abs(vectors[0, 0] - 4 / 32.0.squareRoot().float) < 1e-6)
        let request = try #require(server.requests.first)
        #expect(request.target == "/do/a%20b/vectors" && request.headers["x-key"] == "Token token=k")
        #expect(
            String(decoding: request.body, as: UTF8.self)
                == #"{"batch":[{"t":"abc.","kind":"ask"},{"t":".","kind":"ask"},{"t":"abcdefgh.","kind":"ask"}]}"#)
        #expect(box.spent.tokens == 7)
    }
}

extension Double {
    fileprivate var float: Float { Float(self) }
}
