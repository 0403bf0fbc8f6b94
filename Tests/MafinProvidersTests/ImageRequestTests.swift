import Foundation
import MafinBlackBox
import MafinImages
import MafinNumerics
import MafinTestSupport
import Synchronization
import Testing

@testable import MafinProviders

@Suite struct ImageRequestTests {
    private func items(_ images: [ItemImage], text: String = "") -> [EmbeddingItem] {
        images.enumerated().map { EmbeddingItem(id: "i\($0)", text: text, image: $1) }
    }

    private func expect(_ vectors: Matrix?, are items: [String], sourceLocation: SourceLocation = #_sourceLocation) {
        let (expected, found) = (EmbeddingServer.vectors(items), vectors?.values ?? [])
        #expect(
            found.count == expected.count && zip(found, expected).allSatisfy { abs($0 - $1) < 1e-6 },
            sourceLocation: sourceLocation)
    }

    @Test(arguments: ImageServer.Vendor.allCases)
    func imagesAreAskedInTheVendorsWay(vendor: ImageServer.Vendor) async throws {
        let server = try ImageServer(vendor)
        defer { server.stop() }
        let (box, images) = (try server.blackBox(), try pictures(9))
        for role in [TextRole.query, .document] {
            expect(try await box.embed(items(images), as: role), are: images.map(\.contentHash))
        }
        #expect(server.requests.count == 2 * 3)  // four to a request
        // The same model reads texts, in the same call.
        let mixed = items(Array(images.prefix(2))) + [EmbeddingItem(id: "t", text: "a red bicycle")]
        let vectors = try await box.embed([mixed[0], mixed[2], mixed[1]], as: .document)
        expect(vectors, are: [images[0].contentHash, "a red bicycle", images[1].contentHash])
    }

    @Test(arguments: ImageServer.Vendor.allCases)
    func imagesWithTextsAreOneItem(vendor: ImageServer.Vendor) async throws {
        let server = try ImageServer(vendor)
        defer { server.stop() }
        let (box, images) = (try server.blackBox(), try pictures(3))
        let both = items(images, text: "a \"quoted\" caption")
        guard vendor.readsBoth else {
            let text = await message { _ = try await box.embed(both, as: .document) }
            #expect(text.contains("reads an image or a text, and 3 items have both"), "\(text)")
            #expect(server.requests.isEmpty)
            return
        }
        expect(
            try await box.embed(both, as: .document), are: images.map { "a \"quoted\" caption + \($0.contentHash)" })
    }

    /// The faults of real servers, in every dialect: the user gets every vector, and each image is paid for once.
    @Test(arguments: ImageServer.Vendor.allCases)
    func faultsCostNothingTwice(vendor: ImageServer.Vendor) async throws {
        let server = try ImageServer(vendor) { _, number in
            switch number {
            case 0: .text("{}", status: 503)
            case 1: .text("slow down", status: 429, headers: ["Retry-After": "0"])
            case 3: StubHTTPServer.Response(delivery: .hangUp)
            case 4: .text("not JSON", type: "text/plain", delivery: .cut(after: 3))
            case 6: .text("{\"message\": \"too big\"}", status: 413)
            default: nil
            }
        }
        defer { server.stop() }
        try await TemporaryFolder.with { folder in
            let cache = try EmbeddingCache(file: folder.url.appendingPathComponent("cache.sqlite"))
            let cached = CachedBlackBox(try server.blackBox(), cache: cache)
            let images = try pictures(11)
            // One picture under two names and ids is one picture.
            let twin = try ItemImage(bytes: images[3].bytes(), name: "another name")
            let asked = items(images + [twin])
            let expected = (images + [twin]).map(\.contentHash)
            expect(try await cached.embed(asked, as: .document), are: expected)
            #expect(server.paidItems.sorted() == images.map(\.contentHash).sorted())
            let before = server.requests.count
            expect(try await cached.embed(asked, as: .document), are: expected)
            #expect(server.requests.count == before)
            #expect(try await cache.count() == 11)
        }
    }

    @Test func theImageAtFaultIsNamed() async throws {
        let images = try pictures(8)
        let bad = images[5].contentHash
        let server = try ImageServer(.cohere) { items, _ in
            items.contains(bad) ? .text(#"{"message": "invalid image"}"#, status: 400) : nil
        }
        defer { server.stop() }
        let found = Mutex<Set<Int>>([])
        let box = try server.blackBox()
        let text = await message {
            // A text before the images, so that positions within a group and within the call differ.
            let all = [EmbeddingItem(id: "t", text: "a text")] + items(images)
            try await box.embed(all, as: .document) { rows in found.withLock { $0.formUnion(rows.indices) } }
        }
        #expect(text.contains("'i5'") && text.contains("invalid image"), "\(text)")
        #expect(found.withLock { $0 } == Set(0..<9).subtracting([6]))
    }

    @Test func modelsOfTextsRefuseImages() async throws {
        let server = try EmbeddingServer(.openAI)
        defer { server.stop() }
        let box = try server.blackBox()
        let all = [EmbeddingItem(id: "t", text: "a text")] + items(try pictures(2))
        let text = await message { _ = try await box.embed(all, as: .document) }
        #expect(text == "openai:m reads no images, and 2 items have one: 'i0', 'i1'")
        #expect(server.requests.isEmpty)
    }

    @Test func aFileThatHasChangedIsNotSent() async throws {
        let server = try ImageServer(.images)
        defer { server.stop() }
        try await TemporaryFolder.with { folder in
            let file = folder.url.appendingPathComponent("a.png")
            let images = try pictures(2)
            try images[0].bytes().write(to: file)
            let item = try ItemImage(file: file, path: "a.png")
            try images[1].bytes().write(to: file)
            let box = try server.blackBox()
            let text = await message { _ = try await box.embed(items([item]), as: .document) }
            #expect(text.contains("a.png: the file has changed"), "\(text)")
            #expect(server.requests.isEmpty && box.spent.tokens == 0)
        }
    }

    @Test func plansCountAndPriceImages() async throws {
        let server = try ImageServer(.voyage)
        defer { server.stop() }
        try await TemporaryFolder.with { folder in
            let cache = try EmbeddingCache(file: folder.url.appendingPathComponent("cache.sqlite"))
            let box = try server.blackBox { $0.spending = SpendingLimit(cost: 1, pricePerMillionTokens: 0.12) }
            let images = try pictures(10)
            let texts = [(role: TextRole.document, items: items(images + [images[0]]))]
            let plan = try await EmbeddingPlan(
                box, cache: cache, texts: texts, ruler: TokenRuler(bytesPerToken: 3))
            // 25 pixels count as 50,000, which are 90 tokens of 560 pixels.
            #expect(plan.toAsk == 10 && plan.parts[0].images == 10 && plan.tokens == 10 * 90 && plan.requests == 3)
            #expect(abs((plan.cost ?? 0) - 900 * 0.12 / 1e6) < 1e-12)
            #expect(plan.rows.contains { $0.name == "images" && $0.value.hasPrefix("10 of the items") })
            let cached = CachedBlackBox(box, cache: cache)
            _ = try await cached.embed(items(Array(images.prefix(4))), as: .document)
            #expect(box.spent.tokens == 4 * 7)  // as the server counted
            let rest = try await EmbeddingPlan(box, cache: cache, texts: texts, ruler: TokenRuler(bytesPerToken: 3))
            #expect(rest.toAsk == 6 && rest.parts[0].cached == 4 && rest.tokens == 6 * 90)
        }
    }

    @Test func capsHoldForImages() async throws {
        let server = try ImageServer(.voyage)
        defer { server.stop() }
        // 900 tokens at 0.12 a million cost 0.000108.
        let box = try server.blackBox { $0.spending = SpendingLimit(cost: 0.0001, pricePerMillionTokens: 0.12) }
        let text = await message { _ = try await box.embed(items(try pictures(10)), as: .document) }
        #expect(text.contains("allowed") && server.requests.isEmpty, "\(text)")
    }

    @Test func imagesMayHaveAPriceOfTheirOwn() async throws {
        let server = try ImageServer(.images)
        defer { server.stop() }
        let profile = try ProfileCatalog.builtIn.profile("images").overriding(
            toml: "[price]\nper_million_tokens = 0.5\nper_image = 0.0001", source: "test")
        let options = ProviderBlackBox.Options(spending: SpendingLimit(cost: 1, pricePerMillionTokens: 0.5))
        let box = try ProviderBlackBox(
            profile, model: "any", baseURL: server.url, apiKey: try APIKey(Dialect.key), options: options,
            environment: [:])
        _ = try await box.embed(items(try pictures(5)), as: .document)
        // An image costs as much as 200 tokens, whatever the server counts.
        #expect(box.spent.tokens == 5 * 200)
    }

    @Test func sizesAreCounted() throws {
        func facts(_ toml: String) throws -> ImageFacts {
            try ProfileCatalog.builtIn.profile("images").overriding(toml: "[images]\n\(toml)", source: "test").images
        }
        #expect(try facts("tokens = 258").tokens(width: 1, height: 9000) == 258)
        #expect(try facts("pixels_per_token = 560\nmaximum_pixels = 2000000").tokens(width: 5000, height: 5000) == 3572)
        #expect(try facts("tile = 512\ntokens_per_tile = 4000").tokens(width: 513, height: 512) == 8000)
        #expect(try facts("").tokens(width: 10, height: 10) == 0)
        #expect(throws: ProviderError.self) { _ = try facts("tile = 512") }
        #expect(throws: ProviderError.self) { _ = try facts("tokens = 5\npixels_per_token = 560") }
        let image = try pictures(1)[0]
        let tight = try ProfileCatalog.builtIn.profile("images").overriding(
            toml: "[images]\nmaximum_bytes = 20", source: "test")
        let box = try ProviderBlackBox(tight, model: "any", baseURL: "http://127.0.0.1:9", environment: [:])
        let form = try box.form(for: items([image]), as: .query, encoding: 0)
        #expect(throws: ImageError.self) { _ = try box.costs(of: items([image]), as: .query, in: form) }
    }

    @Test(arguments: [
        (#"{"input":["$texts"]}"#, "exactly once and no text"),
        (#"{"input":"$image"}"#, "inside an array of one element"),
        (#"{"input":[{"a":"$image","b":"$image"}]}"#, "exactly once"),
        (#"{"input":[{"a":"$picture"}]}"#, "unknown variable"),
    ])
    func bodiesForImagesAreChecked(body: String, fault: String) throws {
        let error = try #require(throws: ProviderError.self) {
            _ = try ProfileCatalog.builtIn.profile("openai").overriding(
                toml: "[request]\nimage_body = '''\(body)'''", source: "test")
        }
        #expect("\(error)".contains(fault) && "\(error)".contains("request.image_body"))
    }

    @Test func bodiesForImagesAreAPartOfTheIdentity() throws {
        func identity(_ toml: String) throws -> BlackBoxIdentity {
            let profile = try ProfileCatalog.builtIn.profile("cohere").overriding(toml: toml, source: "test")
            return try ProviderBlackBox(profile, model: "embed-v4.0", environment: [:]).identity
        }
        #expect(try identity("").request == nil)
        let other =
            #"[[model]]\#nmatch = "*"\#n[model.request]\#nimage_body = '{"model":"$model","images":["$image"],"input_type":"$input_type","embedding_types":["$encoding"]}'"#
        #expect(try identity(other).request != nil)
    }
}
